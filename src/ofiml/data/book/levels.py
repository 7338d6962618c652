"""Books of feeds that state sizes by price: code that their readers share."""

import polars as pl

from ofiml.data.book.build import build
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
    """Make events of one action, one row and one message each, without side, price and size.

    `rows` has `line`; `event` and `received` name its columns of the two clocks.
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
    """Build the events of messages that set and clear levels.

    A row that states a whole book (F_SNAPSHOT) concerns no single level: its side is N, its price null, its size 0.
    """
    events, noticed = build(messages, levels)
    for cause, lines in noticed.items():
        checker.notice(cause, lines, "the removed level is not in the book")
    stated = (pl.col("flags") & F_SNAPSHOT) != 0
    return events.with_columns(
        pl.when(stated).then(pl.lit("N").cast(SIDE)).otherwise("side").alias("side"),
        pl.when(~stated).then("price").alias("price"),
        pl.when(stated).then(0).otherwise("size").alias("size"),
    )


def drop_early_trades(trades: pl.DataFrame, before: Int64, checker: Checker) -> tuple[pl.DataFrame, Int64]:
    """Drop trades before the first book, as the policy `no_snapshot` says; return the trades and their `before`.

    `before` (trades,) is the number of books before each trade. Raises DataError where the policy does.
    """
    early = before == 0
    if not early.any():
        return trades, before
    checker.notice("no_snapshot", trades["line"].filter(pl.Series(early)), "a trade before the first known book")
    if checker.policy.no_snapshot == "keep":
        return trades, before
    return trades.filter(pl.Series(~early)), before[~early]
