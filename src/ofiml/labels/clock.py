"""The clocks of a horizon: time, book events, or traded volume.

A horizon of events or volume ends at the first receipt time at which the count since its start reaches its length.
Like a bar, it contains whole timestamps. Its end is a stopping time: it is known at that instant, and not before.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ofiml._typing import Int64
from ofiml.bars.activity import count_units
from ofiml.bars.time import Book
from ofiml.config import Horizon
from ofiml.data.schema import Session, extract_times

NEVER = 2**63 - 1  # the session ends before the horizon


class Clock(Protocol):
    """The protocol of a horizon's clock; `length` is the horizon in its unit: ns, book states, or lots."""

    @property
    def length(self) -> int: ...

    def read(self, times: Int64) -> Int64:
        """Read the clock at each of `times` (k,), ns. Only differences of readings are meaningful."""
        ...

    def find_end(self, since: Int64) -> Int64:
        """Find the end (ns) of a horizon that begins at each of `since` (k,), ns; NEVER if the session ends first."""
        ...


@dataclass(frozen=True, slots=True)
class TimeClock:
    """A clock of time, in ns."""

    length: int

    def read(self, times: Int64) -> Int64:
        return times

    def find_end(self, since: Int64) -> Int64:
        return since + self.length


@dataclass(frozen=True, slots=True)
class ActivityClock:
    """A clock of events or volume: `total` (n,) is the count up to each of `stamps` (n,); neither decreases."""

    length: int
    stamps: Int64
    total: Int64

    def read(self, times: Int64) -> Int64:
        return np.concatenate([[0], self.total])[np.searchsorted(self.stamps, times, side="right")]

    def find_end(self, since: Int64) -> Int64:
        index = np.searchsorted(self.total, self.read(since) + self.length, side="left")
        return np.concatenate([self.stamps, [NEVER]])[index]


def build_horizon_clock(session: Session, book: Book, horizon: Horizon) -> Clock:
    """Build the session's clock for the horizon.

    Events are the states of `book`. Volume is that of all trades, with known or unknown side.
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
