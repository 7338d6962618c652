"""Binance's JSON messages as columns: depth updates and full books, best quotes, trades.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams and the page for spot.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import orjson
import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import decimals
from ofiml.data.schema import LATEST, Int64
from ofiml.errors import DataError

MILLISECOND = 1_000_000
_LATEST = LATEST // MILLISECOND  # in ms
_MAX_ID = 2**62
NO_ID = -1  # for an update without `pu`, and for a message without a time
NO_SYMBOL = -1

_CHUNK_CELLS = 2_000_000  # stored as Python objects at one time

# Messages of partial books look like differences or full books, but are neither.
_PARTIAL = re.compile(r"@depth\d")
_STAMP = re.compile(rb"\d{19}")  # ns since 1970, from 2001 on
_ON_THE_BOOK: Final = (None, "MARKET")  # `X` of other trades: insurance fund, ADL, NA

# The columns of each kind's table, after the common ones.
DEPTH = ["full", "first", "last", "before", "bids", "asks"]
TICKER = ["last"]
TRADE = ["id", "buyer_is_maker"]
_COMMON = ["line", "place", "recv", "event", "symbol"]  # `place` counts messages across all files


class _Unreadable(Exception):
    """The error for a message that cannot be read."""


@dataclass(slots=True)
class Kind:
    """The messages of one kind: a table of int64, and the (price, size) pairs of all rows in `prices` and `sizes`.

    Prices are in 1e-9, sizes in lots. `pairs` (rows,) is the number of pairs of each row.
    """

    rows: pl.DataFrame
    pairs: Int64
    prices: Int64
    sizes: Int64

    def select(self, symbol: int) -> "Kind":
        """Select the rows of one symbol."""
        own = (self.rows["symbol"] == symbol).to_numpy()
        own_pairs = np.repeat(own, self.pairs)
        return Kind(self.rows.filter(pl.Series(own)), self.pairs[own], self.prices[own_pairs], self.sizes[own_pairs])


@dataclass(slots=True)
class Messages:
    """The messages of an input, in feed order.

    `total` counts all messages, `rows` those of each symbol, `ignored` the ignored ones by kind. `depth_of` has the
    symbols of all depth updates, also those that `dataset.symbols` excludes.
    """

    symbols: list[str]
    depth_of: set[str]
    depth: Kind
    ticker: Kind
    trade: Kind
    aggregate: Kind
    total: int
    rows: list[int]
    ignored: Counter[str]


@dataclass(slots=True)
class _Collector:
    """The rows and cells of one kind, converted in chunks: as Python objects they take ten times the memory."""

    columns: list[str]
    size_unit: float
    checker: Checker
    may_be_zero: bool = False
    rows: list[tuple[int, ...]] = field(default_factory=list)
    cells: list[Any] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    chunks: list[tuple[Int64, Int64, Int64, Int64]] = field(default_factory=list)

    def add(self, row: tuple[int, ...], cells: list[Any]) -> None:
        self.rows.append(row)
        self.cells += cells
        self.counts.append(len(cells) // 2)
        if len(self.cells) > _CHUNK_CELLS or len(self.rows) > _CHUNK_CELLS:
            self.flush()

    def flush(self) -> None:
        if not self.rows:
            return
        rows, pairs = np.array(self.rows, np.int64), np.array(self.counts, np.int64)
        prices, sizes = decimals.parse_prices_and_sizes(self.cells, self.size_unit)
        bad = (prices < (0 if self.may_be_zero else 1)) | (sizes < 0)
        if bad.any():
            row_of = np.repeat(np.arange(len(rows)), pairs)
            bad_rows = np.unique(row_of[bad])
            at = int(np.argmax(bad))
            what = self._describe_fault(self.cells[2 * at : 2 * at + 2], int(prices[at]), int(sizes[at]))
            self.checker.notice("unreadable", pl.Series(rows[bad_rows, 0]), what)
            good = np.ones(len(rows), bool)
            good[bad_rows] = False
            good_pairs = good[row_of]
            rows, pairs, prices, sizes = rows[good], pairs[good], prices[good_pairs], sizes[good_pairs]
        self.chunks.append((rows, pairs, prices, sizes))
        self.rows, self.cells, self.counts = [], [], []

    def _describe_fault(self, cells: Sequence[Any], price: int, size: int) -> str:
        if price == decimals.TOO_FINE:
            return f"the price {cells[0]!r} has more than 9 decimals"
        if price == decimals.TOO_LARGE:
            return f"the price {cells[0]!r} is larger than 4,600,000,000"
        if price <= 0:
            return f"the price {cells[0]!r} is not a positive decimal number"
        if size == decimals.TOO_FINE:
            unit = f"dataset.size_unit={self.size_unit:g}"
            return f"the size {cells[1]!r} is not a multiple of {unit}; give the instrument's size step"
        if size == decimals.TOO_LARGE:
            return f"the size {cells[1]!r} is too many lots of dataset.size_unit={self.size_unit:g}"
        return f"the size {cells[1]!r} is not a decimal number"

    def make_kind(self) -> Kind:
        """Make the table of all rows; the collector is empty afterwards."""
        self.flush()
        names = [*_COMMON, *self.columns]
        empty = (np.empty((0, len(names)), np.int64), *(np.empty(0, np.int64) for _ in range(3)))
        rows, pairs, prices, sizes = (np.concatenate(part) for part in zip(empty, *self.chunks, strict=True))
        self.chunks = []
        return Kind(pl.DataFrame({n: rows[:, i] for i, n in enumerate(names)}), pairs, prices, sizes)


@dataclass(slots=True)
class Parser:
    """A parser of the messages of one or more files, in order, into columns.

    A message that cannot be read raises DataError, or is dropped and counted, as the policy says.
    """

    checker: Checker
    size_unit: float
    wanted: list[str] | None
    index: dict[str, int] = field(default_factory=dict)
    rows: Counter[int] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    depth: _Collector = field(init=False)
    ticker: _Collector = field(init=False)
    trade: _Collector = field(init=False)
    aggregate: _Collector = field(init=False)
    with_depth: set[int] = field(default_factory=set)  # symbols whose bookTicker repeats the depth
    latest: int = NO_ID
    total: int = 0
    depth_of: set[str] = field(default_factory=set)  # symbols with depth updates, also excluded ones

    def __post_init__(self) -> None:
        def make_collector(columns: list[str], *, may_be_zero: bool = False) -> _Collector:
            return _Collector(columns, self.size_unit, self.checker, may_be_zero)

        self.depth = make_collector(DEPTH)
        self.ticker = make_collector(TICKER, may_be_zero=True)
        self.trade, self.aggregate = make_collector(TRADE), make_collector(TRADE)

    def parse_file(self, blob: Blob, *, clock: bool = True) -> None:
        """Parse the messages of one file: one per line, optionally after a local time in ns, or one JSON list.

        The line number in a list is the position of the message. Without `clock`, times are ignored. Raises DataError
        for an empty file and, if the policy does, for an unreadable message.
        """
        if not blob.content.strip():
            raise DataError(f"{blob.name} is empty: give a file with messages.")
        for line, recv, message in _split_messages(blob):
            self.total += 1
            try:
                if isinstance(message, _Unreadable):
                    raise message
                self._parse_message(line, recv, message, clock=clock)
            except _Unreadable as error:
                self.checker.notice("unreadable", pl.Series([line]), str(error))

    def finish(self) -> Messages:
        """Return all parsed messages."""
        collectors = (self.depth, self.ticker, self.trade, self.aggregate)
        depth, ticker, trade, aggregate = (c.make_kind() for c in collectors)
        rows = [self.rows[i] for i in range(len(self.index))]
        return Messages(
            list(self.index), self.depth_of, depth, ticker, trade, aggregate, self.total, rows, self.ignored
        )

    def _parse_message(self, line: int, stamp: int, message: Any, *, clock: bool) -> None:
        if isinstance(message, dict) and "stream" in message and "data" in message:
            stream, message = str(message["stream"]), message["data"]
        else:
            stream = ""
        if not isinstance(message, dict):
            if not isinstance(message, list):
                raise _Unreadable(f"{message!r:.40} is not a message")
            self.ignored["lists"] += 1
            return
        kind = message.get("e")
        if kind is None:
            kind = "full" if "lastUpdateId" in message else "bookTicker" if message.keys() >= _TICKER_KEYS else "other"
        if kind in ("full", "depthUpdate") and _PARTIAL.search(stream):
            kind = "partial depth"
        if kind == "trade" and message.get("X") not in _ON_THE_BOOK:
            kind = f"trade of type {message['X']!s:.20}"
        if kind not in ("depthUpdate", "full", "bookTicker", "trade", "aggTrade"):
            self.ignored[f"{kind!s:.40}"] += 1
            return
        symbol = self._number_symbol(message, kind)
        if kind == "depthUpdate":
            self.depth_of.add(message["s"])
        if symbol is None:
            self.ignored["other symbols"] += 1
            return
        self.rows[symbol] += 1
        if kind == "bookTicker" and symbol in self.with_depth:
            self.ignored["bookTicker"] += 1
            return
        recv, event = NO_ID, NO_ID
        if clock:
            recv, event = _choose_times(message, stamp, self.latest if kind == "full" else NO_ID)
            if recv == NO_ID and kind != "full":
                raise _Unreadable("the message has no time (E), and no receipt time was recorded")
            self.latest = max(self.latest, recv)
        common = (line, self.total, recv, event, symbol)
        if kind == "depthUpdate":
            self.with_depth.add(symbol)
            before = _read_id(message, "pu") if "pu" in message else NO_ID
            bids, asks = _read_levels(message, "b"), _read_levels(message, "a")
            self.depth.add(
                (*common, 0, _read_id(message, "U"), _read_id(message, "u"), before, len(bids), len(asks)),
                _flatten(bids, asks),
            )
        elif kind == "full":
            last = _read_id(message, "lastUpdateId")
            bids, asks = _read_levels(message, "bids"), _read_levels(message, "asks")
            self.depth.add((*common, 1, NO_ID, last, NO_ID, len(bids), len(asks)), _flatten(bids, asks))
        elif kind == "bookTicker":
            self.ticker.add((*common, _read_id(message, "u")), [message.get(k) for k in ("b", "B", "a", "A")])
        else:
            maker = message.get("m")
            if not isinstance(maker, bool):
                raise _Unreadable(f"column m: {maker!r:.40} is neither true nor false")
            collector, key = (self.trade, "t") if kind == "trade" else (self.aggregate, "a")
            collector.add((*common, _read_id(message, key), maker), [message.get("p"), message.get("q")])

    def _number_symbol(self, message: dict[str, Any], kind: str) -> int | None:
        """Return the symbol's number; NO_SYMBOL for a full book without a symbol; None for an excluded symbol."""
        name = message.get("s", message.get("symbol") if kind == "full" else None)
        if name is None and kind == "full":
            return NO_SYMBOL
        if not isinstance(name, str) or not name:
            raise _Unreadable(f"column s: {name!r:.40} is not a symbol")
        if self.wanted is not None and name not in self.wanted:
            return None
        return self.index.setdefault(name, len(self.index))


_TICKER_KEYS = {"u", "s", "b", "B", "a", "A"}


def _split_messages(blob: Blob) -> Iterator[tuple[int, int, Any]]:
    """Yield the line, the local time or NO_ID, and the message, or an _Unreadable in its place."""
    content = blob.content.removeprefix(b"\xef\xbb\xbf")
    start = content[:1000].lstrip()[:1]
    if start == b"[":
        try:
            entries = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise DataError(f"{blob.name} is not a JSON list ({error}): fix it or fetch it again.") from error
        yield from ((i, NO_ID, entry) for i, entry in enumerate(entries, start=1))
        return
    if start == b"{" and _is_one_object(content):
        yield 1, NO_ID, orjson.loads(content)
        return
    for line, text in enumerate(io.BytesIO(content), start=1):
        if not text.strip():
            continue
        body, recv = text, NO_ID
        if start != b"{":
            stamp, _, body = text.partition(b" ")
            if not _STAMP.fullmatch(stamp) or int(stamp) > LATEST:
                what = f"{stamp.decode(errors='replace')!r:.40} is not a local time in nanoseconds (19 digits)"
                yield line, NO_ID, _Unreadable(what)
                continue
            recv = int(stamp)
        try:
            yield line, recv, orjson.loads(body)
        except orjson.JSONDecodeError as error:
            yield line, NO_ID, _Unreadable(f"not a complete JSON message ({error})")


def _is_one_object(content: bytes) -> bool:
    """Return whether the content is one message over several lines, instead of one message per line."""
    first = content.lstrip().partition(b"\n")[0].strip()
    if not first.startswith(b"{") or first.endswith(b"}"):
        return False
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def _choose_times(message: dict[str, Any], recv: int, latest: int) -> tuple[int, int]:
    """Return the times of receipt and event.

    If one clock is missing, the other replaces it: without a recorded time both are the exchange's sending time,
    without a time in the message both are the recorded time. If both are missing, they are `latest`.
    """
    sent = _read_time(message, "E") if "E" in message else NO_ID
    happened = _read_time(message, "T") if "T" in message else sent
    if recv == NO_ID:
        recv = happened = sent if sent != NO_ID else happened
    elif happened == NO_ID:
        happened = recv
    if recv == NO_ID:
        recv = happened = latest
    return recv, happened


def _read_time(message: dict[str, Any], key: str) -> int:
    value = message[key]
    if type(value) is not int or not 0 <= value <= _LATEST:
        raise _Unreadable(f"column {key}: {value!r:.40} is not a time in milliseconds")
    return value * MILLISECOND


def _read_id(message: dict[str, Any], key: str) -> int:
    value = message.get(key)
    if type(value) is not int or not 0 <= value <= _MAX_ID:
        raise _Unreadable(f"column {key}: {value!r:.40} is not an update or trade id")
    return value


def _read_levels(message: dict[str, Any], key: str) -> list[list[Any]]:
    levels = message.get(key)
    if type(levels) is not list or not set(map(type, levels)) <= {list} or not set(map(len, levels)) <= {2}:
        raise _Unreadable(f"column {key}: not a list of [price, size] pairs")
    return levels


def _flatten(bids: list[list[Any]], asks: list[list[Any]]) -> list[Any]:
    return [*chain.from_iterable(bids), *chain.from_iterable(asks)]
