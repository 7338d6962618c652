"""Purging by time: no train row's interval may meet a test row's."""

import numpy as np

from ofiml._typing import Bool, Int64


def overlaps_any(start: Int64, end: Int64, test_start: Int64, test_end: Int64, margin: int = 0) -> Bool:
    """Mark the closed intervals [start, end] that meet any of the closed intervals [test_start - margin, test_end +
    margin].

    Shapes (n,) and (m,), times in ns; intervals may overlap, stand in any order and have unequal spans. O((n+m) log m).
    """
    if len(test_start) == 0:
        return np.zeros(len(start), np.bool_)
    order = np.argsort(test_start, kind="stable")
    # [a, b] meets one of the intervals that start by b exactly if the farthest end among them reaches a.
    starts, farthest = test_start[order] - margin, np.maximum.accumulate(test_end[order]) + margin
    index = np.searchsorted(starts, end, side="right") - 1
    return (index >= 0) & (farthest[np.maximum(index, 0)] >= start)
