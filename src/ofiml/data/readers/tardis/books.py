"""From tardis.dev's tables of books and trades to events."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book import kernel
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
    for symbol, rows, its_checker in split_by_symbol(table, blob.name, dataset.symbols, checker):
        own = None if trades is None else trades.filter(pl.col("symbol") == symbol)
        count = rows.height + (0 if own is None else own.height) + sum(its_checker.dropped.values())
        own = _NO_TRADES if own is None else own.drop("symbol")
        make = _build_from_increments if "is_snapshot" in columns else _build_from_snapshots
        events, notes = make(rows, own, levels, its_checker)
        events = events.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("sequence"))
        yield Feed(symbol, events, levels, count, its_checker, notes=tuple(notes))


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
    rows: pl.DataFrame, trades: pl.DataFrame, levels: int, checker: Checker
) -> tuple[pl.DataFrame, list[str]]:
    # Checked before the build: a negative size would enter the book.
    negative = Check("negative_size", "amount", pl.col("amount") < 0, "the size {amount} is negative")
    rows = checker.apply(rows, [negative])
    full = rows["is_snapshot"].to_numpy()
    first = int(np.argmax(full)) if full.any() else len(full)
    if first:
        what = "a change before the first full book"
        checker.notice("no_snapshot", rows["line"][:first], what)
        if checker.policy.no_snapshot != "keep":
            rows, full = rows[first:], full[first:]
    if not len(full):
        raise DataError(
            f"{checker.source} contains no full book (is_snapshot), so the book is unknown; "
            "dataset.policy.no_snapshot=keep starts from an empty one."
        )
    opens = full & ~np.append(False, full[:-1])
    stamps = rows["local_timestamp"].to_physical().to_numpy()
    has_new_time = np.append(True, stamps[1:] != stamps[:-1])
    starts = opens | (~full & (has_new_time | np.append(True, full[:-1])))
    notes = []
    n_parts = int((has_new_time & full & ~opens).sum())
    if n_parts:
        notes.append(f"consecutive full books with different local times, treated as parts of one: {n_parts}")
    messages = _make_messages(rows, full, starts, opens)
    # The clears before full books shift the rows.
    begins = np.flatnonzero(starts) + np.cumsum(opens[starts]) - opens[starts]
    ends = np.append(np.flatnonzero(starts)[1:], len(full)) - 1
    known = _read_clock(rows, "local_timestamp")[ends]
    group = np.searchsorted(known, _read_clock(trades, "ts_recv"), side="left")
    trades, group = drop_early_trades(trades, group, checker)
    events = build_from_levels(
        merge_trades_into_messages(messages, trades, np.append(begins, messages.height)[group]), levels, checker
    )
    return events, notes


def _make_messages(rows: pl.DataFrame, full: np.ndarray, starts: np.ndarray, opens: np.ndarray) -> pl.DataFrame:
    """Make the messages of the book builder: the rows, with a clear before each full book."""
    n = len(full)
    end = np.append(starts[1:], True)
    side = rows["side"]
    sides = pl.Series(["A", "B"], dtype=SIDE)
    sets = _make_events(rows, "M").with_columns(
        sides[side.cast(pl.Int64)].alias("side"),
        rows["price"],
        rows["amount"].alias("size"),
        flags=pl.Series((np.where(end, F_LAST, 0) | np.where(end & full, F_SNAPSHOT, 0)).astype(np.uint8)),
        op=pl.lit(kernel.SET, pl.UInt8),
        op_side=side,
        order=pl.lit(None, pl.UInt64),
        show=pl.Series(np.where(~end, kernel.NEVER, np.where(full, kernel.ALWAYS, kernel.IF_CHANGED)).astype(np.uint8)),
    )
    clears = sets.filter(pl.Series(opens)).with_columns(
        flags=pl.lit(0, pl.UInt8),
        op=pl.lit(kernel.CLEAR, pl.UInt8),
        op_side=pl.lit(kernel.NO_SIDE, pl.UInt8),
        show=pl.lit(kernel.NEVER, pl.UInt8),
    )
    place = np.concatenate([2 * np.flatnonzero(opens), 2 * np.arange(n) + 1])
    return pl.concat([clears, sets])[np.argsort(place, kind="stable")]


def _build_from_snapshots(
    rows: pl.DataFrame, trades: pl.DataFrame, levels: int, checker: Checker
) -> tuple[pl.DataFrame, list[str]]:
    shown = {
        f"{side}_{short}_{m:02d}": rows[f"{side}s[{m}].{what}"]
        for m in range(levels)
        for side in ("bid", "ask")
        for short, what in (("px", "price"), ("sz", "amount"))
    }
    counts = {c: pl.lit(None, pl.UInt32) for m in range(levels) for c in make_level_columns(m) if "_ct_" in c}
    states = _make_events(rows, "M").with_columns(**shown, **counts)
    before = np.searchsorted(_read_clock(states, "ts_recv"), _read_clock(trades, "ts_recv"), side="left")
    trades, before = drop_early_trades(trades, before, checker)
    return merge_trades_into_books(states, trades, before, levels), []
