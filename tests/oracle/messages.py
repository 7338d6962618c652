"""What a market did, message by message, read off an event table by comparing each row with the row before it.

Slow and plain: a list of objects, dicts of sizes by price. Prices are tick indexes, price // tick.
"""

from collections.abc import Iterator, Sequence
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


def list_messages(session: Session, auctions: Sequence[tuple[int, int]] = ()) -> list[Message]:
    """List the messages of a session; rows after the last end of a message are of none.

    In each auction, from its start to its end on the receipt clock, nothing is tradable before a trade.
    """
    messages: list[Message] = []
    before: Book = {BID: {}, ASK: {}}
    hidden: Book = {BID: {}, ASK: {}}
    changes: list[Trade | Level | Clear] = []
    exchange = receipt = -(2**63)
    halted = traded = in_snapshot = False
    collecting = list(auctions)
    events = session.events
    if ORDER_TIME not in events.columns:
        events = events.with_columns(pl.lit(None, pl.Int64).alias(ORDER_TIME))
    rows = events.with_columns(
        pl.col("ts_event", "ts_recv", ORDER_TIME).to_physical(), pl.col("action").cast(pl.String)
    )
    for row in rows.iter_rows(named=True):
        exchange = max(exchange, min(row["ts_event"], row["ts_recv"]))
        stated = bool(row["flags"] & F_SNAPSHOT)
        halt = stated and row["action"] == "N"
        halted = halted or halt
        now = _read_book(row, session)
        # The first row of a snapshot clears the book; the rows that follow it go on from there.
        snapshot = stated and not halt
        if row["action"] == "R" or (snapshot and not in_snapshot):
            changes.append(Clear())
            before, hidden = {BID: {}, ASK: {}}, {BID: {}, ASK: {}}
        in_snapshot = snapshot
        if row["action"] == "T" and row["price"] is not None and row["size"] > 0:
            low, high = row["price"] // session.tick, -(-row["price"] // session.tick)
            changes.append(Trade(_SIDES[row["side"]], low, high, row["size"]))
            traded = True
            collecting = [auction for auction in collecting if row["ts_recv"] < auction[0]]
        changes += _compare_books(before, now, hidden, session.levels, row)
        before = now
        if row["flags"] & F_LAST:
            receipt = max(receipt, row["ts_recv"], exchange)
            # A halt ends with a trade; only what comes after its message is tradable for sure.
            halted, traded = halted and (halt or not traded), False
            message = Message(exchange, receipt, tradable=True, changes=changes, book=now)
            bid, ask = message.best(BID), message.best(ASK)
            crossed = bid is not None and ask is not None and bid >= ask
            auction = any(start <= row["ts_recv"] <= end for start, end in collecting)
            message.tradable = not (halted or crossed or auction or (bid is None and ask is None))
            messages.append(message)
            changes = []
    return messages


def _read_book(row: dict, session: Session) -> Book:
    book: Book = {BID: {}, ASK: {}}
    for m in range(session.levels):
        for name, side in (("bid", BID), ("ask", ASK)):
            price = row[f"{name}_px_{m:02d}"]
            if price is not None and row[f"{name}_sz_{m:02d}"] > 0:
                book[side][price // session.tick] = row[f"{name}_sz_{m:02d}"]
    return book


def _compare_books(before: Book, now: Book, hidden: Book, levels: int, row: dict) -> Iterator[Level]:
    """Yield the levels that changed. A level that fell out of the shown window is none: it only went out of sight, and
    into `hidden`. It is gone if the window reaches its price again without it.
    """
    for side, letter in ((BID, "B"), (ASK, "A")):
        time = row[ORDER_TIME] if row["action"] in ("C", "M") and row["side"] == letter else None
        full = len(now[side]) == levels
        worst = min(side * price for price in now[side]) if now[side] else 0
        for price in before[side]:
            if price in now[side]:
                continue
            if full and side * price < worst:
                hidden[side][price] = before[side][price]
            else:
                yield Level(side, price, 0, time)
        for price in list(hidden[side]):
            if not (full and side * price < worst):
                del hidden[side][price]
                if price not in now[side]:
                    yield Level(side, price, 0, None)
        for price, size in now[side].items():
            held = before[side].get(price)
            if held != size:
                yield Level(side, price, size, time if held is not None and size < held else None)
