"""Books of feeds with sizes by price: the functions that their readers share."""

import numpy as np
import polars as pl

from ofiml.data.book import kernel, ladder
from ofiml.data.book.build import extract_columns, make_level_table, set_last_flags
from ofiml.data.checks import Checker
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    SIDE,
    TIME,
    Int64,
)
from ofiml.units import PRICE_SCALE


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


def build_from_levels(messages: pl.DataFrame, levels: int, checker: Checker, tick: float | None = None) -> pl.DataFrame:
    """Build events with `levels` levels from messages that set and clear levels.

    `messages` has MESSAGE_COLUMNS; `tick` is the price step, needed only after ladder.FORGET. Events and the flag
    F_LAST are as in `build_events`. A row that states a book (F_SNAPSHOT) has side N, price null and size 0; so does a
    row at which levels become known or unknown. Raises DataError if the policy for an unknown level does.
    """
    n = messages.height
    op, side, show, price, size = extract_columns(messages, "op", "op_side", "show", "price", "size")
    grid, rank = _rank_prices(price)
    on_grid = np.zeros(len(grid), np.uint8)
    if tick is not None:
        on_grid[1:] = np.diff(grid) == round(tick * PRICE_SCALE)
    row_of, effect = np.empty(n, np.int64), np.empty(n, np.uint8)
    max_rows = int((show != kernel.NEVER).sum())
    restated = np.empty(max_rows, np.uint8)
    px, sz = (np.empty((2 * levels, max_rows), np.int64) for _ in range(2))
    rows = ladder.run(op, side, rank, size, show, on_grid, grid, levels, row_of, effect, restated, px, sz)
    for cause, bit, what in (
        ("unknown_order", kernel.UNKNOWN, "the removed level is not in the book"),
        ("no_snapshot", ladder.BLIND, "an update without a known book"),
    ):
        misfits = (effect & bit) != 0
        if misfits.any():
            checker.notice(cause, messages["line"].filter(pl.Series(misfits)), what)
    shown = row_of[:rows]
    names = ["line", "ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence"]
    events = messages.select(names)[shown]
    flags = set_last_flags(messages["flags"].to_numpy(), shown) | restated[:rows] * np.uint8(F_SNAPSHOT)
    stated = pl.Series((flags & F_SNAPSHOT) != 0) & (events["action"] != "T")
    return events.with_columns(
        pl.when(stated).then(pl.lit("N").cast(SIDE)).otherwise("side").alias("side"),
        pl.when(~stated).then("price").alias("price"),
        pl.when(stated).then(0).otherwise("size").alias("size"),
        flags=pl.Series(flags),
        **make_level_table(px, sz, None, levels, rows),
    )


def _rank_prices(price: Int64) -> tuple[Int64, Int64]:
    """Return the sorted distinct prices (at least one), and the rank of each."""
    if not len(price):
        return np.zeros(1, np.int64), np.zeros(0, np.int64)
    grid, rank = np.unique(price, return_inverse=True)
    return grid, rank.astype(np.int64)


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
