"""A live market, one row at a time, with the features of a study to the bit.

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

from ofiml._typing import Float, Int64
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
from ofiml.features.machine import Machine, Market, Plan, compute_row_width

_ACTIONS = {name: code for code, name in enumerate(ACTION.categories)}
_SIDES = {name: code for code, name in enumerate(SIDE.categories)}


@dataclass(frozen=True, slots=True)
class Bar:
    """A closed bar, with values known at its `close` (UTC ns): `features` (FEATURES,) in the catalogue's order; `flow`
    and `known` of the bar and the look-backs, as in `features.batch.BarValues`; `mid` in ticks, NaN where a side is
    missing.
    """

    open: int
    close: int
    features: Float
    flow: Int64
    known: int
    mid: float

    @property
    def ofi(self) -> int:
        """The bar's best-level OFI, lots."""
        width = (self.flow.shape[1] - layout.SIDES - 1) // layout.PARTS
        return int(self.flow[0, layout.BID_FLOW * width] - self.flow[0, layout.ASK_FLOW * width])

    def __getitem__(self, name: str) -> float:
        return float(self.features[INDEX[name]])


class Stream:
    """A stream of one session: it takes rows in order and gives a `Bar` for each bar that closes, and features on
    demand.

    A bar closes when a row or `advance_clock` shows that its close has passed; rows at the time of the close belong to
    the bar. A book clear, a snapshot and `mark_gap` are boundaries: nothing is measured across them (see
    `features.catalogue`).
    """

    def __init__(self, market: Market, bars: TimeBars | ActivityBars, plan: Plan) -> None:
        self.market = market
        self._m = Machine(market, plan)
        self._row = np.empty(compute_row_width(market.levels), np.int64)
        self._per_row = market.per == "row"
        self._last = -(2**62)
        self._is_open = False
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
        """Push a row of the event schema and return the bars that it closes.

        `ts_recv` is in UTC ns, `price` in 1e-9 currency units, `size` in lots. `book` is the book after the row: bid
        price, bid size, ask price, ask size of each level, best first; None for a missing value. Raises DataError for
        a row that runs back in time, an unknown action or side, or a book of another shape.
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
        """Push a row as `features.batch.pack_rows` gives it, (BOOK + 4·levels,) int64. Return the bars that it closes.
        Raises DataError for a row that runs back in time.
        """
        closed = self.close_before(int(row[layout.STAMP]))
        self.update(row)
        return closed

    def close_before(self, stamp: int) -> list[Bar]:
        """Close the bars that end before `stamp` (UTC ns), the time of the next row. Raises DataError for a time before
        the last one.
        """
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
        """Update the state with the row. Close earlier bars first, with `close_before`."""
        m = self._m
        while full := kernel.step(m.arrays, row):
            m.grow(full)
        if self._cutter is not None:
            is_state = self._per_row or bool(row[layout.FLAGS] & F_LAST)
            stamp, action, _, price, size = row[: layout.FLAGS]
            update_cutter(self._cutter, stamp, action, price, size, is_state)

    def advance_clock(self, now: int) -> list[Bar]:
        """Advance the clock to `now` (UTC ns) without a row, and return the bars that close before it. All rows
        received before `now` must have been pushed.
        """
        return self.close_before(now)

    def finish(self, close: int) -> list[Bar]:
        """Finish the session after its last row, and return the remaining bars up to its `close` (UTC ns)."""
        if self._cutter is None:
            return self.close_before(close + 1)
        return [bar for bar in self.close_before(close + 1) if bar.close <= close]

    def mark_gap(self) -> None:
        """Mark lost rows or a lost connection. The book is unknown until its next state, which counts as the first."""
        state = self._m.memory.state
        state["known"], state["mid"], state["last_mid"] = 0, layout.NONE, layout.NONE

    def compute_features(self, t: int) -> Float:
        """Compute all features of the catalogue at `t` (UTC ns), with (open, t] as the bar. The state does not change.

        Raises DataError for a time before the last row, or after the end of the bar, which `advance_clock` must close
        first.
        """
        if t < self._last:
            raise DataError(
                f"Cannot compute features at {t} ns, before the last row at {self._last} ns: request a later time."
            )
        if self._ends_before(t):
            raise DataError(f"A bar closed before {t} ns: call advance_clock({t}) first.")
        self._begin(t)
        return self._compute_features(t)

    def _ends_before(self, t: int) -> bool:
        if self._cutter is not None:
            return bool(self._cutter["sum"][0] >= self._cutter["threshold"][0]) and t > int(self._cutter["last"][0])
        return self._next < t and self._next <= self.market.scheduled_close

    def _begin(self, t: int) -> None:
        """Open the session at the first time after its open."""
        if not self._is_open and t > self.market.open:
            m = self._m
            kernel.begin(m.arrays)
            self._is_open = True

    def _compute_features(self, t: int) -> Float:
        m = self._m
        out = np.empty(kernel.FEATURES)
        kernel.features(m.arrays, t, out)
        return out

    def _close(self, t: int) -> Bar:
        m = self._m
        values = self._compute_features(t)
        flow = np.zeros((1 + len(m.windows), m.flow_width), np.int64)
        known = kernel.sums(m.arrays, t, m.windows, flow)
        mid = int(m.memory.state["mid"][0])
        bar = Bar(self._open, t, values, flow, known, np.nan if mid == layout.NONE else mid / (2 * self.market.tick))
        kernel.close_bar(m.arrays, t)
        self._open = t
        return bar
