"""Bybit's JSON messages as columns: order books and trades.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook and …/public/trade.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import decimals
from ofiml.data.formats.json_lines import NO_TIME, Unreadable, handle_message, number_symbol, split_lines
from ofiml.data.formats.level_rows import (
    NO_ID,
    Collector,
    Field,
    LevelRows,
    check_ids,
    check_numbers,
    check_times,
)
from ofiml.data.formats.off_step import OffStepSizes

_ID, _TIME = "is not an update id", "is not a time in ms (13 digits)"
_COMMON = [Field("line", check_numbers), Field("place", check_numbers), Field("recv", check_numbers)]
_CLOCKS = [Field("ts", check_times, _TIME), Field("cts", check_times, _TIME), Field("symbol", check_numbers)]
_BOOK = [
    Field("full", check_numbers),
    Field("u", check_ids, _ID),
    Field("bids", check_numbers),
    Field("asks", check_numbers),
]
_TYPES = {"snapshot": 1, "delta": 0}


@dataclass(slots=True)
class Parser:
    """A parser of the messages of one or more files, in order, into columns.

    A message that cannot be read raises DataError, or is dropped and counted, as the policy says.
    """

    checker: Checker
    size_unit: float
    wanted: list[str] | None
    index: dict[str, int] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)  # the order-book topic of each symbol
    rows: Counter[int] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    off_step: OffStepSizes = field(init=False)
    book: Collector = field(init=False)
    trade: Collector = field(init=False)
    total: int = 0
    before: int = 0  # the largest line number of the files before; lines are numbered through

    def __post_init__(self) -> None:
        self.off_step = OffStepSizes(self.size_unit)
        # The prices of spreads may have any sign.
        shared = self.size_unit, self.checker, self.off_step, decimals.LOWEST_PRICE
        self.book = Collector([*_COMMON, *_CLOCKS, *_BOOK], *shared)
        self.trade = Collector([*_COMMON, *_CLOCKS, Field("is_buy", check_numbers)], *shared)

    def parse_file(self, blob: Blob) -> None:
        """Parse the messages of one file.

        Raises DataError for an empty file and, if the policy does, for an unreadable message.
        """
        self.checker.begin_part(blob.name, self.before)
        self.off_step.source, self.off_step.before = blob.name, self.before
        line = 0
        for line, recv, message in split_lines(blob):
            self.total += 1
            handle_message(self._parse_message, self.before + line, recv, message, self.checker)
        for collector in (self.book, self.trade):
            collector.flush()  # before the next file: sizes off the step name this one
        self.before += line

    def finish(self) -> tuple[LevelRows, LevelRows]:
        """Return the books and trades of all files, with the times `recv` and `event` (ns)."""
        return _set_times(self.book.make_rows()), _set_times(self.trade.make_rows())

    def _parse_message(self, line: int, recv: int, message: Any) -> None:
        if type(message) is not dict:
            raise Unreadable(f"{message!r:.40} is not a message")
        topic, data = message.get("topic"), message.get("data")
        if type(topic) is not str:
            self.ignored["without topic"] += 1
        elif topic.startswith("orderbook."):
            self._parse_book(line, recv, message, topic, data)
        elif topic.startswith("publicTrade."):
            self._parse_trades(line, recv, message, data)
        else:
            self.ignored[topic.partition(".")[0][:40]] += 1

    def _parse_book(self, line: int, recv: int, message: dict[str, Any], topic: str, data: Any) -> None:
        if type(data) is not dict:
            raise Unreadable(f"column data: {data!r:.40} is not an order book")
        symbol = number_symbol(data.get("s"), self.index, self.wanted)
        if symbol is None:
            self.ignored["other symbols"] += 1
            return
        self.rows[symbol] += 1
        own = self.topics.setdefault(symbol, topic)
        if topic != own:
            self.ignored[f"{topic} beside {own}"] += 1
            return
        full = _TYPES.get(message.get("type"))  # type: ignore[arg-type]
        if full is None:
            raise Unreadable(f"column type: {message.get('type')!r:.40} is neither snapshot nor delta")
        bids, asks = (data.get(side, []) for side in "ba")  # a side without change may be left out
        if type(bids) is not list or type(asks) is not list:
            raise Unreadable("column b or a: not a list of [price, size] pairs")
        if data.get("u") is None:
            raise Unreadable(f"column u: None {_ID}")
        clocks = _require_time(recv, message), message.get("cts")
        row = (line, self.total, recv, *clocks, symbol, full, data["u"], len(bids), len(asks))
        self.book.add(row, bids, asks)

    def _parse_trades(self, line: int, recv: int, message: dict[str, Any], data: Any) -> None:
        if type(data) is not list or not all(type(trade) is dict for trade in data):
            raise Unreadable(f"column data: {data!r:.40} is not a list of trades")
        ts = _require_time(recv, message)
        for trade in data:
            symbol = number_symbol(trade.get("s"), self.index, self.wanted)
            if symbol is None:
                self.ignored["other symbols"] += 1
                continue
            if trade.get("S") not in ("Buy", "Sell"):
                raise Unreadable(f"column S: {trade.get('S')!r:.40} is neither Buy nor Sell")
            row = (line, self.total, recv, ts, trade.get("T"), symbol, int(trade["S"] == "Buy"))
            self.trade.add(row, [[trade.get("p"), trade.get("v")]])
        if data and symbol is not None:
            self.rows[symbol] += 1


def _require_time(recv: int, message: dict[str, Any]) -> Any:
    if recv == NO_TIME and message.get("ts") is None:
        raise Unreadable("the message has no time (ts), and no receipt time was recorded")
    return message.get("ts")


def _set_times(table: LevelRows) -> LevelRows:
    """Replace `recv`, `ts`, `cts` by the clocks `recv` and `event`: a missing one takes the other's time."""
    recv, sent, happened = (table.rows[c].to_numpy() for c in ("recv", "ts", "cts"))
    recv = np.where(recv == NO_ID, sent, recv)
    event = np.where(happened != NO_ID, happened, np.where(sent != NO_ID, sent, recv))
    rows = table.rows.drop("ts", "cts").with_columns(recv=pl.Series(recv), event=pl.Series(event))
    return LevelRows(rows.rename({"u": "last"}, strict=False), table.pairs, table.prices, table.sizes)
