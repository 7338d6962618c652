"""Binance's JSON messages as columns: depth updates, full and partial books, best quotes, trades.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams and the page for spot.
The usual lines are scanned as bytes (`scan`); this module parses all others.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats.json_lines import (
    NO_TIME,
    Unreadable,
    find_start,
    handle_message,
    has_a_message_per_line,
    number_symbol,
    split_lines,
    split_stamp,
)
from ofiml.data.formats.level_rows import (
    Collector,
    Field,
    LevelRows,
    check_flags,
    check_ids,
    check_numbers,
    check_times,
)
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.readers.binance import scan, values
from ofiml.data.readers.binance.times import set_times
from ofiml.data.schema import Int64

NO_SYMBOL = -1

# Messages of partial books look like differences or full books, but are whole books of a few levels.
_PARTIAL = re.compile(r"([^@]+)@depth\d")
_ON_THE_BOOK: Final = (None, "MARKET")  # `X` of other trades: insurance fund, ADL, NA
_TICKER_KEYS = {"u", "s", "b", "B", "a", "A"}

_ID, _TIME = "is not an update or trade id", "is not a time in ms or µs (13 or 16 digits)"
# `place` counts messages across all files, `recv` is the local time.
_COMMON = [
    Field("line", check_numbers),
    Field("place", check_numbers),
    Field("recv", check_numbers),
    Field("E", check_times, _TIME),
    Field("T", check_times, _TIME),
    Field("symbol", check_numbers),
]
_COUNTS = [Field("bids", check_numbers), Field("asks", check_numbers)]
_DEPTH = [Field("full", check_numbers), *(Field(n, check_ids, _ID) for n in ("U", "u", "pu"))]
_MAKER = Field("m", check_flags, "is neither true nor false")


@dataclass(slots=True)
class Messages:
    """The messages of an input, in feed order.

    `total` counts all messages, `rows` those of each symbol, `ignored` the ignored ones by kind. `depth_of` has the
    symbols of all depth updates, also those that `dataset.symbols` excludes.
    """

    symbols: list[str]
    depth_of: set[str]
    depth: LevelRows
    partial: LevelRows
    ticker: LevelRows
    trade: LevelRows
    aggregate: LevelRows
    total: int
    rows: list[int]
    ignored: Counter[str]
    off_step: OffStepSizes


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
    off_step: OffStepSizes = field(init=False)
    depth: Collector = field(init=False)
    partial: Collector = field(init=False)
    ticker: Collector = field(init=False)
    trade: Collector = field(init=False)
    aggregate: Collector = field(init=False)
    with_depth: set[int] = field(default_factory=set)  # symbols whose bookTicker repeats the depth
    total: int = 0
    before: int = 0  # the largest line number of the files before; lines are numbered through
    depth_of: set[str] = field(default_factory=set)  # symbols with depth updates, also excluded ones

    def __post_init__(self) -> None:
        self.off_step = OffStepSizes(self.size_unit)

        def make_collector(fields: list[Field], *, lowest: int = 1) -> Collector:
            return Collector([*_COMMON, *fields], self.size_unit, self.checker, self.off_step, lowest)

        self.depth = make_collector([*_DEPTH, *_COUNTS])
        self.partial = make_collector([Field("u", check_ids, _ID), *_COUNTS])
        self.ticker = make_collector([Field("u", check_ids, _ID)], lowest=0)
        self.trade, self.aggregate = (make_collector([Field(key, check_ids, _ID), _MAKER]) for key in "ta")

    def parse_file(self, blob: Blob, *, clock: bool = True) -> None:
        """Parse the messages of one file; without `clock`, their times are ignored.

        Raises DataError for an empty file and, if the policy does, for an unreadable message.
        """
        self.checker.begin_part(blob.name, self.before)
        self.off_step.source, self.off_step.before = blob.name, self.before
        line, count = 0, blob.content.count(b"\n") + 1
        if clock and has_a_message_per_line(blob):
            self._parse_lines(blob)
        else:
            for line, recv, message in split_lines(blob):
                self.total += 1
                self._parse(line, recv, message, clock=clock)
        for collector in (self.depth, self.partial, self.ticker, self.trade, self.aggregate):
            collector.flush()  # before the next file: sizes off the step name this one
        self.before += max(line, count)

    def _parse_lines(self, blob: Blob) -> None:
        """Parse a file with a message per line: the usual lines by a scan, the others one by one."""
        content = blob.content.removeprefix(b"\xef\xbb\xbf")
        stamped = find_start(blob) != b"{"
        scanned = scan.scan_lines(content, self.size_unit, stamped=stamped)
        before = self.total
        # Symbols are numbered in the order of their first message, and a best quote may stand before the depth.
        first_lines = scanned.symbols[:, scan.FIRST_LINE].tolist()
        depth_lines = scanned.symbols[:, scan.FIRST_DEPTH].tolist()
        waiting = sorted(range(len(first_lines)), key=first_lines.__getitem__)
        with_depth = sorted((line, k) for k, line in enumerate(depth_lines) if line)
        numbers = np.full(len(first_lines), NO_SYMBOL)

        def number_symbols(until: int | None) -> None:
            while waiting and (until is None or first_lines[waiting[0]] < until):
                k = waiting.pop(0)
                number = self._number_symbol(scanned.names[k], "")
                numbers[k] = NO_SYMBOL if number is None else number
            while with_depth and (until is None or with_depth[0][0] < until):
                k = with_depth.pop(0)[1]
                self.depth_of.add(scanned.names[k])
                if numbers[k] != NO_SYMBOL:
                    self.with_depth.add(int(numbers[k]))

        for line, place, start, end in scanned.left.tolist():
            number_symbols(line)
            self.total = before + place
            text = content[start:end]
            recv, message = split_stamp(text) if stamped else (NO_TIME, text)
            self._parse(line, recv, message, clock=True)
        number_symbols(None)
        self.total = before + scanned.total
        self._add_scanned(scanned, numbers, before)

    def _add_scanned(self, scanned: scan.Scan, numbers: Int64, before: int) -> None:
        """Add the rows of a scan whose symbols have these `numbers`, after `before` messages of other files."""
        of_symbol = np.bincount(scanned.rows[:, values.SYMBOL], minlength=len(numbers))
        for number, count, quotes in zip(numbers, of_symbol, scanned.symbols[:, scan.QUOTES], strict=True):
            if number == NO_SYMBOL:
                self.ignored["other symbols"] += int(count + quotes)
            else:
                self.rows[int(number)] += int(count + quotes)
                self.ignored["bookTicker"] += int(quotes)
        scanned.rows[:, values.LINE] += self.before
        depth, trades = scan.split_rows(scanned, numbers, before)
        self.depth.add_converted(*depth)
        self.trade.add_converted(*trades)

    def _parse(self, line: int, recv: int, message: Any, *, clock: bool) -> None:
        handle_message(partial(self._parse_message, clock=clock), line + self.before, recv, message, self.checker)

    def finish(self) -> Messages:
        """Return all parsed messages."""
        collectors = (self.depth, self.partial, self.ticker, self.trade, self.aggregate)
        depth, partial, ticker, trade, aggregate = set_times(*(c.make_rows() for c in collectors))
        return Messages(
            symbols=list(self.index),
            depth_of=self.depth_of,
            depth=depth,
            partial=partial,
            ticker=ticker,
            trade=trade,
            aggregate=aggregate,
            total=self.total,
            rows=[self.rows[i] for i in range(len(self.index))],
            ignored=self.ignored,
            off_step=self.off_step,
        )

    def _parse_message(self, line: int, recv: int, message: Any, *, clock: bool) -> None:
        stream = ""
        if type(message) is dict and "data" in message and "stream" in message:
            stream, message = str(message["stream"]), message["data"]
        if type(message) is not dict:
            if type(message) is not list:
                raise Unreadable(f"{message!r:.40} is not a message")
            self.ignored["lists"] += 1
            return
        kind = message.get("e")
        if kind not in ("depthUpdate", "trade", "aggTrade", "bookTicker"):
            kind = self._name_kind(message, kind)
        match = _PARTIAL.match(stream) if kind in ("depthUpdate", "full") else None
        if match is not None:
            kind = "partial"
        elif kind == "trade" and message.get("X") not in _ON_THE_BOOK:
            kind = f"trade of type {message['X']!s:.20}"
        if kind not in _KINDS:
            self.ignored[f"{kind!s:.40}"] += 1
            return
        name = message.get("s", message.get("symbol") if kind == "full" else None)
        if name is None and match is not None:
            name = match[1].upper()
        symbol = self._number_symbol(name, kind)
        if kind == "depthUpdate":
            self.depth_of.add(str(name))
        if symbol is None:
            self.ignored["other symbols"] += 1
            return
        self.rows[symbol] += 1
        if kind == "bookTicker" and symbol in self.with_depth:
            self.ignored["bookTicker"] += 1
            return
        sent, happened = (message.get("E"), message.get("T")) if clock else (None, None)
        if clock and recv == NO_TIME and sent is None and happened is None and kind != "full":
            raise Unreadable("the message has no time (E), and no receipt time was recorded")
        common = (line, self.total, recv if clock else NO_TIME, sent, happened, symbol)
        if kind == "depthUpdate":
            self.with_depth.add(symbol)
            bids, asks = _get_lists(message, "b", "a")
            ids = 0, _require(message, "U"), _require(message, "u"), _require(message, "pu", absent=True)
            self.depth.add((*common, *ids, len(bids), len(asks)), bids, asks)
        elif kind == "trade":
            row = (*common, _require(message, "t"), message.get("m"))
            self.trade.add(row, [[message.get("p"), message.get("q")]])
        elif kind == "full":
            bids, asks = _get_lists(message, "bids", "asks")
            ids = 1, None, _require(message, "lastUpdateId"), None
            self.depth.add((*common, *ids, len(bids), len(asks)), bids, asks)
        elif kind == "partial":
            names = ("bids", "asks", "lastUpdateId") if "lastUpdateId" in message else ("b", "a", "u")
            bids, asks = _get_lists(message, *names[:2])
            self.partial.add((*common, _require(message, names[2]), len(bids), len(asks)), bids, asks)
        elif kind == "bookTicker":
            quotes = [[message.get(p), message.get(q)] for p, q in ("bB", "aA")]
            self.ticker.add((*common, _require(message, "u")), quotes)
        else:
            row = (*common, _require(message, "a"), message.get("m"))
            self.aggregate.add(row, [[message.get("p"), message.get("q")]])

    def _name_kind(self, message: dict[str, Any], kind: Any) -> Any:
        """Name the kind of a message by its keys if it does not state it."""
        if kind is not None:
            return kind
        return "full" if "lastUpdateId" in message else "bookTicker" if message.keys() >= _TICKER_KEYS else "other"

    def _number_symbol(self, name: Any, kind: str) -> int | None:
        """Return the symbol's number; NO_SYMBOL for a full book without a symbol; None for an excluded symbol."""
        if name is None and kind == "full":
            return NO_SYMBOL
        return number_symbol(name, self.index, self.wanted)


_KINDS = frozenset(("depthUpdate", "full", "partial", "bookTicker", "trade", "aggTrade"))


def _get_lists(message: dict[str, Any], bids: str, asks: str) -> tuple[list[Any], list[Any]]:
    both = message.get(bids), message.get(asks)
    for name, levels in zip((bids, asks), both, strict=True):
        if type(levels) is not list:
            raise Unreadable(f"column {name}: not a list of [price, size] pairs")
    return both  # type: ignore[return-value]


def _require(message: dict[str, Any], key: str, *, absent: bool = False) -> Any:
    """Return a value that must not be null; `absent`: the key may be missing."""
    value = message.get(key)
    if value is None and not (absent and key not in message):
        raise Unreadable(f"column {key}: None {_ID}")
    return value
