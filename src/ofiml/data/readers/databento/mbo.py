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
from ofiml.data.parts import find_breaks, stack_tables
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
    rows, _, checker = read_rows(list(files), dataset, (dbn.MBO,), _require_orders)
    return _build_feeds(rows, checker, dataset)


def read_chain(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events of orders in several files, in order of time; raises as `read_feeds`.

    The feed's sequence numbers are shared by all symbols and do not prove that nothing is missing between two files: a
    long pause counts as a gap.
    """
    parts = []
    for file in files:
        rows, _, own = read_rows([file], dataset, (dbn.MBO,), _require_orders)
        parts.append((rows, own))
    return _build_feeds(*stack_tables(parts), dataset)


def begins_with_clear(files: Sequence[Blob], dataset: FileDataset) -> bool:
    """Return whether the first row of each symbol in a file clears its book, as each UTC day does.

    False where the file cannot be read.
    """
    try:
        rows, _, _ = read_rows([files[0]], dataset, (dbn.MBO,), _require_orders)
    except DataError:
        return False
    return bool((rows.unique("symbol", keep="first")["action"] == "R").all())


def _build_feeds(rows: pl.DataFrame, checker: Checker, dataset: FileDataset) -> Iterator[Feed]:
    levels = dataset.levels or 10
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
        for k, piece in enumerate(_split_at_breaks(part, checker)):
            known = piece if k == 0 else _drop_until_clear(piece, checker)
            if known.height == 0:
                continue
            built = (
                _build_known_book(known, levels, checker)
                if k == 0
                else build_events(to_messages(known), levels, order_times=True)
            )
            events, misfits = built
            for cause, lines in misfits.items():
                checker.notice(cause, lines, _SENTENCES[cause])
            if parts:
                first = pl.int_range(pl.len()) == 0
                flags = pl.when(first).then(pl.col("flags") | F_SNAPSHOT).otherwise(pl.col("flags"))
                events = events.with_columns(flags.cast(pl.UInt8).alias("flags"))
            parts.append(events)
    return pl.concat(parts) if parts else build_events(to_messages(rows.head(0)), levels, order_times=True)[0]


def _split_at_breaks(rows: pl.DataFrame, checker: Checker) -> list[pl.DataFrame]:
    """Split the rows where a file begins after a long pause: orders of the pause are unknown."""
    breaks = find_breaks(rows["line"].to_numpy(), rows["ts_recv"].to_physical().to_numpy(), checker)
    return [rows[a:b] for a, b in pairwise([0, *breaks, rows.height])]


def _drop_until_clear(rows: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    """Apply the policy `no_snapshot` to the rows after a gap until the next clear; if kept, the book is the one of the
    orders since.
    """
    clears = (rows["action"] == "R").arg_true()
    first = int(clears[0]) if clears.len() else rows.height
    if first:
        checker.notice("no_snapshot", rows["line"].head(first), "an order after a gap and before the next clear")
    return rows if checker.policy.no_snapshot == "keep" else rows.slice(first)


def _build_known_book(rows: pl.DataFrame, levels: int, checker: Checker) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """Build the events of one instrument as `build_events`; its book is known from its first clear on.

    Without a clear at the start the book is taken as empty, unless several rows before the first clear are of orders
    that were never added: then the file starts in the middle of a day, and any level may hold orders from before it.
    The policy `no_snapshot` decides about these rows.
    """
    clears = (rows["action"] == "R").arg_true()
    first = int(clears[0]) if clears.len() else rows.height
    if first == 0:
        return build_events(to_messages(rows), levels, order_times=True)
    before = build_events(to_messages(rows.head(first)), levels, order_times=True)
    kept = _drop_unknown_book(rows, first, before[1].get("unknown_order"), checker)
    return before if first == rows.height else build_events(to_messages(kept), levels, order_times=True)


def _drop_unknown_book(rows: pl.DataFrame, first: int, unknown: pl.Series | None, checker: Checker) -> pl.DataFrame:
    """Return the rows that the policy `no_snapshot` keeps if the `first` ones are before the first clear.

    `unknown` has the lines of orders among them that were never added. Raises DataError if the policy does.
    """
    if unknown is None or unknown.len() < _MIN_UNKNOWN_ORDERS:
        checker.notes.append("the orders begin without a clear or a snapshot: the book is taken as empty before them")
        return rows
    policy = checker.policy.no_snapshot
    if policy == "raise" or (policy == "drop" and first == rows.height):
        raise DataError(
            f"{checker.locate(unknown[0])}, column order_id: this order was never added, nor were "
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
