"""The input of splitters: the time interval of each row, the instant at which it was known, and the trading hours."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ofiml._typing import Int64


@dataclass(frozen=True, slots=True)
class Intervals:
    """The times that each row uses, (n,) ns each, rows in time order: the first instant used by its features, and the
    start and end of its label.
    """

    first_used: Int64
    label_start: Int64
    label_end: Int64

    def __len__(self) -> int:
        return len(self.label_start)


@dataclass(frozen=True, slots=True)
class Hours:
    """The trading hours: (open, close] of each date, ns, in time order.

    Trading time is a clock that runs in these hours only: 0 at the first open, `total` at the last close.
    """

    dates: tuple[str, ...]
    open: Int64
    close: Int64

    @classmethod
    def of(cls, sessions: Iterable[tuple[str, int, int]]) -> "Hours":
        """Build the hours from (date, open, close) of each session. The hours of a date run from the first open to the
        last close of its symbols. An instant in two dates belongs to the earlier one.
        """
        bounds: dict[str, tuple[int, int]] = {}
        for date, open_, close in sessions:
            first, last = bounds.get(date, (open_, close))
            bounds[date] = min(first, open_), max(last, close)
        dates = sorted(bounds, key=lambda date: bounds[date])
        close_ = np.maximum.accumulate(np.array([bounds[d][1] for d in dates], np.int64))
        open__ = np.array([bounds[d][0] for d in dates], np.int64)
        open__[1:] = np.maximum(open__[1:], close_[:-1])
        return cls(tuple(dates), open__, close_)

    @property
    def ends(self) -> Int64:
        """The trading time (ns) at each date's close."""
        return np.cumsum(self.close - self.open)

    @property
    def total(self) -> int:
        """The trading time (ns) of all dates."""
        return int(self.ends[-1])

    def find_date(self, at: Int64) -> Int64:
        """Find the index of the date that contains each instant, or of the next date."""
        return np.minimum(np.searchsorted(self.close, at, side="left"), len(self.dates) - 1)

    def convert_to_trading_time(self, at: Int64) -> Int64:
        """Convert instants to trading time, ns; it is constant between two dates."""
        k = self.find_date(at)
        length = self.close - self.open
        return (self.ends - length)[k] + np.clip(at - self.open[k], 0, length[k])

    def find_instant(self, elapsed: int) -> int:
        """Find the first instant (ns) at which trading time was `elapsed` ns."""
        k = min(int(np.searchsorted(self.ends, elapsed, side="left")), len(self.dates) - 1)
        return int(self.close[k] - (self.ends[k] - elapsed))


@dataclass(frozen=True, slots=True)
class Rows(Intervals):
    """The intervals of labelled rows, and the instant `known_at` (n,) at which each row's features are known: its bar's
    close.

    Rows of several symbols may share an instant. `hours` covers every bar, with or without a label.
    """

    known_at: Int64
    hours: Hours
