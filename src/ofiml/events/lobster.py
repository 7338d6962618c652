"""LOBSTER: message and orderbook files (https://lobsterdata.com/info/DataStructure.php), zipped or as two CSV files.

Symbol, date and hours come from the file name. A row's time is seconds after exchange midnight, its price dollars times
10,000. LOBSTER has one clock: `ts_recv` equals `ts_event`. Each row is one message.
"""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from ofiml.config import Policy
from ofiml.errors import DataError
from ofiml.events.schema import ACTION, F_LAST, F_SNAPSHOT, SIDE, TIME, schema
from ofiml.events.validate import Checker, integers, read_text
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
    """One pair of files: names for errors, contents, and what the name says."""

    message_name: str
    book_name: str
    message: bytes
    book: bytes
    symbol: str
    date: str
    levels: int
    midnight: int
    open: int
    close: int


def days(path: Path, timezone: str) -> Iterator[Day]:
    """Every message/orderbook pair of a zip, or the pair that a message CSV belongs to."""
    if path.suffix.lower() == ".zip":
        yield from _zip_days(path, timezone)
        return
    book = path.with_name(path.name.replace("_message_", "_orderbook_"))
    if "_message_" not in path.name:
        raise DataError(
            f"{path.name}: give the zip, or the message file (…_message_N.csv). Databento's CSV: dataset=databento."
        )
    if not book.is_file():
        raise DataError(f"{path.name}: its orderbook file {book.name} is not beside it.")
    yield _day(path.name, path.name, book.name, path.read_bytes(), book.read_bytes(), timezone)


def _zip_days(path: Path, timezone: str) -> Iterator[Day]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            members = {Path(i.filename).name: i for i in infos}
            if len(members) < len(infos):
                raise DataError(f"{path.name} holds two files of one name: keep one of each.")
            messages = sorted(n for n in members if _NAME.fullmatch(n))
            if not messages:
                raise DataError(f"{path.name} holds no LOBSTER message file (SYMBOL_DATE_OPEN_CLOSE_message_N.csv).")
            for name in messages:
                book = name.replace("_message_", "_orderbook_")
                if book not in members:
                    raise DataError(f"{path.name} holds {name}, but not {book}.")
                if max(members[name].file_size, members[book].file_size) > _MAX_MEMBER:
                    raise DataError(f"{path.name}: {name} or {book} unpacks to more than 8 GiB.")
                contents = archive.read(members[name]), archive.read(members[book])
                yield _day(name, f"{path.name}/{name}", f"{path.name}/{book}", *contents, timezone)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
    ) as error:
        raise DataError(f"{path.name} is damaged, locked or not a zip ({error}): fetch it again.") from error


def _day(name: str, message_name: str, book_name: str, message: bytes, book: bytes, timezone: str) -> Day:
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f"{name}: the name must be SYMBOL_YYYY-MM-DD_OPENms_CLOSEms_message_LEVELS.csv.")
    try:
        date = dt.date.fromisoformat(match["date"])
    except ValueError as error:
        raise DataError(f"{name}: {match['date']} is not a date.") from error
    # Seconds count from midnight as the clock on the wall shows it after the night's change: noon less 12 hours.
    noon = dt.datetime.combine(date, dt.time(12), ZoneInfo(timezone))
    midnight = (int(noon.timestamp()) - 12 * 3600) * SECOND
    open_, close = (midnight + int(match[k]) * 1_000_000 for k in ("open", "close"))
    return Day(
        message_name,
        book_name,
        message,
        book,
        match["symbol"],
        match["date"],
        int(match["levels"]),
        midnight,
        open_,
        close,
    )


def read(day: Day, policy: Policy, levels: int | None) -> tuple[pl.DataFrame, int, dict[str, int]]:
    """(events in file order, number of levels, rows dropped by cause)."""
    message = read_text(day.message, day.message_name, header=False)
    book = read_text(day.book, day.book_name, header=False).drop("line")
    if message.width - 1 < len(_MESSAGE):
        raise DataError(f"{day.message_name}, line 1: {message.width - 1} columns, at least {len(_MESSAGE)} expected.")
    if book.width % 4:
        raise DataError(f"{day.book_name}, line 1: {book.width} columns, a multiple of 4 expected.")
    found = book.width // 4
    if levels is not None and levels > found:
        raise DataError(f"{day.book_name} has {found} levels: dataset.levels={found}.")
    if message.height != book.height:
        raise DataError(
            f"{day.message_name} has {message.height} rows, {day.book_name} {book.height}: one is cut short."
        )
    count = levels or found
    message = message.select("line", *message.columns[1 : 1 + len(_MESSAGE)])
    message.columns = ["line", *_MESSAGE]
    book.columns = [f"{c}_{m:02d}" for m in range(found) for c in ("ask_px", "ask_sz", "bid_px", "bid_sz")]

    book_columns = [f"{s}_{q}_{m:02d}" for m in range(count) for s in ("bid", "ask") for q in ("px", "sz")]
    casts = {
        "time": (pl.col("time").str.strip_chars().cast(pl.Float64, strict=False) * 1e9)
        .round()
        .cast(pl.Int64, strict=False),
        "type": integers("type", limit=max(_ACTIONS)),
        "size": integers("size"),
        "price": integers("price"),
        "direction": integers("direction", limit=1),
        **{c: _book_price(c) if "_px_" in c else integers(c) for c in book_columns},
    }
    if day.levels != found:
        raise DataError(
            f"{day.book_name} has {found} levels, its name says {day.levels}: the name or the file is wrong."
        )
    checker = Checker(day.message_name, policy, book_source=day.book_name)
    rows = checker.parse(pl.concat([message, book], how="horizontal"), casts, optional=set())
    unknown = ~rows["type"].is_in(list(_ACTIONS))
    rows = checker.refuse("unreadable", rows, unknown, "type", "the event type {type} is not one of 1-7")

    unsided = rows["direction"] == 0
    rows = checker.refuse("unreadable", rows, unsided, "direction", "the direction {direction} is neither 1 nor -1")
    unpriced = (rows["type"] != _HALT) & (rows["price"] <= 0)
    rows = checker.refuse("unreadable", rows, unpriced, "price", "the price {price} is not positive")

    trade = pl.col("type").is_in(_TRADES)
    halt = pl.col("type") == _HALT
    # LOBSTER gives the side of the resting order; the schema gives a trade its aggressor's.
    buy = pl.when(trade).then(pl.col("direction") == -1).otherwise(pl.col("direction") == 1)
    absent = {c: pl.col(c) == _empty(c) * 100_000 for c in book_columns if "_px_" in c}
    events = rows.with_columns(
        *((pl.col("time") + day.midnight).cast(TIME).alias(clock) for clock in ("ts_event", "ts_recv")),
        pl.col("type").replace_strict(_ACTIONS, return_dtype=ACTION).alias("action"),
        pl.when(buy).then(pl.lit("B")).otherwise(pl.lit("A")).cast(SIDE).alias("side"),
        pl.when(~halt).then(pl.col("price") * 100_000).alias("price"),
        # A halt is a break in the book: like a snapshot, its row is a new reference and no flow.
        pl.when(halt).then(F_LAST | F_SNAPSHOT).otherwise(F_LAST).cast(pl.UInt8).alias("flags"),
        pl.col("line").cast(pl.Int64).alias("sequence"),
        *(pl.when(~absent[c]).then(pl.col(c)).alias(c) for c in absent),
        *(pl.when(~absent[c.replace("_sz_", "_px_")]).then(pl.col(c)).alias(c) for c in book_columns if "_sz_" in c),
        *(pl.lit(None, pl.UInt32).alias(f"{s}_ct_{m:02d}") for m in range(count) for s in ("bid", "ask")),
        pl.lit(day.symbol).alias("symbol"),
    )
    events = checker.book(events, count)
    return events.select(list(schema(count))), count, checker.dropped


def _empty(column: str) -> int:
    return _EMPTY_PRICE if column.startswith("ask") else -_EMPTY_PRICE


def _book_price(column: str) -> pl.Expr:
    """Text to 1e-9 units. Null, that is unreadable, unless it is positive or the side's empty price."""
    price = pl.col(column).str.strip_chars().cast(pl.Int64, strict=False)
    usable = ((price > 0) & (price < _EMPTY_PRICE)) | (price == _empty(column))
    return pl.when(usable).then(price * 100_000).alias(column)
