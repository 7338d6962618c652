"""The flow at a level of the book between two states (Cont, Kukanov & Stoikov 2014, eq. 2-4)."""

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def bid_flow(px0: int, sz0: int, px: int, sz: int) -> int:
    """Compute the flow at the bid between two states of a level, in lots.

    A missing level has price NO_BID (NO_ASK for the other side) and size 0.
    """
    flow = 0
    if px >= px0:
        flow += sz
    if px <= px0:
        flow -= sz0
    return flow


def ask_flow(px0: int, sz0: int, px: int, sz: int) -> int:
    """Compute the flow at the ask, in lots; e_n is `bid_flow` - `ask_flow`."""
    flow = 0
    if px <= px0:
        flow += sz
    if px >= px0:
        flow -= sz0
    return flow


def write_flow(
    bid_px: Int64, bid_sz: Int64, ask_px: Int64, ask_sz: Int64, reset: NDArray[np.bool_], out: Int64
) -> None:
    """Write the flow e_n of each of n states at one level to `out` (n,), all (n,).

    The first state and every state marked `reset` emit 0: no difference is taken across them.
    """
    if len(out) == 0:
        return
    out[0] = 0
    # Shifted views: no index can be negative and no step depends on the one before, so the loop is bound by memory.
    bp0, bq0, ap0, aq0 = bid_px[:-1], bid_sz[:-1], ask_px[:-1], ask_sz[:-1]
    bp, bq, ap, aq = bid_px[1:], bid_sz[1:], ask_px[1:], ask_sz[1:]
    starts, flow = reset[1:], out[1:]
    for i in range(len(flow)):
        e = bid_flow(bp0[i], bq0[i], bp[i], bq[i]) - ask_flow(ap0[i], aq0[i], ap[i], aq[i])
        flow[i] = 0 if starts[i] else e
