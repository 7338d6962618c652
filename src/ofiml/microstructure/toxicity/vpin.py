"""VPIN, the volume-synchronised probability of informed trading (Easley, López de Prado & O'Hara 2012).

Trades fill buckets of V lots, one after another; a trade larger than the room in a bucket is split, so every bucket has
exactly V lots. VPIN after a bucket is the mean of |V_buy - V_sell| / V over it and the n - 1 buckets before it. All
volumes are whole lots and all sums are of integers, so a session fed in pieces gives the same bits as fed whole.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.errors import DataError

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

# Places in the state: lots and signed lots in the open bucket, number of closed buckets, sum of recent imbalances.
FILLED, SIGNED, CLOSED, TOTAL = range(4)
_MAX_PRODUCT = 2**62  # below it, products of integers do not overflow
_MAX_BUCKETS = 20_000_000  # per call


def fill_py(
    size: Int64,
    signed: Int64,
    bucket: int,
    state: Int64,
    recent: Int64,
    min_buckets: int,
    closed_by: Int64,
    imbalance: Int64,
    vpin: Float,
) -> int:
    """Put trades (n,) into buckets of `bucket` lots; return the number of closed buckets. `signed` is buys less sells.

    `state` (4,) and `recent` (window,), the imbalances of the latest buckets, start as zeros and are carried from call
    to call. Out, per closed bucket: `closed_by`, the trade that closes it, `imbalance` |V_buy - V_sell|, and `vpin`,
    NaN before `min_buckets` buckets. The signed lots of a split trade are split in proportion, rounded towards 0.
    """
    window = len(recent)
    count = 0
    for i in range(len(size)):
        remaining, flow = size[i], signed[i]
        while remaining > 0:
            part = min(remaining, bucket - state[FILLED])
            part_flow = abs(flow) * part // remaining
            if flow < 0:
                part_flow = -part_flow
            state[FILLED] += part
            state[SIGNED] += part_flow
            remaining -= part
            flow -= part_flow
            if state[FILLED] == bucket:
                gap = abs(state[SIGNED])
                slot = state[CLOSED] % window
                state[TOTAL] += gap - recent[slot]
                recent[slot] = gap
                state[CLOSED] += 1
                state[FILLED] = 0
                state[SIGNED] = 0
                closed_by[count] = i
                imbalance[count] = gap
                vpin[count] = (
                    state[TOTAL] / (min(state[CLOSED], window) * bucket) if state[CLOSED] >= min_buckets else np.nan
                )
                count += 1
    return count


fill = compiled(fill_py)


class Vpin:
    """VPIN over buckets of `bucket` lots, averaged over the last `window` buckets, from trades in feed order.

    VPIN is NaN before `min_buckets` buckets (None: `window`). A session may be fed whole, in pieces, or trade by trade;
    buckets continue into the next session. Half of an unsigned trade counts as bought, half as sold, so it fills
    buckets without imbalance. `volume` and `unsigned` count the lots so far, of all trades and of those without a side:
    the lower `unsigned` / `volume`, the more reliable VPIN. Raises DataError for a bucket or window below 1, or too
    large.
    """

    def __init__(self, bucket: int, window: int = 50, min_buckets: int | None = None) -> None:
        if bucket < 1 or window < 1 or bucket * window >= _MAX_PRODUCT:
            raise DataError(
                f"VPIN: buckets of {bucket} lots and a window of {window}: both must be 1 or more, "
                "and their product below 2^62."
            )
        self.min_buckets = window if min_buckets is None else min_buckets
        if not 1 <= self.min_buckets <= window:
            raise DataError(f"VPIN: min_buckets={self.min_buckets} must be from 1 to the window of {window}.")
        self.bucket = bucket
        self.window = window
        self.volume = 0
        self.unsigned = 0
        self._state = np.zeros(4, np.int64)
        self._recent = np.zeros(window, np.int64)

    def feed(self, known_at: Int64, size: Int64, signed: Int64) -> pl.DataFrame:
        """Add trades (n,); return one row per bucket that they close. A large trade closes several.

        Columns: `known_at`, that of the closing trade, `imbalance` |V_buy - V_sell| in lots, and `vpin`, from 0 to 1,
        NaN before `min_buckets` buckets. `size` and `signed` are in lots; `signed` is size times the trade's sign, or a
        bar's buys less sells. Raises DataError for a negative size, `signed` beyond the size, or so many buckets that
        they do not fit in memory.
        """
        known_at, size, signed = (np.ascontiguousarray(x, np.int64) for x in (known_at, size, signed))
        bad = (size < 0) | (np.abs(signed) > size)
        if bad.any():
            i = int(np.argmax(bad))
            raise DataError(
                f"VPIN: trade {i + 1} has {size[i]} lots and {signed[i]} signed lots: the size must be 0 or more, "
                "and the signed lots must not exceed it."
            )
        longest, total = int(size.max(initial=0)), int(size.sum(dtype=object)) if len(size) else 0
        closing = (int(self._state[FILLED]) + total) // self.bucket
        if closing > _MAX_BUCKETS or longest * self.bucket >= _MAX_PRODUCT:
            raise DataError(
                f"VPIN: {total} lots make {closing} buckets of {self.bucket}: choose a bucket that suits the volume."
            )
        closed_by, imbalance = np.empty(closing, np.int64), np.empty(closing, np.int64)
        vpin = np.empty(closing)
        count = fill(size, signed, self.bucket, self._state, self._recent, self.min_buckets, closed_by, imbalance, vpin)
        assert count == closing
        self.volume += total
        self.unsigned += int(size[signed == 0].sum(dtype=object)) if len(size) else 0
        return pl.DataFrame({"known_at": known_at[closed_by], "imbalance": imbalance, "vpin": vpin})
