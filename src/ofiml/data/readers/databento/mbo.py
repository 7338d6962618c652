"""From rows of Databento's MBO schema to the messages of the book builder, and to events."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book import MESSAGE_COLUMNS, build_events, kernel
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
)
from ofiml.data.formats import dbn
from ofiml.data.readers.databento.columns import EVENT_NAMES
from ofiml.data.readers.databento.files import check_one_book, read_rows
from ofiml.data.readers.databento.schemas import F_MAYBE_BAD_BOOK
from ofiml.data.readers.databento.venues import find_venue
from ofiml.data.schema import F_SNAPSHOT, NO_PRICE
from ofiml.errors import DataError

# Flags of rows that are a whole level (16) or a best quote (64), not an order.
_NO_ORDER = 16 | 64
_OPS = {"A": kernel.ADD, "C": kernel.REDUCE, "M": kernel.REPLACE, "R": kernel.CLEAR}
_SHOWN = {
    "A": kernel.IF_CHANGED,
    "C": kernel.IF_CHANGED,
    "M": kernel.IF_CHANGED,
    "R": kernel.ALWAYS,
    "T": kernel.ALWAYS,
}
_SIDES = {"A": kernel.ASK, "B": kernel.BID, "N": kernel.NO_SIDE}
# A single order that was never added may be a lost message; a book that existed before the file has more of them.
_MIN_UNKNOWN_ORDERS = 2
_SENTENCES = {
    "unknown_order": "the order is not in the book",
    "excess_size": "more is removed from the order than it has left",
    "order_twice": "an order with this id is already in the book",
    "swept_level": "a level stood in its way and was removed",
}


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events with `dataset.levels` levels, or 10. Raises DataError as `mbp.read_feeds`."""
    levels = dataset.levels or 10
    rows, _, checker = read_rows(list(files), dataset, (dbn.MBO,), _require_orders)
    for symbol, its_rows, its_checker in split_by_symbol(rows, checker.source, dataset.symbols, checker):
        count = its_rows.height + sum(its_checker.dropped.values())
        usable = its_checker.apply(check_one_book(its_rows, symbol, its_checker), _CHECKS)
        venue, calendar = find_venue(its_rows)
        events = _rebuild_book(usable, levels, its_checker)
        yield Feed(symbol, events, levels, count, its_checker, calendar=calendar, venue=venue)


def to_messages(rows: pl.DataFrame) -> pl.DataFrame:
    """Convert the rows to messages of the book builder."""
    side = (
        pl.when(pl.col("action") == "R").then(pl.lit(kernel.NO_SIDE, pl.UInt8)).otherwise(_look_up("side", _SIDES, 0))
    )
    # After lost messages a row is always shown: it marks that no flow is measured across it.
    lost = (pl.col("flags") & F_MAYBE_BAD_BOOK) != 0
    shown = _look_up("action", _SHOWN, kernel.NEVER)
    show = pl.when(lost).then(pl.lit(kernel.ALWAYS, pl.UInt8)).otherwise(shown)
    return rows.select(
        pl.col("line").cast(pl.UInt32),
        "ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence",
        _look_up("action", _OPS, kernel.KEEP).alias("op"),
        side.alias("op_side"),
        pl.col("order_id").alias("order"),
        show.alias("show"),
    ).select(list(MESSAGE_COLUMNS))  # fmt: skip


def _rebuild_book(rows: pl.DataFrame, levels: int, checker: Checker) -> pl.DataFrame:
    """Build the events of a symbol, with a separate book for each instrument that it meant in turn."""
    parts: list[pl.DataFrame] = []
    for part in _split_by_instrument(rows):
        part = _drop_unknown_book(part, checker)
        if part.height == 0:
            continue
        events, misfits = build_events(to_messages(part), levels, order_times=True)
        for cause, lines in misfits.items():
            checker.notice(cause, lines, _SENTENCES[cause])
        if parts:
            first = pl.int_range(pl.len()) == 0
            flags = pl.when(first).then(pl.col("flags") | F_SNAPSHOT).otherwise(pl.col("flags"))
            events = events.with_columns(flags.cast(pl.UInt8).alias("flags"))
        parts.append(events)
    return pl.concat(parts)


def _drop_unknown_book(rows: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    """Apply the policy `no_snapshot` to rows of one instrument before its book is known, which is at a clear.

    Without a clear at the start the book is taken as empty, unless several rows before the first clear are of orders
    that were never added: then the file starts in the middle of a day, and any level may hold orders from before it.
    """
    clears = (rows["action"] == "R").arg_true()
    first = int(clears[0]) if clears.len() else rows.height
    if first == 0:
        return rows
    _, misfits = build_events(to_messages(rows.head(first)), 1)
    unknown = misfits.get("unknown_order")
    if unknown is None or unknown.len() < _MIN_UNKNOWN_ORDERS:
        checker.notes.append("the orders begin without a clear or a snapshot: the book is taken as empty before them")
        return rows
    policy = checker.policy.no_snapshot
    if policy == "raise" or (policy == "drop" and not clears.len()):
        raise DataError(
            f"{checker.source}, {checker.place} {unknown[0]}, column order_id: this order was never added, nor were "
            f"those of {unknown.len() - 1} later rows, so the file starts in the middle of a day and the book is not "
            "known. Give the data from the start of the UTC day, which is a clear or a snapshot, or take the book as "
            "empty at the start: dataset.policy.no_snapshot=keep."
        )
    checker.count("no_snapshot", first)
    return rows if policy == "keep" else rows.slice(first)


def _split_by_instrument(rows: pl.DataFrame) -> list[pl.DataFrame]:
    if "instrument_id" not in rows.columns or rows.height == 0:
        return [rows]
    ids = rows["instrument_id"].to_numpy()
    cuts = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
    return [rows[a:b] for a, b in pairwise(cuts)]


def _look_up(column: str, meanings: dict[str, int], other: int) -> pl.Expr:
    return pl.col(column).cast(pl.String).replace_strict(meanings, default=other, return_dtype=pl.UInt8)


def _require_orders(names: list[str], source: str) -> int:
    absent = [c for c in [*EVENT_NAMES, "order_id"] if c not in names]
    if absent or "bid_px_00" in names:
        what = f"the column {absent[0]} is missing" if absent else "it has levels"
        raise DataError(f"{source}: {what}; give MBO. For MBP-10, MBP-1 and TBBO use dataset=databento.")
    return 0


_ORDER = pl.col("action").is_in(["A", "C", "M"])
_PLACED = pl.col("action").is_in(["A", "M"])
_CHECKS = [
    Check(
        "unreadable", "flags", _ORDER & ((pl.col("flags") & _NO_ORDER) != 0),
        "the flags {flags} mark the row as a price level or a best quote, not an order",
    ),
    Check("unreadable", "side", _ORDER & (pl.col("side") == "N"), "{action} of an order without a side"),
    Check(
        "unreadable", "price", _PLACED & (pl.col("price").is_null() | (pl.col("price") == NO_PRICE)),
        "{action} of an order without a price",
    ),
    Check("negative_size", "size", pl.col("size") < 0, "the size {size} is negative"),
]  # fmt: skip
