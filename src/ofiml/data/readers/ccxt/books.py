"""From ccxt's order books, one per line, to events."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from ofiml.config import FileDataset
from ofiml.data.book.levels import make_single_row_events
from ofiml.data.book.whole import make_whole_books
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats import decimals
from ofiml.data.formats.archives import unpack_single
from ofiml.data.formats.json_lines import NO_TIME, Unreadable, handle_message, split_lines
from ofiml.data.formats.level_rows import Collector, Field, check_numbers
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.schema import LATEST
from ofiml.errors import DataError
from ofiml.units import SECOND

_FIELDS = [Field(n, check_numbers) for n in ("line", "recv", "event", "symbol", "nonce", "bids", "asks")]
_LOCAL_KEYS = ("local_timestamp", "received_at", "recv_ts")
_UNITS = {10: SECOND, 13: 1_000_000, 16: 1_000, 19: 1}  # digits of a time's whole part -> ns
_MAX_NONCE = 2**62


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in feed order.

    Raises DataError for input without a book of a wanted symbol, books of several exchanges under one symbol, and lines
    that the policy refuses.
    """
    (blob,) = files
    blob = unpack_single(blob)
    checker = Checker(blob.name, dataset.policy)
    off_step = OffStepSizes(dataset.size_unit, source=blob.name)
    # Of the exchanges that ccxt knows some have spreads and options on them, whose prices may have any sign.
    collector = Collector(_FIELDS, dataset.size_unit, checker, off_step, decimals.LOWEST_PRICE)
    index: dict[str, int] = {}
    exchanges: dict[str, str] = {}
    ignored: Counter[str] = Counter()
    total: Counter[str] = Counter()

    def add_book(line: int, recv: int, book: Any) -> None:
        if type(book) is not dict:
            raise Unreadable(f"{book!r:.40} is not an order book")
        if "bids" not in book and "asks" not in book:
            ignored["without bids and asks"] += 1
            return
        name = _get_symbol(book)
        total[name] += 1
        if dataset.symbols is not None and name not in dataset.symbols:
            ignored["other symbols"] += 1
            return
        _check_exchange(book, name, exchanges, f"{blob.name}, line {line}")
        bids, asks = _get_levels(book, "bids"), _get_levels(book, "asks")
        clocks = _choose_times(book, recv)
        row = (line, *clocks, index.setdefault(name, len(index)), _get_nonce(book, line), len(bids), len(asks))
        collector.add(row, bids, asks)

    for line, recv, message in split_lines(blob):
        handle_message(add_book, line, recv, message, checker)
    books = collector.make_rows()
    for symbol in dataset.symbols or ():
        if symbol not in total:
            raise DataError(f"{blob.name} contains no order book of {symbol}; it contains {', '.join(total):.200}.")
    if not index:
        raise DataError(f"{blob.name} contains no ccxt order book: no line has the keys symbol, bids and asks.")
    if not books.rows.height:
        raise checker.make_no_rows_error()
    others = sum(ignored.values()) + sum(checker.dropped.values())
    notes = [f"lines ignored: {', '.join(f'{n} {kind}' for kind, n in sorted(ignored.items()))}"] if ignored else []
    for name, number in index.items():
        own = books.select(number)
        if not own.rows.height:
            continue
        shown, levels = make_whole_books(own, dataset.levels, blob.name)
        events = make_single_row_events(own.rows, "M", event="event", received="recv", sequence=own.rows["nonce"])
        events, off = off_step.settle(events.with_columns(**shown), levels)
        yield Feed(name, events, levels, own.rows.height + others, checker, notes=(*notes, *off))
        checker, notes, others = Checker(blob.name, dataset.policy), [], 0


def _get_symbol(book: dict[str, Any]) -> str:
    name = book.get("symbol")
    if type(name) is not str or not name:
        raise Unreadable(f"column symbol: {name!r:.40} is not a symbol")
    return name


def _check_exchange(book: dict[str, Any], name: str, exchanges: dict[str, str], place: str) -> None:
    """Raise DataError if a symbol's books are of several exchanges: they are different instruments."""
    exchange = str(book.get("exchange", ""))
    if exchanges.setdefault(name, exchange) != exchange:
        raise DataError(
            f"{place}: a book of {name} on {exchange:.40} after books on {exchanges[name]:.40}: give each exchange's "
            "books in a file of their own."
        )


def _get_levels(book: dict[str, Any], side: str) -> list[list[Any]]:
    """Return the levels as pairs of text: exactly the digits that the file has."""
    levels = book.get(side)
    if type(levels) is not list or not all(type(level) is list and len(level) >= 2 for level in levels):
        raise Unreadable(f"column {side}: not a list of [price, amount]")
    return [[_to_text(level[0]), _to_text(level[1])] for level in levels]


def _to_text(number: Any) -> Any:
    if type(number) is float or type(number) is int:
        text = repr(number)
        # The shortest text of a float is the one that was written; small ones have an exponent.
        return format(Decimal(text), "f") if "e" in text else text
    return number


def _choose_times(book: dict[str, Any], recv: int) -> tuple[int, int]:
    """Return the times of receipt and event (ns). Raises Unreadable if the line has neither."""
    local = next((book[key] for key in _LOCAL_KEYS if book.get(key) is not None), None)
    if recv == NO_TIME and local is not None:
        recv = _read_time(local, "local_timestamp")
    event = NO_TIME
    if book.get("timestamp") is not None:
        event = _read_time(book["timestamp"], "timestamp")
    elif book.get("datetime") is not None:
        event = _read_time(book["datetime"], "datetime")
    if recv == NO_TIME and event == NO_TIME:
        raise Unreadable(
            "the book has no time: timestamp is null, and there is no local time (record one as local_timestamp)"
        )
    return (recv if recv != NO_TIME else event), (event if event != NO_TIME else recv)


def _read_time(value: Any, key: str) -> int:
    """Read a number of s, ms, µs or ns since 1970, by the digits of its whole part, or ISO 8601 with its zone."""
    time = NO_TIME
    if type(value) is int or type(value) is float:
        number = Decimal(repr(value))
        unit = _UNITS.get(len(str(int(number)))) if number > 0 and number.is_finite() else None
        time = NO_TIME if unit is None else int(number * unit)
    elif type(value) is str and value.isascii() and value.isdigit():
        time = int(value) * _UNITS.get(len(value), 0) or NO_TIME
    elif type(value) is str:
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = dt.datetime(1, 1, 1)
        if moment.tzinfo is not None and moment.year >= 1970:
            time = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) * 1000
    if not 0 < time <= LATEST:
        raise Unreadable(f"column {key}: {value!r:.40} is not a time")
    return time


def _get_nonce(book: dict[str, Any], line: int) -> int:
    """Return the exchange's number of the book, or the line where it has none."""
    nonce = book.get("nonce")
    if nonce is None:
        return line
    if type(nonce) is not int or not 0 <= nonce <= _MAX_NONCE:
        raise Unreadable(f"column nonce: {nonce!r:.40} is not a number of a book")
    return nonce
