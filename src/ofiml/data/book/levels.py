"""Books of feeds with sizes by price: the functions that their readers share."""

import polars as pl

from ofiml.data.book.build import build_events
from ofiml.data.checks import Checker
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    SIDE,
    TIME,
    Int64,
)


def make_single_row_events(
    rows: pl.DataFrame, action: str, *, event: str, received: str, sequence: pl.Expr | pl.Series
) -> pl.DataFrame:
    """Make events of one action, each a message of one row, without side, price and size.

    `rows` has `line`; `event` and `received` are the names of its clock columns.
    """
    return rows.select(
        pl.col("line").cast(pl.UInt32),
        pl.col(event).cast(TIME).alias("ts_event"),
        pl.col(received).cast(TIME).alias("ts_recv"),
        pl.lit(action).cast(ACTION).alias("action"),
        pl.lit("N").cast(SIDE).alias("side"),
        pl.lit(None, pl.Int64).alias("price"),
        pl.lit(0, pl.Int64).alias("size"),
        pl.lit(F_LAST, pl.UInt8).alias("flags"),
        sequence.alias("sequence"),
    )


def build_from_levels(messages: pl.DataFrame, levels: int, checker: Checker) -> pl.DataFrame:
    """Build events from messages that set and clear levels.

    A row that states a whole book (F_SNAPSHOT) has side N, price null and size 0. Raises DataError if the policy for
    an unknown level does.
    """
    events, misfits = build_events(messages, levels)
    for cause, lines in misfits.items():
        checker.notice(cause, lines, "the removed level is not in the book")
    stated = (pl.col("flags") & F_SNAPSHOT) != 0
    return events.with_columns(
        pl.when(stated).then(pl.lit("N").cast(SIDE)).otherwise("side").alias("side"),
        pl.when(~stated).then("price").alias("price"),
        pl.when(stated).then(0).otherwise("size").alias("size"),
    )


def drop_early_trades(trades: pl.DataFrame, before: Int64, checker: Checker) -> tuple[pl.DataFrame, Int64]:
    """Apply the policy `no_snapshot` to trades before the first book; return the remaining trades and their `before`.

    `before` (trades,) is the number of books before each trade. Raises DataError if the policy does.
    """
    early = before == 0
    if not early.any():
        return trades, before
    checker.notice("no_snapshot", trades["line"].filter(pl.Series(early)), "a trade before the first known book")
    if checker.policy.no_snapshot == "keep":
        return trades, before
    return trades.filter(pl.Series(~early)), before[~early]
