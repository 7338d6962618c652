"""Flow per event at one level, in numba. Each kernel is the njit of a plain function, which is its specification.

Everything is integer, so results do not depend on the order of summation or the number of threads. numba's cache looks
only at this file: keep what a kernel calls in here.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


def level_flow_py(
    bid_px0: int, bid_sz0: int, ask_px0: int, ask_sz0: int, bid_px: int, bid_sz: int, ask_px: int, ask_sz: int
) -> int:
    """Flow e_n between two states of one level (Cont, Kukanov & Stoikov 2014, eq. 2-4), in lots.

    State n-1 comes first (`…0`), then state n. A missing side has price NO_BID or NO_ASK and size 0.
    """
    flow = 0
    if bid_px >= bid_px0:
        flow += bid_sz
    if bid_px <= bid_px0:
        flow -= bid_sz0
    if ask_px <= ask_px0:
        flow -= ask_sz
    if ask_px >= ask_px0:
        flow += ask_sz0
    return flow


level_flow = njit(inline="always", cache=True)(level_flow_py)


def flow_events_py(bid_px: Int64, bid_sz: Int64, ask_px: Int64, ask_sz: Int64, reset: Bool, out: Int64) -> None:
    """Writes the flow of each of n states at one level to `out` (n,).

    The first state and every state marked `reset` emit 0: no difference is taken across them.
    """
    for i in range(len(out)):
        if i == 0 or reset[i]:
            out[i] = 0
        else:
            j = i - 1
            out[i] = level_flow_py(
                bid_px[j], bid_sz[j], ask_px[j], ask_sz[j], bid_px[i], bid_sz[i], ask_px[i], ask_sz[i]
            )


@njit(cache=True, nogil=True)
def flow_events(bid_px: Int64, bid_sz: Int64, ask_px: Int64, ask_sz: Int64, reset: Bool, out: Int64) -> None:
    """`flow_events_py`, compiled; each state is read once."""
    n = len(out)
    if n == 0:
        return
    out[0] = 0
    b, bq, a, aq = bid_px[0], bid_sz[0], ask_px[0], ask_sz[0]
    for i in range(1, n):
        b1, bq1, a1, aq1 = bid_px[i], bid_sz[i], ask_px[i], ask_sz[i]
        out[i] = 0 if reset[i] else level_flow(b, bq, a, aq, b1, bq1, a1, aq1)
        b, bq, a, aq = b1, bq1, a1, aq1


def sum_by_bar_py(values: Int64, first: Int64, out: Int64) -> None:
    """out[k] = sum of values[first[k]:first[k + 1]]; `first` has one entry more than `out`."""
    for k in range(len(out)):
        total = 0
        for i in range(first[k], first[k + 1]):
            total += values[i]
        out[k] = total


sum_by_bar = njit(cache=True, nogil=True)(sum_by_bar_py)
