"""The clocks that a horizon may run on: time, the book's events, or the volume traded.

A horizon of activity is over at the first receipt time at which so much has happened since it began; like a bar, it
holds whole timestamps. That it is over is known at that instant, not before: it is a stopping time.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ofiml._typing import Int64
from ofiml.bars.activity import count_units
from ofiml.bars.time import Book
from ofiml.config import Horizon
from ofiml.data.schema import Session, extract_times

NEVER = 2**63 - 1  # the session has no event any more with which the horizon would be over


class Clock(Protocol):
    """`length` is the horizon in the clock's own unit: ns, states of the book, or lots."""

    @property
    def length(self) -> int: ...

    def at(self, times: Int64) -> Int64:
        """Return the clock's reading at each of `times` (k,), ns; only differences are meaningful."""
        ...

    def over(self, since: Int64) -> Int64:
        """Return the end (ns) of a horizon that begins at each of `since` (k,), ns; NEVER if the session ends first."""
        ...


@dataclass(frozen=True, slots=True)
class TimeClock:
    length: int

    def at(self, times: Int64) -> Int64:
        return times

    def over(self, since: Int64) -> Int64:
        return since + self.length


@dataclass(frozen=True, slots=True)
class ActivityClock:
    """`total` (n,) is the sum of all that has happened up to each of `stamps` (n,), in order; neither ever falls."""

    length: int
    stamps: Int64
    total: Int64

    def at(self, times: Int64) -> Int64:
        return np.concatenate([[0], self.total])[np.searchsorted(self.stamps, times, side="right")]

    def over(self, since: Int64) -> Int64:
        reached = np.searchsorted(self.total, self.at(since) + self.length, side="left")
        return np.concatenate([self.stamps, [NEVER]])[reached]


def horizon_clock(session: Session, book: Book, horizon: Horizon) -> Clock:
    """Build the session's clock for the horizon.

    Events are the states of `book`; volume is that of all trades, whether their side is known or not.
    """
    if horizon.length_ns is not None:
        return TimeClock(horizon.length_ns)
    length = count_units(horizon.clock, horizon.amount, session.size_unit)
    if horizon.clock == "events":
        return ActivityClock(length, book.stamps, np.arange(1, len(book.stamps) + 1, dtype=np.int64))
    trades = session.events.select("ts_recv", "action", "size").filter(session.events["action"] == "T")
    return ActivityClock(
        length, extract_times(trades), trades["size"].fill_null(0).cum_sum().to_numpy().astype(np.int64)
    )
