"""The memory of the state machine for one session.

Sums of flow, volumes and counts are integers that only grow: a bar's sum, and that of any window, is the difference of
two readings, exact and without drift.
"""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from ofiml._typing import Int64


class Memory(NamedTuple):
    """The arrays of the machine.

    `state` is a record of `STATE`; `total` (c,) are the growing sums and `opened` (c,) their values at the bar's
    open; `book` (4·levels,) is the current book; `ring` (capacity, 2 + lanes) a queue of readings of time, mid and
    some of `total`, as long as the longest window; `due` (capacity, DUE_FIELDS) a queue of trades.
    """

    state: Any
    total: Int64
    opened: Int64
    book: Int64
    ring: Int64
    due: Int64


# What Python hands to a compiled function: the arrays of Memory, in its order, `state` (1,) an array of STATE. numba
# takes a tuple as fast as its members one by one, and a NamedTuple four times as slowly. The function names them:
# Memory(arrays[0][0], *arrays[1:]).
Arrays = tuple[NDArray, Int64, Int64, Int64, Int64, Int64]
