"""LOBSTER: message and orderbook files (https://lobsterdata.com/info/DataStructure.php), zipped or as two CSV files.

Symbol, date and hours come from the file name. A row's time is seconds after exchange midnight, its price dollars times
10,000. LOBSTER has one clock: `ts_recv` equals `ts_event`. Each row is one message.
"""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import polars as pl

from ofiml.config import FileDataset
from ofiml.errors import DataError
from ofiml.events import text
from ofiml.events.calendar import time_zone
from ofiml.events.checks import Check, Checker
from ofiml.events.feed import Blob, Feed, digest
from ofiml.events.schema import ACTION, F_LAST, F_SNAPSHOT, NO_PRICE, SIDE, TIME
from ofiml.units import SECOND

_NAME = re.compile(
    r"(?P<symbol>.+)_(?P<date>\d{4}-\d\d-\d\d)_(?P<open>\d+)_(?P<close>\d+)_message_(?P<levels>\d+)\.csv"
)
_MESSAGE = ["time", "type", "order_id", "size", "price", "direction"]
_EMPTY_PRICE = 9_999_999_999  # LOBSTER's price of a level that is not there, negative on the bid
_MAX_MEMBER = 8 << 30

# type -> action: 1 new, 2 partial cancel, 3 deletion, 4 execution, 5 hidden execution, 6 cross trade, 7 halt.
_ACTIONS = {1: "A", 2: "C", 3: "C", 4: "T", 5: "T", 6: "N", 7: "N"}
_TRADES, _HALT = (4, 5), 7


@dataclass(frozen=True, slots=True)
class Day:
    """One pair of files, and what the name says."""

    message: Blob
    book: Blob
    symbol: str
    date: str
    levels: int
    midnight: int
    open: int
    close: int


def groups(paths: Sequence[Path]) -> list[list[Path]]:
    """Archives alone, message files with their orderbook files, which a glob may match as well.

    Raises DataError for a file that is neither, and for a message file without its orderbook.
    """
    found = []
    for path in paths:
        if path.suffix.lower() == ".zip":
            found.append([path])
        elif "_message_" in path.name:
            book = path.with_name(path.name.replace("_message_", "_orderbook_"))
            if not book.is_file():
                raise DataError(f"{path.name}: its orderbook file {book.name} is not beside it.")
            found.append([path, book])
        elif "_orderbook_" not in path.name or len(paths) == 1:
            raise DataError(
                f"{path.name}: give the zip, or the message file (…_message_N.csv). Databento's CSV: dataset=databento."
            )
    return found


def read(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Each day's events in file order. Raises DataError."""
    for day in _days(files, dataset.calendar):
        if dataset.symbols is not None and day.symbol not in dataset.symbols:
            if len(dataset.symbols) == 1:
                raise DataError(
                    f"{day.message.name} holds {day.symbol}, not {dataset.symbols[0]}: see dataset.symbols."
                )
            continue
        yield _read(day, dataset)


def _days(files: Sequence[Blob], calendar: str) -> Iterator[Day]:
    if len(files) == 2:
        yield _day(files[0].name, files[0], files[1], calendar)
        return
    archive_name = files[0].name
    try:
        with zipfile.ZipFile(BytesIO(files[0].content)) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            members = {Path(i.filename).name: i for i in infos}
            if len(members) < len(infos):
                raise DataError(f"{archive_name} holds two files of one name: keep one of each.")
            messages = sorted(n for n in members if _NAME.fullmatch(n))
            if not messages:
                raise DataError(f"{archive_name} holds no LOBSTER message file (SYMBOL_DATE_OPEN_CLOSE_message_N.csv).")
            for name in messages:
                book = name.replace("_message_", "_orderbook_")
                if book not in members:
                    raise DataError(f"{archive_name} holds {name}, but not {book}.")
                if max(members[name].file_size, members[book].file_size) > _MAX_MEMBER:
                    raise DataError(f"{archive_name}: {name} or {book} unpacks to more than 8 GiB.")
                pair = (Blob(f"{archive_name}/{n}", archive.read(members[n])) for n in (name, book))
                yield _day(name, next(pair), next(pair), calendar)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
    ) as error:
        raise DataError(f"{archive_name} is damaged, locked or not a zip ({error}): fetch it again.") from error


def _day(name: str, message: Blob, book: Blob, calendar: str) -> Day:
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f"{name}: the name must be SYMBOL_YYYY-MM-DD_OPENms_CLOSEms_message_LEVELS.csv.")
    try:
        date = dt.date.fromisoformat(match["date"])
    except ValueError as error:
        raise DataError(f"{name}: {match['date']} is not a date.") from error
    # Seconds count from midnight as the clock on the wall shows it after the night's change: noon less 12 hours.
    noon = dt.datetime.combine(date, dt.time(12), time_zone(calendar))
    midnight = (int(noon.timestamp()) - 12 * 3600) * SECOND
    open_, close = (midnight + int(match[k]) * 1_000_000 for k in ("open", "close"))
    return Day(message, book, match["symbol"], match["date"], int(match["levels"]), midnight, open_, close)


def _read(day: Day, dataset: FileDataset) -> Feed:
    checker = Checker(day.message.name, dataset.policy, book_source=day.book.name)
    width = _width(day.message)
    if width < len(_MESSAGE):
        raise DataError(f"{day.message.name}, line 1: {width} columns, at least {len(_MESSAGE)} expected.")
    width = _width(day.book)
    if width % 4:
        raise DataError(f"{day.book.name}, line 1: {width} columns, a multiple of 4 expected.")
    found = width // 4
    if day.levels != found:
        raise DataError(
            f"{day.book.name} has {found} levels, its name says {day.levels}: the name or the file is wrong."
        )
    count = dataset.levels or found
    if count > found:
        raise DataError(f"{day.book.name} has {found} levels: dataset.levels={found}.")
    header = [*_MESSAGE, *(f"beyond_{i}" for i in range(_width(day.message) - len(_MESSAGE)))]
    book_header = [f"{c}_{m:02d}" for m in range(found) for c in ("ask_px", "ask_sz", "bid_px", "bid_sz")]
    shown = [f"{s}_{q}_{m:02d}" for m in range(count) for s in ("bid", "ask") for q in ("px", "sz")]
    columns = {
        "time": text.seconds(),
        "type": text.integer(limit=max(_ACTIONS)),
        "size": text.integer(),
        "price": text.integer(limit=_EMPTY_PRICE),
        "direction": text.integer(limit=1),
        **{c: _book_price(c) if "_px_" in c else text.integer() for c in shown},
    }
    rows = text.read_side_by_side([(day.message, header), (day.book, book_header)], columns, checker)
    events = _events(checker.apply(rows, _CHECKS), day, count)
    return Feed(
        day.symbol,
        events,
        count,
        events.height + sum(checker.dropped.values()),
        checker,
        date=day.date,
        open=day.open,
        close=day.close,
        digest=digest(day.message.content, day.book.content),
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


def _events(rows: pl.DataFrame, day: Day, count: int) -> pl.DataFrame:
    trade = pl.col("type").is_in(_TRADES)
    halt = pl.col("type") == _HALT
    # LOBSTER gives the side of the resting order; the schema gives a trade its aggressor's.
    buy = pl.when(trade).then(pl.col("direction") == -1).otherwise(pl.col("direction") == 1)
    return rows.select(
        "line",
        *((pl.col("time") + day.midnight).cast(TIME).alias(clock) for clock in ("ts_event", "ts_recv")),
        pl.col("type").replace_strict(_ACTIONS, return_dtype=ACTION).alias("action"),
        pl.when(buy).then(pl.lit("B")).otherwise(pl.lit("A")).cast(SIDE).alias("side"),
        pl.when(~halt).then(pl.col("price") * 100_000).alias("price"),
        "size",
        # A halt is a break in the book: like a snapshot, its row is a new reference and no flow.
        pl.when(halt).then(F_LAST | F_SNAPSHOT).otherwise(F_LAST).cast(pl.UInt8).alias("flags"),
        pl.col("line").cast(pl.Int64).alias("sequence"),
        *(f"{s}_{q}_{m:02d}" for m in range(count) for s in ("bid", "ask") for q in ("px", "sz")),
        *(pl.lit(None, pl.UInt32).alias(f"{s}_ct_{m:02d}") for m in range(count) for s in ("bid", "ask")),
    )


def _width(blob: Blob) -> int:
    return len(text.first_line(blob))


def _book_price(column: str) -> text.Column:
    """Positive, or the side's empty price, which stands for no price."""
    empty = _EMPTY_PRICE if column.startswith("ask") else -_EMPTY_PRICE

    def value(x: pl.Expr) -> pl.Expr:
        real = pl.when((x > 0) & (x < _EMPTY_PRICE)).then(x * 100_000)
        return pl.when(x == empty).then(NO_PRICE).otherwise(real)

    return text.Column(pl.Int64(), value)
