"""Merge separate trades into the rows of a book."""

import numpy as np
import polars as pl

from ofiml.data.book import kernel
from ofiml.data.book.build import MESSAGE_COLUMNS
from ofiml.data.schema import EVENT_COLUMNS, Int64, make_level_columns


def merge_trades_into_messages(messages: pl.DataFrame, trades: pl.DataFrame, before: Int64) -> pl.DataFrame:
    """Merge trades into a table of messages; they do not change the book.

    `trades` has the event columns and `line`; `before` (trades,), non-decreasing, is the number of messages before each
    trade.
    """
    trade_messages = trades.with_columns(
        pl.lit(kernel.KEEP, pl.UInt8).alias("op"),
        pl.lit(kernel.NO_SIDE, pl.UInt8).alias("op_side"),
        pl.lit(None, pl.UInt64).alias("order"),
        pl.lit(kernel.ALWAYS, pl.UInt8).alias("show"),
    )
    names = list(MESSAGE_COLUMNS)
    return _merge_rows(messages.select(names), trade_messages.select(names), before)


def merge_trades_into_books(book: pl.DataFrame, trades: pl.DataFrame, before: Int64, levels: int) -> pl.DataFrame:
    """Merge trades into rows that each state a book; a trade shows the book before it, null before the first.

    Arguments as in `merge_trades_into_messages`; `before` counts books.
    """
    shown = {name: dtype for m in range(levels) for name, dtype in make_level_columns(m).items()}
    # Index 0 is the empty book before the first row.
    empty = pl.DataFrame({name: [None] for name in shown}, schema=shown)
    book_before = pl.concat([empty, book.select(list(shown))])[before]
    names = ["line", *EVENT_COLUMNS, *shown]
    return _merge_rows(book.select(names), pl.concat([trades, book_before], how="horizontal").select(names), before)


def _merge_rows(rows: pl.DataFrame, trades: pl.DataFrame, before: Int64) -> pl.DataFrame:
    if trades.height == 0:
        return rows
    place = np.concatenate([2 * np.arange(rows.height, dtype=np.int64) + 1, 2 * before])
    return pl.concat([rows, trades])[np.argsort(place, kind="stable")]
