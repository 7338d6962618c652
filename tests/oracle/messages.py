"""What a market did, message by message, read off an event table by comparing each row with the row before it.

Slow and plain: a list of objects, dicts of sizes by price. Prices are tick indexes, price // tick.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from ofiml.data.schema import F_LAST, F_SNAPSHOT, ORDER_TIME, Session

BID, ASK = 1, -1
Book = dict[int, dict[int, int]]  # side -> price -> size
_SIDES = {"B": BID, "A": ASK, "N": 0}


@dataclass(frozen=True)
class Trade:
    """A print. `side` is the aggressor's; `low` and `high` are the ticks around a price that is on none."""

    side: int
    low: int
    high: int
    size: int


@dataclass(frozen=True)
class Level:
    """The size at a price is now `size`. `order_time`, if known, is that of the order that left, came or changed."""

    side: int
    price: int
    size: int
    order_time: int | None


@dataclass(frozen=True)
class Clear:
    """All levels are unknown until they are stated again."""


@dataclass
class Message:
    """One message of the exchange: its changes in order, and the shown book after them."""

    exchange: int
    receipt: int
    tradable: bool
    changes: list[Trade | Level | Clear] = field(default_factory=list)
    book: Book = field(default_factory=dict)

    def best(self, side: int) -> int | None:
        """The best price of a side, or None."""
        prices = self.book[side]
        return (max(prices) if side == BID else min(prices)) if prices else None

    def mid2(self) -> int | None:
        """Bid plus ask, or None where one is missing."""
        bid, ask = self.best(BID), self.best(ASK)
        return None if bid is None or ask is None else bid + ask


def list_messages(session: Session, auctions: list[tuple[int, int]] = ()) -> list[Message]:
    """List the messages of a session; rows after the last end of a message are of none."""
    messages: list[Message] = []
    before: Book = {BID: {}, ASK: {}}
    changes: list[Trade | Level | Clear] = []
    exchange, halted = 0, False
    events = session.events
    if ORDER_TIME not in events.columns:
        events = events.with_columns(pl.lit(None, pl.Int64).alias(ORDER_TIME))
    rows = events.with_columns(
        pl.col("ts_event", "ts_recv", ORDER_TIME).to_physical(), pl.col("action").cast(pl.String)
    )
    for row in rows.iter_rows(named=True):
        exchange = max(exchange, min(row["ts_event"], row["ts_recv"]))
        stated = bool(row["flags"] & F_SNAPSHOT)
        halted = halted or stated if row["action"] == "N" else False
        now = _read_book(row, session)
        if row["action"] == "T":
            low, high = row["price"] // session.tick, -(-row["price"] // session.tick)
            changes.append(Trade(_SIDES[row["side"]], low, high, row["size"]))
        if stated or row["action"] == "R":
            changes.append(Clear())
            before = {BID: {}, ASK: {}}
        changes += _compare_books(before, now, session.levels, row)
        before = now
        if row["flags"] & F_LAST:
            message = Message(exchange, row["ts_recv"], tradable=True, changes=changes, book=now)
            bid, ask = message.best(BID), message.best(ASK)
            crossed = bid is not None and ask is not None and bid >= ask
            auction = any(start <= message.receipt <= end for start, end in auctions)
            message.tradable = not (halted or crossed or auction or (bid is None and ask is None))
            messages.append(message)
            changes = []
    return messages


def _read_book(row: dict, session: Session) -> Book:
    book: Book = {BID: {}, ASK: {}}
    for m in range(session.levels):
        for name, side in (("bid", BID), ("ask", ASK)):
            price = row[f"{name}_px_{m:02d}"]
            if price is not None:
                book[side][price // session.tick] = row[f"{name}_sz_{m:02d}"]
    return book


def _compare_books(before: Book, now: Book, levels: int, row: dict) -> Iterator[Level]:
    """Yield the levels that changed. A level that fell out of the shown window is none: it only went out of sight."""
    time = row[ORDER_TIME] if row["action"] in ("A", "C", "M") else None
    for side in (BID, ASK):
        full = len(now[side]) == levels
        worst = min(side * price for price in now[side]) if now[side] else 0
        for price in before[side]:
            if price not in now[side] and not (full and side * price < worst):
                yield Level(side, price, 0, time)
        for price, size in now[side].items():
            if before[side].get(price) != size:
                yield Level(side, price, size, time)
