"""Books of feeds that tell sizes by price: what their readers share."""

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


def lone_events(
    rows: pl.DataFrame, action: str, *, event: str, received: str, sequence: pl.Expr | pl.Series
) -> pl.DataFrame:
    """Events of an action, a row each and each a message of its own, without side, price and size.

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


def from_levels(messages: pl.DataFrame, levels: int, checker: Checker) -> pl.DataFrame:
    """The events of messages that set and clear levels, as `build` has them.

    A row that states a book (F_SNAPSHOT) tells of no level more than of another: its side is N, its price null.
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


def after_first(trades: pl.DataFrame, before: Int64, checker: Checker) -> tuple[pl.DataFrame, Int64]:
    """The trades, and `before` of each, that do not come before all books; what comes before is `no_snapshot`.

    `before` (trades,) is the number of books before each.
    """
    early = before == 0
    if not early.any():
        return trades, before
    checker.notice("no_snapshot", trades["line"].filter(pl.Series(early)), "a trade before the first known book")
    if checker.policy.no_snapshot == "keep":
        return trades, before
    return trades.filter(pl.Series(~early)), before[~early]
