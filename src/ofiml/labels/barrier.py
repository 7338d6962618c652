"""The triple barrier: a take-profit above, a stop below and the end of the horizon (López de Prado 2018, chapter 3)."""

import numpy as np

from ofiml._numba import compiled
from ofiml._typing import Int64

MISSING = -(2**63)  # marks a state without a mid


def find_first_touch_py(doubled: Int64, start: Int64, last: Int64, up: float, down: float, out: Int64) -> None:
    """Find the first touch of a barrier for each of k labels and write its state to `out` (k,); -1 if there is none.

    A label runs over the states after `start` (k,) up to `last` (k,), inclusive. A state touches if its mid is at least
    `up` above or `down` below the mid of `start`. `doubled` (n,) are twice the mids in feed order; `up` and `down` are
    twice the distances; all in 1e-9. A state without a mid (MISSING) touches nothing; a `start` without one gives -1.
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


_find_first_touch = compiled(find_first_touch_py)


def find_first_touch(doubled: Int64, start: Int64, last: Int64, up: float, down: float) -> Int64:
    """Find the first touch of a barrier for each start, (k,), as `find_first_touch_py` defines it."""
    out = np.empty(len(start), np.int64)
    _find_first_touch(doubled, start, last, float(up), float(down), out)
    return out
