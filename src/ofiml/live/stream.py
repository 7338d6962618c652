"""A live market, one row at a time: the features that a study saw, to the bit.

>>> from ofiml.config import TimeBars
>>> from ofiml.features.machine import FLOW_ONLY, Market
>>> market = Market(levels=1, tick=10**7, size_unit=1.0, open=0, scheduled_close=10**12, utc_offset=0, weekday=0,
...                 per="row")
>>> stream = Stream(market, TimeBars(name="time", step="1s", per="row"), FLOW_ONLY)
>>> for second, bid_size in ((0.5, 4), (0.8, 7), (1.5, 6)):
...     for bar in stream.push(round(second * 1e9), "A", "B", None, 1, 0, [100 * 10**7, bid_size, 101 * 10**7, 5]):
...         print(bar.close, bar["queue_imbalance"], bar.flow[0, 0])
1000000000 0.16666666666666666 3
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ofiml.bars.activity import NOT_CLOSED, make_cutter, update_cutter
from ofiml.config import ActivityBars, TimeBars
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    NO_ASK,
    NO_BID,
    NO_PRICE,
    SIDE,
)
from ofiml.errors import DataError
from ofiml.features import kernel, layout
from ofiml.features.catalogue import INDEX
from ofiml.features.machine import Machine, Market, Plan, row_width

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

_ACTIONS = {name: code for code, name in enumerate(ACTION.categories)}
_SIDES = {name: code for code, name in enumerate(SIDE.categories)}


@dataclass(frozen=True, slots=True)
class Bar:
    """What was known at a bar's close (UTC ns): `features` (FEATURES,), in the catalogue's order; `flow` and `known`,
    of bar and look-backs, as `features.batch.Computed` has them; `mid` in ticks, NaN where a side is missing.
    """

    open: int
    close: int
    features: Float
    flow: Int64
    known: int
    mid: float

    @property
    def ofi(self) -> int:
        """The bar's best-level flow, lots."""
        width = (self.flow.shape[1] - layout.SIDES - 1) // layout.PARTS
        return int(self.flow[0, layout.BID_FLOW * width] - self.flow[0, layout.ASK_FLOW * width])

    def __getitem__(self, name: str) -> float:
        return float(self.features[INDEX[name]])


class Stream:
    """Feed it the rows of one session in order; it gives a `Bar` for each bar that closes, and features on demand.

    A bar closes once a row, or `clock`, says that its close has passed: rows of the very time of the close belong to
    it. A book clear, a snapshot or `gap()` is a boundary: nothing is measured across it (see `features.catalogue`).
    """

    def __init__(self, market: Market, bars: TimeBars | ActivityBars, plan: Plan) -> None:
        self.market = market
        self._m = Machine(market, plan)
        self._row = np.empty(row_width(market.levels), np.int64)
        self._per_row = market.per == "row"
        self._last = -(2**62)
        self._begun = False
        self._open = market.open
        self._step = bars.step_ns
        self._next = market.open + (self._step or 0)
        self._cutter = (
            make_cutter(bars.name, bars.size, market.open, market.size_unit) if isinstance(bars, ActivityBars) else None
        )

    def push(
        self,
        ts_recv: int,
        action: str,
        side: str,
        price: int | None,
        size: int,
        flags: int,
        book: Sequence[int | None],
    ) -> list[Bar]:
        """Add a row of the event schema: `ts_recv` in UTC ns, `price` in 1e-9 currency units, `size` in lots, and the
        `book` after it: bid price, bid size, ask price, ask size of each level, best first; None where one is missing.

        Returns the bars that it closes. Raises DataError for a row that runs back in time, or of another shape.
        """
        row = self._row
        if len(book) != len(row) - layout.BOOK:
            raise DataError(
                f"The row has {len(book)} book values, and {self.market.levels} levels need {len(row) - layout.BOOK}: "
                "pass bid price, bid size, ask price and ask size of each level."
            )
        if action not in _ACTIONS or side not in _SIDES:
            raise DataError(
                f"Unknown action {action!r} or side {side!r}: use actions {', '.join(_ACTIONS)} and sides "
                f"{', '.join(_SIDES)}."
            )
        head = ts_recv, _ACTIONS[action], _SIDES[side], NO_PRICE if price is None else price, size, flags
        row[: layout.BOOK] = head
        missing = NO_BID, 0, NO_ASK, 0
        row[layout.BOOK :] = [missing[i % 4] if value is None else value for i, value in enumerate(book)]
        return self.push_row(row)

    def push_row(self, row: Int64) -> list[Bar]:
        """Add a row as `push` does, in the form of `features.batch.pieces`: (BOOK + 4·levels,) int64."""
        closed = self.close_before(int(row[layout.STAMP]))
        self.update(row)
        return closed

    def close_before(self, stamp: int) -> list[Bar]:
        """Close the bars that end before `stamp` (UTC ns), the time of the next row; `clock` and `push_row` call it."""
        if stamp < self._last:
            raise DataError(f"Time {stamp} ns comes after {self._last} ns: feed rows in the order of receipt.")
        self._last = stamp
        closed: list[Bar] = []
        self._begin(stamp)
        if self._cutter is not None:
            end = update_cutter(self._cutter, stamp, -1, 0, 0, False)
            if end != NOT_CLOSED:
                closed.append(self._close(int(end)))
        elif self._step is not None:
            while self._next < stamp and self._next <= self.market.scheduled_close:
                closed.append(self._close(self._next))
                self._next += self._step
        return closed

    def update(self, row: Int64) -> None:
        """Update the state with the row; earlier bars have been closed."""
        m = self._m
        while full := kernel.step(m.arrays, row):
            m.grow(full)
        if self._cutter is not None:
            is_state = self._per_row or bool(row[layout.FLAGS] & F_LAST)
            stamp, action, _, price, size = row[: layout.FLAGS]
            update_cutter(self._cutter, stamp, action, price, size, is_state)

    def clock(self, now: int) -> list[Bar]:
        """Return the bars that close before `now` (UTC ns), where no row has arrived since: all rows received
        before it must have been pushed.
        """
        return self.close_before(now)

    def finish(self, close: int) -> list[Bar]:
        """Return the remaining bars up to the session's `close` (UTC ns), after the last row."""
        if self._cutter is None:
            return self.close_before(close + 1)
        return [bar for bar in self.close_before(close + 1) if bar.close <= close]

    def gap(self) -> None:
        """Mark lost rows or a lost connection: the next state of the book is taken as a first one; until it comes, the
        book is not known.
        """
        state = self._m.memory.state
        state["known"], state["mid"], state["last_mid"] = 0, layout.NONE, layout.NONE

    def features(self, t: int) -> Float:
        """Compute all features of the catalogue at `t` (UTC ns), not before the last row, the bar so far being (open,
        t].

        It changes nothing. Raises DataError for a time before the last row, or after the end of the bar: `clock` has
        to close that first.
        """
        if t < self._last:
            raise DataError(
                f"Cannot compute features at {t} ns, before the last row at {self._last} ns: request a later time."
            )
        if self._ends_before(t):
            raise DataError(f"A bar closed before {t} ns: call clock({t}) first.")
        self._begin(t)
        return self._features(t)

    def _ends_before(self, t: int) -> bool:
        if self._cutter is not None:
            return bool(self._cutter["sum"][0] >= self._cutter["threshold"][0]) and t > int(self._cutter["last"][0])
        return self._next < t and self._next <= self.market.scheduled_close

    def _begin(self, t: int) -> None:
        """The session opens once a time after its open is seen."""
        if not self._begun and t > self.market.open:
            m = self._m
            kernel.begin(m.arrays)
            self._begun = True

    def _features(self, t: int) -> Float:
        m = self._m
        out = np.empty(kernel.FEATURES)
        kernel.features(m.arrays, t, out)
        return out

    def _close(self, t: int) -> Bar:
        m = self._m
        values = self._features(t)
        flow = np.zeros((1 + len(m.windows), m.flow_width), np.int64)
        known = kernel.sums(m.arrays, t, m.windows, flow)
        mid = int(m.memory.state["mid"][0])
        bar = Bar(self._open, t, values, flow, known, np.nan if mid == layout.NONE else mid / (2 * self.market.tick))
        kernel.close_bar(m.arrays, t)
        self._open = t
        return bar
