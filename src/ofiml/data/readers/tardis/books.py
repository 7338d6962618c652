"""From tardis.dev's tables of books and trades to events."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import FileDataset
from ofiml.data.book import kernel, ladder
from ofiml.data.book.levels import build_from_levels, drop_early_trades, make_single_row_events
from ofiml.data.book.trades import merge_trades_into_books, merge_trades_into_messages
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
    unpack_file,
)
from ofiml.data.formats import csv as text
from ofiml.data.parts import find_breaks, mark_breaks, stack_tables
from ofiml.data.quality import add_counts
from ofiml.data.schema import (
    F_LAST,
    F_SNAPSHOT,
    SIDE,
    TIME,
    Int64,
    make_level_columns,
)
from ofiml.errors import DataError

Bools = NDArray[np.bool_]

_MICROSECOND = 1_000
_DEFAULT_LEVELS = 10
_INCREMENTAL, _TRADES, _SNAPSHOT = {"is_snapshot", "amount"}, {"id", "side", "amount"}, "asks[0].price"
_QUOTES = {f"{side}_{what}": f"{side}s[0].{what}" for side in ("bid", "ask") for what in ("price", "amount")}
# A column that only files of this type have.
_BOOKLESS = {"funding_rate": "derivative_ticker", "strike_price": "options_chain"}


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in the order of `local_timestamp`.

    Raises DataError for files of another kind, trades without their book (liquidations have the columns of trades), and
    rows that the policy refuses.
    """
    return read_chain([files], dataset)


def read_chain(groups: Sequence[Sequence[Blob]], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events of books in several files, in order of time, each with its trades; as `read_feeds`.

    The format has no sequence numbers that would prove that nothing is missing between two files: a long pause counts
    as a gap.
    """
    books, parts = [], []
    for files in groups:
        table, levels, trades, checker = _read_group(files, dataset)
        books.append((table, checker))
        parts += [] if trades is None else [trades]
    table, checker = stack_tables(books)
    trades = pl.concat(parts) if parts else None
    for symbol, rows, its_checker in split_by_symbol(table, checker.source, dataset.symbols, checker):
        own = None if trades is None else trades.filter(pl.col("symbol") == symbol)
        count = rows.height + (0 if own is None else own.height) + sum(its_checker.dropped.values())
        own = _NO_TRADES if own is None else own.drop("symbol")
        if "is_snapshot" in table.columns:
            events, notes = _build_from_increments(rows, own, levels, its_checker, dataset.tick)
        else:
            events, notes = _build_from_snapshots(rows, own, levels, its_checker), []
        events = events.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("sequence"))
        yield Feed(symbol, events, levels, count, its_checker, notes=tuple(notes))


def _read_group(files: Sequence[Blob], dataset: FileDataset) -> tuple[pl.DataFrame, int, pl.DataFrame | None, Checker]:
    """Read a book's table, its levels, and its trades."""
    blob = unpack_file(files[0])
    names = text.read_header(blob)
    checker = Checker(blob.name, dataset.policy)
    trades = _read_trades(unpack_file(files[1]), dataset, checker) if len(files) > 1 else None
    common = {
        "symbol": text.word(),
        "timestamp": text.epoch_time(_MICROSECOND),
        "local_timestamp": text.epoch_time(_MICROSECOND),
    }
    if set(names) >= _INCREMENTAL:
        levels = dataset.levels or _DEFAULT_LEVELS
        columns = common | {
            "is_snapshot": text.mapped({"true": True, "false": False}, pl.Boolean()),
            "side": text.mapped({"bid": kernel.BID, "ask": kernel.ASK}, pl.UInt8()),
            "price": text.price(),
            "amount": text.size(dataset.size_unit),
        }
    elif _SNAPSHOT in names or set(names) >= set(_QUOTES):
        levels = _count_levels([_QUOTES.get(name, name) for name in names], blob.name, dataset.levels)
        shown = [f"{side}[{m}].{what}" for m in range(levels) for side in ("bids", "asks") for what in _QUANTITY]
        if _SNAPSHOT not in names:
            shown = list(_QUOTES)
        price, size = text.optional(text.price()), text.optional(text.size(dataset.size_unit))
        columns = common | {name: price if name.endswith("price") else size for name in shown}
    else:
        raise _make_no_book_error(blob.name, names)
    table = text.read_csv(blob, columns, checker).rename(_QUOTES, strict=False)
    if trades is not None and trades.height and not trades["symbol"].is_in(table["symbol"].unique().implode()).any():
        raise DataError(
            f"{files[1].name} contains trades of {trades['symbol'][0]}, but {blob.name} does not contain its book."
        )
    return table, levels, trades, checker


_QUANTITY = ("price", "amount")


def _make_no_book_error(source: str, names: list[str]) -> DataError:
    """Make the error for a file without a book; it states the type of the file if its columns tell it."""
    if set(names) >= _TRADES:
        what = "trades without a book"
    else:
        kind = next((kind for column, kind in _BOOKLESS.items() if column in names), None)
        what = "columns without a book" if kind is None else f"columns of {kind}, without a book"
    return DataError(
        f"{source}, line 1: {what}; give the incremental_book_L2, book_snapshot_25, book_snapshot_5 or quotes file of "
        "the same day (the trades file beside it is read too)."
    )


def _count_levels(names: list[str], source: str, wanted: int | None) -> int:
    n_levels = sum(re.fullmatch(r"asks\[\d+\]\.price", name) is not None for name in names)
    if wanted is not None and wanted > n_levels:
        raise DataError(f"{source} has {n_levels} level{'s' * (n_levels > 1)}: set dataset.levels={n_levels}.")
    return wanted or n_levels


# --- trades ----------------------------------------------------------------------------------------------------------


def _read_trades(blob: Blob, dataset: FileDataset, checker: Checker) -> pl.DataFrame:
    """Read the trades file as events with `symbol`; add the counts of its checks to `checker`."""
    own = Checker(blob.name, dataset.policy)
    columns = {
        "symbol": text.word(),
        "timestamp": text.epoch_time(_MICROSECOND),
        "local_timestamp": text.epoch_time(_MICROSECOND),
        "side": text.mapped({"buy": "B", "sell": "A", "unknown": "N"}, SIDE),
        "price": text.price(),
        "amount": text.size(dataset.size_unit),
    }
    table = text.read_csv(blob, columns, own)
    events = _make_events(table, "T").with_columns(
        table["side"], table["price"], table["amount"].alias("size"), table["symbol"]
    )
    # The times are checked here: merged with the book's rows, the line of a trade would be meaningless.
    events = own.check_times(events)
    checker.dropped, checker.kept = add_counts(checker.dropped, own.dropped), add_counts(checker.kept, own.kept)
    return events


def _make_events(rows: pl.DataFrame, action: str) -> pl.DataFrame:
    place = pl.col("line").cast(pl.Int64)
    return make_single_row_events(rows, action, event="timestamp", received="local_timestamp", sequence=place)


_NO_TRADES = _make_events(
    pl.DataFrame(schema={"line": pl.UInt32(), "timestamp": TIME, "local_timestamp": TIME}),
    "T",
)


def _read_clock(events: pl.DataFrame, column: str) -> Int64:
    """Return the times that order the rows of two files: a decreasing time takes the value of the row before it."""
    return events[column].to_physical().cum_max().to_numpy()


# --- books -----------------------------------------------------------------------------------------------------------


def _build_from_increments(
    rows: pl.DataFrame, trades: pl.DataFrame, levels: int, checker: Checker, tick: float
) -> tuple[pl.DataFrame, list[str]]:
    """Build the events of changes and full books; return them and notes.

    Changes before the first full book are dropped if there is one, unless the policy keeps them. Without one, and after
    a gap, levels are unknown until they are set. Raises DataError for a book that never becomes known.
    """
    # Checked before the build: a negative size would enter the book.
    negative = Check("negative_size", "amount", pl.col("amount") < 0, "the size {amount} is negative")
    rows = checker.apply(rows, [negative])
    full = rows["is_snapshot"].to_numpy()
    first = int(np.argmax(full)) if full.any() else len(full)
    policy = checker.policy.no_snapshot
    if first and (policy == "raise" or (policy == "drop" and full.any())):
        checker.notice("no_snapshot", rows["line"][:first], "a change before the first full book")
        rows, full = rows[first:], full[first:]
    if not len(full):
        raise checker.make_no_rows_error()
    stamps = rows["local_timestamp"].to_physical().to_numpy()
    breaks = np.zeros(len(full), bool)
    breaks[find_breaks(rows["line"].to_numpy(), stamps, checker)] = True
    opens = full & (breaks | ~np.append(False, full[:-1]))
    has_new_time = np.append(True, stamps[1:] != stamps[:-1])
    starts = opens | (~full & (has_new_time | np.append(True, full[:-1])))
    forgets = ~full & breaks
    forgets[0] = not full[0]
    starts |= forgets
    notes = []
    n_parts = int((has_new_time & full & ~opens).sum())
    if n_parts:
        notes.append(f"consecutive full books with different local times, treated as parts of one: {n_parts}")
    number = np.cumsum(starts)
    stated = full | np.isin(number, number[breaks])  # after a gap the message states what is known
    messages = _make_messages(rows, stated, starts, opens, forgets)
    # The rows that empty the book shift the others.
    empties = opens | forgets
    begins = np.flatnonzero(starts) + np.cumsum(empties)[starts] - empties[starts]
    ends = np.append(np.flatnonzero(starts)[1:], len(full)) - 1
    known = _read_clock(rows, "local_timestamp")[ends]
    group = np.searchsorted(known, _read_clock(trades, "ts_recv"), side="left")
    trades, group = drop_early_trades(trades, group, checker)
    merged = merge_trades_into_messages(messages, trades, np.append(begins, messages.height)[group])
    events = build_from_levels(merged, levels, checker, tick)
    if not (events["bid_px_00"].is_not_null() & events["ask_px_00"].is_not_null()).any() and not full.any():
        raise DataError(
            f"{checker.source} contains no full book (is_snapshot), and its changes never show both best prices (known "
            f"where they are dataset.tick={tick:g} apart), so the book is unknown: add the file with the full book, or "
            "check dataset.tick."
        )
    return events, notes


def _make_messages(rows: pl.DataFrame, stated: Bools, starts: Bools, opens: Bools, forgets: Bools) -> pl.DataFrame:
    """Make the messages of the book builder: the rows, with a clear before each full book.

    `stated` rows are of messages that state the book; before a row of `forgets` the book becomes unknown.
    """
    n = len(stated)
    end = np.append(starts[1:], True)
    shown = np.where(stated, kernel.ALWAYS, kernel.IF_CHANGED)
    side = rows["side"]
    sides = pl.Series(["A", "B"], dtype=SIDE)
    sets = _make_events(rows, "M").with_columns(
        sides[side.cast(pl.Int64)].alias("side"),
        rows["price"],
        rows["amount"].alias("size"),
        flags=pl.Series((np.where(end, F_LAST, 0) | np.where(end & stated, F_SNAPSHOT, 0)).astype(np.uint8)),
        op=pl.lit(kernel.SET, pl.UInt8),
        op_side=side,
        order=pl.lit(None, pl.UInt64),
        show=pl.Series(np.where(end, shown, kernel.NEVER).astype(np.uint8)),
    )
    empties = opens | forgets
    operation = pl.Series(np.where(forgets, ladder.FORGET, kernel.CLEAR)[empties].astype(np.uint8))
    clears = sets.filter(pl.Series(empties)).with_columns(
        flags=pl.lit(0, pl.UInt8),
        op=operation,
        op_side=pl.lit(kernel.NO_SIDE, pl.UInt8),
        show=pl.lit(kernel.NEVER, pl.UInt8),
    )
    place = np.concatenate([2 * np.flatnonzero(empties), 2 * np.arange(n) + 1])
    return pl.concat([clears, sets])[np.argsort(place, kind="stable")]


def _build_from_snapshots(rows: pl.DataFrame, trades: pl.DataFrame, levels: int, checker: Checker) -> pl.DataFrame:
    shown = {
        f"{side}_{short}_{m:02d}": rows[f"{side}s[{m}].{what}"]
        for m in range(levels)
        for side in ("bid", "ask")
        for short, what in (("px", "price"), ("sz", "amount"))
    }
    counts = {c: pl.lit(None, pl.UInt32) for m in range(levels) for c in make_level_columns(m) if "_ct_" in c}
    states = mark_breaks(_make_events(rows, "M").with_columns(**shown, **counts), checker)
    before = np.searchsorted(_read_clock(states, "ts_recv"), _read_clock(trades, "ts_recv"), side="left")
    trades, before = drop_early_trades(trades, before, checker)
    return merge_trades_into_books(states, trades, before, levels)
