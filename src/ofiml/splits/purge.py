"""Purging by time: the interval of a train row must not overlap that of a test row."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ofiml._typing import Bool, Int64


@dataclass(frozen=True, slots=True)
class SortedIntervals:
    """Closed intervals in order of their `starts` (m,), and the `farthest` end of each and all before it, (m,)."""

    starts: Int64
    farthest: Int64

    @classmethod
    def of(cls, start: Int64, end: Int64) -> Self:
        """Sort the closed intervals [start, end] (m,), which may overlap each other and be in any order."""
        order = np.argsort(start, kind="stable")
        return cls(start[order], np.maximum.accumulate(end[order]))

    def overlap(self, start: Int64, end: Int64) -> Bool:
        """Mark the closed intervals [start, end] (n,) that overlap any of these. Takes O(n log m)."""
        if len(self.starts) == 0:
            return np.zeros(len(start), np.bool_)
        # Among these intervals that start by b, one overlaps [a, b] if and only if their latest end is a or later.
        index = np.searchsorted(self.starts, end, side="right") - 1
        return (index >= 0) & (self.farthest[np.maximum(index, 0)] >= start)


def overlaps_any(start: Int64, end: Int64, test_start: Int64, test_end: Int64, margin: int = 0) -> Bool:
    """Mark the closed intervals [start, end] (n,) that overlap any of the closed intervals
    [test_start - margin, test_end + margin] (m,).

    Times are in ns. Intervals may overlap each other, be in any order and have unequal spans. Takes O((n+m) log m).
    """
    return SortedIntervals.of(test_start - margin, test_end + margin).overlap(start, end)
