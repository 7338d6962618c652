"""From a day's message and orderbook files to events."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from ofiml.config import FileDataset
from ofiml.data.calendar import find_time_zone
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import Blob, Feed, unpack_file
from ofiml.data.formats import archives as archive
from ofiml.data.formats import csv as text
from ofiml.data.formats import timestamps as wall_clock
from ofiml.data.formats.causes import Cause
from ofiml.data.formats.cell_kernel import NUMBER
from ofiml.data.formats.cells import Plain
from ofiml.data.readers.lobster.headers import name_book_columns, name_message_columns
from ofiml.data.readers.lobster.rebuild import build_book
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    NO_PRICE,
    SIDE,
    TIME,
    make_level_columns,
)
from ofiml.errors import DataError
from ofiml.provenance import hash_contents

_NAME = re.compile(
    r"(?P<symbol>.+)_(?P<date>\d{4}-\d\d-\d\d)_(?P<open>\d+)_(?P<close>\d+)_message_(?P<levels>\d+)"
    r"(?i:\.csv)(?i:\.gz|\.zst)?",
    re.ASCII,
)
_EMPTY_PRICE = 9_999_999_999  # LOBSTER's price of a missing level, negative on the bid
_MAX_LEVELS = 100  # as of dataset.levels
_MAX_BATCH_BYTES = 1 << 30  # unpacked at once from an archive, unless one day has more

# type -> action: 1 new, 2 partial cancel, 3 deletion, 4 execution, 5 hidden execution, 6 cross trade, 7 halt.
_ACTIONS = {1: "A", 2: "C", 3: "C", 4: "T", 5: "T", 6: "N", 7: "N"}
_TRADES, _HALT = (4, 5), 7


@dataclass(frozen=True, slots=True)
class Day:
    """A day's message file, its orderbook file or None, and the contents of its name; times in UTC ns."""

    message: Blob
    book: Blob | None
    symbol: str
    date: str
    levels: int
    midnight: int
    open: int
    close: int


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each day's events in file order.

    Raises DataError for a name without date, hours and levels, damaged or incomplete archives, files whose columns or
    levels differ from the name, and rows that the policy refuses.
    """
    for day in _split_days(files, dataset.calendar):
        if dataset.symbols is not None and day.symbol not in dataset.symbols:
            if len(dataset.symbols) == 1:
                raise DataError(
                    f"{day.message.name} contains {day.symbol}, not {dataset.symbols[0]}: see dataset.symbols."
                )
            continue
        yield _read_day(day, dataset)


def _split_days(files: Sequence[Blob], calendar: str) -> Iterator[Day]:
    if len(files) == 2 or not files[0].name.lower().endswith(archive.SUFFIXES):
        message, *books_ = (archive.unpack_single(file, inner_name=True) for file in files)
        yield _make_day(message.name, message, books_[0] if books_ else None, calendar)
        return
    whole = files[0]
    sizes = archive.list_files(whole)
    messages = sorted(n for n in sizes if _NAME.fullmatch(n))
    if not messages:
        raise DataError(f"{whole.name} contains no LOBSTER message file (SYMBOL_DATE_OPEN_CLOSE_message_N.csv).")
    books: dict[str, str] = {name: name.replace("_message_", "_orderbook_") for name in messages}
    if set(books.values()).isdisjoint(sizes):
        books = {}
    for name, book in books.items():
        if book not in sizes:
            raise DataError(f"{whole.name} contains {name}, but not {book}: add it.")
    # A 7z is decompressed from its start, so reading its days one by one would decompress early days again and again.
    for batch in _split_batches({name: sizes[name] + sizes.get(books.get(name, ""), 0) for name in messages}):
        content = archive.read_files(whole, [*batch, *(books[name] for name in batch if books)])
        for name in batch:
            message = unpack_file(Blob(f"{whole.name}/{name}", content.pop(name)))
            book_file = unpack_file(Blob(f"{whole.name}/{books[name]}", content.pop(books[name]))) if books else None
            yield _make_day(name, message, book_file, calendar)


def _split_batches(sizes: dict[str, int]) -> Iterator[list[str]]:
    """Yield the names in order, in batches of at most _MAX_BATCH_BYTES, or of one name."""
    batch: list[str] = []
    for name, size in sizes.items():
        if batch and sum(sizes[n] for n in batch) + size > _MAX_BATCH_BYTES:
            yield batch
            batch = []
        batch.append(name)
    yield batch


def _make_day(name: str, message: Blob, book: Blob | None, calendar: str) -> Day:
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(
            f"{message.name}: the name must be SYMBOL_YYYY-MM-DD_OPENms_CLOSEms_message_LEVELS.csv "
            "(or .csv.gz, .csv.zst)."
        )
    try:
        date = dt.date.fromisoformat(match["date"])
    except ValueError as error:
        raise DataError(f"{message.name}: {match['date']} is not a date.") from error
    if not 1970 <= date.year < 2260:
        raise DataError(f"{message.name}: {match['date']} is not a date from 1970 to 2259: correct the name.")
    levels = match["levels"]
    if len(levels) > 3 or not 1 <= int(levels) <= _MAX_LEVELS:
        raise DataError(f"{message.name}: the name states {levels:.20} levels; 1 to {_MAX_LEVELS} are supported.")
    if not all(len(match[k]) <= 8 for k in ("open", "close")) or int(match["open"]) >= int(match["close"]):
        raise DataError(
            f"{message.name}: the name must state the hours as OPENms_CLOSEms after midnight, open before close."
        )
    midnight = wall_clock.find_midnight(date, find_time_zone(calendar))
    open_, close = (midnight + int(match[k]) * 1_000_000 for k in ("open", "close"))
    return Day(message, book, match["symbol"], match["date"], int(levels), midnight, open_, close)


def _read_day(day: Day, dataset: FileDataset) -> Feed:
    checker = Checker(day.message.name, dataset.policy, book_source=day.book.name if day.book else None)
    files = [name_message_columns(day.message)]
    columns = {
        "time": text.seconds(),
        "type": text.integer(limit=max(_ACTIONS)),
        "order_id": text.integer(limit=2**62),
        "size": text.size(dataset.size_unit),
        "price": text.integer(limit=_EMPTY_PRICE),
        "direction": text.integer(limit=1),
    }
    count = dataset.levels or day.levels
    if count > day.levels:
        raise DataError(f"{day.message.name} has {day.levels} levels: set dataset.levels={day.levels}.")
    shown = [f"{s}_{q}_{m:02d}" for m in range(count) for s in ("bid", "ask") for q in ("px", "sz")]
    start = None
    if day.book is not None:
        book_file = name_book_columns(day.book, day.levels)
        if _has_one_row(*book_file) and not _has_one_row(*files[0]):
            start = _read_first_book(book_file, day, dataset.size_unit, checker)
        else:
            files.append(book_file)
            columns |= {c: _make_book_column(c, dataset.size_unit) for c in shown}
    rows = checker.apply(text.read_side_by_side(files, columns, checker), _CHECKS)
    events = _make_events(rows, day)
    notes: tuple[str, ...] = ()
    if day.book is None or start is not None:
        events = build_book(rows, events, day.levels, checker, start)
        events = events.drop([c for m in range(count, day.levels) for c in make_level_columns(m)])
        notes = (
            "the book is built from messages alone: orders before the first message or below the levels are unknown"
            if start is None
            else "the book is built from the orderbook file's only row, the state after the first message, and from "
            "messages: orders below the levels are unknown",
        )
    else:
        counts = (pl.lit(None, pl.UInt32).alias(f"{s}_ct_{m:02d}") for m in range(count) for s in ("bid", "ask"))
        events = pl.concat([events, rows.select(*shown, *counts)], how="horizontal")
    contents = [f.content for f in (day.message, day.book) if f is not None]
    return Feed(
        day.symbol,
        events,
        count,
        events.height + sum(checker.dropped.values()),
        checker,
        date=day.date,
        open=day.open,
        close=day.close,
        digest=hash_contents(*contents),
        notes=notes,
    )


_CHECKS = [
    Check("unreadable", "type", ~pl.col("type").is_in(list(_ACTIONS)), "the event type {type} is not one of 1-7"),
    Check("unreadable", "direction", pl.col("direction") == 0, "the direction {direction} is neither 1 nor -1"),
    Check(
        "unreadable",
        "price",
        (pl.col("type") != _HALT) & (pl.col("price") <= 0),
        "the price {price} is not positive",
    ),
]


def _make_events(rows: pl.DataFrame, day: Day) -> pl.DataFrame:
    """Make the event columns, without the book."""
    trade = pl.col("type").is_in(_TRADES)
    halt = pl.col("type") == _HALT
    # LOBSTER states the side of the resting order, the schema the side of a trade's aggressor.
    buy = pl.when(trade).then(pl.col("direction") == -1).otherwise(pl.col("direction") == 1)
    return rows.select(
        "line",
        *((pl.col("time") + day.midnight).cast(TIME).alias(clock) for clock in ("ts_event", "ts_recv")),
        pl.col("type").replace_strict(_ACTIONS, return_dtype=ACTION).alias("action"),
        pl.when(buy).then(pl.lit("B")).otherwise(pl.lit("A")).cast(SIDE).alias("side"),
        pl.when(~halt).then(pl.col("price") * 100_000).alias("price"),
        "size",
        # A halt interrupts the book: like a snapshot, its row is a new reference, and no flow is measured across it.
        pl.when(halt).then(F_LAST | F_SNAPSHOT).otherwise(F_LAST).cast(pl.UInt8).alias("flags"),
        pl.col("line").cast(pl.Int64).alias("sequence"),
    )


def _has_one_row(blob: Blob, names: list[str] | None) -> bool:
    """Return whether the file has one row; it has a header line if `names` is None."""
    start = 0 if names is not None else blob.content.find(b"\n") + 1
    end = blob.content.find(b"\n", start)
    return end >= 0 and not blob.content[end + 1 : end + 1000].strip()


def _read_first_book(file: tuple[Blob, list[str] | None], day: Day, size_unit: float, checker: Checker) -> pl.DataFrame:
    """Read an orderbook file of one row, with all levels."""
    sides = [f"{s}_{q}_{m:02d}" for m in range(day.levels) for s in ("bid", "ask") for q in ("px", "sz")]
    of_book = Checker(file[0].name, checker.policy)
    row = text.read_side_by_side([file], {c: _make_book_column(c, size_unit) for c in sides}, of_book)
    if row.height == 0:
        raise of_book.make_no_rows_error()
    return row


def _make_book_column(column: str, size_unit: float) -> text.Column:
    """Make a book column; a price is positive, or the placeholder of its side for a missing level."""
    if "_sz_" in column:
        return text.size(size_unit)
    empty = _EMPTY_PRICE if column.startswith("ask") else -_EMPTY_PRICE
    whole = text.integer(limit=_EMPTY_PRICE)

    def value(x: pl.Expr) -> pl.Expr:
        x = whole.value(x)
        return pl.when(x == empty).then(NO_PRICE).when((x > 0) & (x < _EMPTY_PRICE)).then(x * 100_000)

    plain = Plain(NUMBER, low=-_EMPTY_PRICE, high=_EMPTY_PRICE)
    return replace(whole, value=value, plain=plain, explain=partial(_explain_price, empty, whole.explain))


def _explain_price(empty: int, explain_whole: Callable[[str], Cause], cell: str) -> Cause:
    """Explain a book's price that cannot be read: prices of shares are above 0."""
    if re.fullmatch(r"-[0-9]{1,10}|0", cell.strip()) or cell.strip() == str(_EMPTY_PRICE):
        return f"Prices of shares are above 0, and a missing level is written as {empty} on this side.", None
    return explain_whole(cell)
