"""Purging by time: the interval of a train row must not overlap that of a test row."""

import numpy as np

from ofiml._typing import Bool, Int64


def overlaps_any(start: Int64, end: Int64, test_start: Int64, test_end: Int64, margin: int = 0) -> Bool:
    """Mark the closed intervals [start, end] (n,) that overlap any of the closed intervals
    [test_start - margin, test_end + margin] (m,).

    Times are in ns. Intervals may overlap each other, be in any order and have unequal spans. Takes O((n+m) log m).
    """
    if len(test_start) == 0:
        return np.zeros(len(start), np.bool_)
    order = np.argsort(test_start, kind="stable")
    # Among the test intervals that start by b, one overlaps [a, b] if and only if their latest end is a or later.
    starts, farthest = test_start[order] - margin, np.maximum.accumulate(test_end[order]) + margin
    index = np.searchsorted(starts, end, side="right") - 1
    return (index >= 0) & (farthest[np.maximum(index, 0)] >= start)
