"""Random markets of orders with time priority, as sessions with all that feeds do.

Orders come, are cancelled, change and trade; sweeps take several levels at once. The book is shown to some depth, so
that levels are hidden and come back. On top come halts, clears, snapshots, phases with one side alone, crossed books,
prints off the tick or of an unknown side, messages of several rows, ties in time and a late receipt.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ofiml.data.schema import F_LAST, F_SNAPSHOT, ORDER_TIME, TIME, Session
from tests.books import SECOND, Row, session

_STEP = SECOND // 10
_SIDES = {1: "B", -1: "A"}


@dataclass
class Market:
    """Orders (lots, time) by side and price, first come first, and the rows that they made."""

    rng: np.random.Generator
    levels: int
    separate: bool  # a trade and what it removes are messages of their own
    mid: int = 1000
    now: int = 0
    book: dict[int, dict[int, list[list[int]]]] = field(default_factory=lambda: {1: {}, -1: {}})
    dark: int = 0  # a side of which nothing is shown
    rows: list[Row] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)

    def show(self) -> list[tuple[int | None, int, int | None, int]]:
        sides = []
        for side in (1, -1):
            best = sorted(self.book[side], key=lambda p: -side * p)[: self.levels] if side != self.dark else []
            shown = [(p, sum(lots for lots, _ in self.book[side][p])) for p in best]
            sides.append(shown + [(None, 0)] * (self.levels - len(shown)))
        return [(*bid, *ask) for bid, ask in zip(*sides, strict=True)]

    def write(self, action: str, side: str, price: float | None, size: int, *, last: bool, stamp: int | None = None,
              flags: int = 0) -> None:  # fmt: skip
        row: Row = {"t": self.now / SECOND, "book": self.show(), "action": action, "side": side, "size": size}
        row |= {"price": price, "flags": flags | (F_LAST if last else 0)}
        self.rows.append(row)
        self.times.append(stamp)

    def best(self, side: int) -> int | None:
        return (max if side > 0 else min)(self.book[side]) if self.book[side] else None

    def add(self, side: int, price: int, lots: int, *, last: bool = True) -> None:
        self.book[side].setdefault(price, []).append([lots, self.now])
        self.write("A", _SIDES[side], price, lots, last=last)

    def remove(self, side: int, price: int, place: int, lots: int, *, action: str = "C", last: bool = True) -> None:
        queue = self.book[side][price]
        stamp = queue[place][1]
        queue[place][0] -= lots
        if queue[place][0] <= 0:
            del queue[place]
        if not queue:
            del self.book[side][price]
        self.write(action, _SIDES[side], price, lots, last=last, stamp=stamp if self.rng.random() < 0.9 else None)

    def trade(self, aggressor: int, lots: int) -> None:
        """Take lots of the best levels, order by order; an order that is met in part keeps its place."""
        while lots > 0 and (price := self.best(-aggressor)) is not None:
            queue = self.book[-aggressor][price]
            some = min(lots, sum(order[0] for order in queue)) if self.rng.random() < 0.5 else min(lots, queue[0][0])
            unknown = self.rng.random() < 0.1
            self.write("T", "N" if unknown else _SIDES[aggressor], price, some, last=self.separate)
            lots -= some
            while some > 0:
                part = min(some, self.book[-aggressor][price][0][0])
                some -= part
                self.remove(-aggressor, price, 0, part, last=self.separate or (lots == 0 and some == 0))
        if self.rows:
            self.rows[-1]["flags"] |= F_LAST

    def step(self) -> None:
        rng = self.rng
        self.now += int(rng.choice([0, 0, 1, 2, 5, 20], p=[0.25, 0.1, 0.35, 0.15, 0.1, 0.05])) * _STEP
        self.mid += int(rng.choice([-1, 0, 1], p=[0.05, 0.9, 0.05]))
        side, lots = int(rng.choice([1, -1])), int(rng.choice([1, 2, 3, 5, 8, 20]))
        held = [(p, n) for p in self.book[side] for n in range(len(self.book[side][p]))]
        what = rng.choice(["add", "cancel", "modify", "trade", "print", "odd"], p=[0.4, 0.2, 0.08, 0.22, 0.06, 0.04])
        if what == "add" or len(held) < 4:
            price = self.mid - side * int(rng.integers(1, 5))
            other = self.best(-side)
            if other is not None and side * (price - other) >= 0 and rng.random() < 0.97:
                price = other - side  # else the book is crossed for a while
            self.add(side, price, lots, last=rng.random() < 0.85)
        elif what == "cancel":
            price, place = held[rng.integers(len(held))]
            whole = self.book[side][price][place][0]
            self.remove(side, price, place, whole if rng.random() < 0.7 else int(rng.integers(1, whole + 1)),
                        last=rng.random() < 0.85)  # fmt: skip
        elif what == "modify":
            price, place = held[rng.integers(len(held))]
            whole = self.book[side][price][place][0]
            if rng.random() < 0.5 and whole > 1:
                self.remove(side, price, place, 1, action="M")
            else:  # a larger size goes to the end of the queue
                stamp = self.book[side][price].pop(place)[1]
                self.book[side][price].append([whole + lots, self.now])
                self.write("M", _SIDES[side], price, whole + lots, last=True, stamp=stamp)
        elif what == "trade":
            self.trade(-side, lots if rng.random() < 0.8 else 60)
        elif what == "print":  # hidden, off the tick, or against nothing that is shown
            near = self.best(side)
            price = (self.mid if near is None else near) + float(rng.choice([-1, -0.5, 0, 0.5, 1]))
            self.write("T", str(rng.choice(["A", "B", "N"])), price, lots, last=True)
        else:
            self.step_aside()
        for one in (1, -1):  # what stays crossed for long is no book
            bid, ask = self.best(1), self.best(-1)
            if bid is not None and ask is not None and bid >= ask and rng.random() < 0.3:
                del self.book[one][bid if one > 0 else ask]
                self.write("C", _SIDES[one], bid if one > 0 else ask, 1, last=True)

    def step_aside(self) -> None:
        rng = self.rng
        what = rng.choice(["halt", "clear", "snapshot", "dark", "jump"])
        if what == "halt":
            self.write("N", "N", None, 0, last=True, flags=F_SNAPSHOT)
        elif what == "clear":
            book, self.book = self.book, {1: {}, -1: {}}
            self.write("R", "N", None, 0, last=rng.random() < 0.5)
            self.book = book if rng.random() < 0.5 else self.book
        elif what == "snapshot":
            for _ in range(int(rng.integers(1, 3))):
                self.write("A", "B", self.mid, 1, last=rng.random() < 0.5, flags=F_SNAPSHOT)
            self.rows[-1]["flags"] |= F_LAST
        elif what == "dark":
            self.dark = int(rng.choice([0, 1, -1]))
        else:
            self.mid += int(rng.choice([-6, 6]))


def draw_market(seed: int, steps: int) -> Session:
    """Draw a market with the order times of its cancels, on two clocks."""
    rng = np.random.default_rng(seed)
    market = Market(rng, levels=int(rng.integers(1, 5)), separate=bool(rng.random() < 0.5))
    for _ in range(steps):
        market.step()
        if market.dark and rng.random() < 0.2:
            market.dark = 0
    market.rows[-1]["flags"] |= F_LAST
    for row in market.rows:  # prices off the tick are set below
        row["price"], row["exact"] = None if row["price"] is None else int(np.floor(row["price"])), row["price"]
    made = session(market.rows, levels=market.levels)
    exact = [None if row["exact"] is None else round(row["exact"] * made.tick) for row in market.rows]
    stamps = np.array([round(row["t"] * SECOND) for row in market.rows])
    late = rng.choice([0, 0, 1, 3]) * rng.integers(0, 4, len(stamps)) * _STEP // 2
    late -= rng.choice([0, 0, 0, _STEP], len(stamps))  # some stamps of the exchange are ahead of the receipt
    known = bool(rng.random() < 0.7)
    columns = {
        "price": pl.Series(exact, dtype=pl.Int64),
        "ts_recv": pl.Series(np.maximum.accumulate(stamps + late)).cast(TIME),
        ORDER_TIME: pl.Series(market.times if known else [None] * len(stamps), dtype=pl.Int64).cast(TIME),
    }
    return replace(
        made, events=made.events.with_columns(**columns), close=int(stamps[-1]) + int(rng.integers(-30, 10)) * _STEP
    )
