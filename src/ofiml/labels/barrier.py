"""The triple barrier: which comes first, a take-profit above, a stop below, or the end of the horizon (López de Prado
2018, chapter 3).
"""

import numpy as np

from ofiml._numba import compiled
from ofiml._typing import Int64

MISSING = -(2**63)  # of a state without a mid


def first_touch_py(doubled: Int64, start: Int64, last: Int64, up: float, down: float, out: Int64) -> None:
    """Write to `out` (k,) the first state after `start` (k,), up to `last` (k,) inclusive, whose mid lies `up` or more
    above that of the state `start`, or `down` or more below it; -1 if there is none, or `start` has no mid.

    `doubled` (n,) are states' mids in feed order, `up` and `down` distances, all in 1e-9 times two. States without a
    mid (MISSING) touch nothing.
    """
    for k in range(len(start)):
        out[k] = -1
        if start[k] < 0 or doubled[start[k]] == MISSING:
            continue
        origin = doubled[start[k]]
        for i in range(start[k] + 1, last[k] + 1):
            if doubled[i] == MISSING:
                continue
            if doubled[i] - origin >= up or origin - doubled[i] >= down:
                out[k] = i
                break


_first_touch = compiled(first_touch_py)


def first_touch(doubled: Int64, start: Int64, last: Int64, up: float, down: float) -> Int64:
    """Find the first touch of a barrier for each start, (k,): see `first_touch_py`."""
    out = np.empty(len(start), np.int64)
    _first_touch(doubled, start, last, float(up), float(down), out)
    return out
