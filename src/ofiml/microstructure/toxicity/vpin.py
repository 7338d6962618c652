"""VPIN, the volume-synchronised probability of informed trading (Easley, López de Prado & O'Hara 2012).

Trades fill buckets of V lots, one after another; a trade that is longer than what a bucket has room for is split, so
that every bucket holds V exactly. VPIN after a bucket is the mean of |V_buy - V_sell| / V over it and the n - 1 before
it. All volumes are whole lots and all sums are of integers, so pieces of a session give the bits of the whole.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.errors import DataError

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

FILLED, SIGNED, CLOSED, TOTAL = range(4)  # of a state: lots and signed lots in the open bucket, buckets, Σ of recent
_ROOM = 2**62
_MAX_BUCKETS = 20_000_000  # of one call


def fill_py(
    size: Int64,
    signed: Int64,
    bucket: int,
    state: Int64,
    recent: Int64,
    fewest: int,
    closed_by: Int64,
    imbalance: Int64,
    vpin: Float,
) -> int:
    """Put trades (n,) into buckets of `bucket` lots and return how many are closed; `signed` is buys less sells.

    `state` (4,) and `recent` (window,), the imbalances of the latest buckets, are zeros at first and carried from call
    to call. Of each bucket closed: `closed_by`, the trade that did it, `imbalance` |V_buy - V_sell|, and `vpin`, NaN
    before `fewest` buckets. Of a trade that is buys and sells both, each part is as many of either, rounded to 0.
    """
    window = len(recent)
    count = 0
    for i in range(len(size)):
        left, flow = size[i], signed[i]
        while left > 0:
            part = min(left, bucket - state[FILLED])
            of_flow = abs(flow) * part // left
            if flow < 0:
                of_flow = -of_flow
            state[FILLED] += part
            state[SIGNED] += of_flow
            left -= part
            flow -= of_flow
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
                    state[TOTAL] / (min(state[CLOSED], window) * bucket) if state[CLOSED] >= fewest else np.nan
                )
                count += 1
    return count


fill = compiled(fill_py)


class Vpin:
    """VPIN over buckets of `bucket` lots, averaged over the last `window` of them, at least `fewest` (None: all), and
    fed with trades in their order.

    A session may be fed whole, in pieces, or trade by trade; the next one may follow: buckets know no sessions. Half
    of an unsigned trade counts as bought, half as sold: it fills buckets, and adds no imbalance, as bulk
    classification treats a price that did not move. `volume` and `unsigned` are the lots so far, of all trades
    and of those without a side: read VPIN beside their ratio. Raises DataError for a size or window below 1.
    """

    def __init__(self, bucket: int, window: int = 50, fewest: int | None = None) -> None:
        if bucket < 1 or window < 1 or bucket * window >= _ROOM:
            raise DataError(
                f"VPIN: buckets of {bucket} lots, a window of {window}: both are 1 or more, and fit in 2^62."
            )
        self.fewest = window if fewest is None else fewest
        if not 1 <= self.fewest <= window:
            raise DataError(f"VPIN: at least {self.fewest} buckets of a window of {window}: 1 to the window expected.")
        self.bucket = bucket
        self.window = window
        self.volume = 0
        self.unsigned = 0
        self._state = np.zeros(4, np.int64)
        self._recent = np.zeros(window, np.int64)

    def feed(self, known_at: Int64, size: Int64, signed: Int64) -> pl.DataFrame:
        """One row a bucket that these trades (n,) close: `known_at`, that of the trade which closed it, `imbalance`
        |V_buy - V_sell| (lots), `vpin` (0 to 1), NaN before the first `fewest` buckets. A long trade closes several.

        `size` and `signed` in lots; `signed` is size times the trade's sign, or buys less sells of a bar. Raises
        DataError for a negative size, more signed than there is, or so many buckets that they do not fit in memory.
        """
        known_at, size, signed = (np.ascontiguousarray(x, np.int64) for x in (known_at, size, signed))
        bad = (size < 0) | (np.abs(signed) > size)
        if bad.any():
            i = int(np.argmax(bad))
            raise DataError(
                f"VPIN: trade {i + 1} has {size[i]} lots and {signed[i]} signed lots: 0 to its size expected."
            )
        longest, total = int(size.max(initial=0)), int(size.sum(dtype=object)) if len(size) else 0
        closing = (int(self._state[FILLED]) + total) // self.bucket
        if closing > _MAX_BUCKETS or longest * self.bucket >= _ROOM:
            raise DataError(
                f"VPIN: {total} lots make {closing} buckets of {self.bucket}: choose a bucket that suits the volume."
            )
        closed_by, imbalance = np.empty(closing, np.int64), np.empty(closing, np.int64)
        vpin = np.empty(closing)
        count = fill(size, signed, self.bucket, self._state, self._recent, self.fewest, closed_by, imbalance, vpin)
        assert count == closing
        self.volume += total
        self.unsigned += int(size[signed == 0].sum(dtype=object)) if len(size) else 0
        return pl.DataFrame({"known_at": known_at[closed_by], "imbalance": imbalance, "vpin": vpin})
