"""What controls are made of: permuted labels, labels of a random walk, and rows of long ago."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Horizon, Ofi, Target
from ofiml.features.catalogue import chosen

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


def permute_labels(symbol: NDArray, y: Float, seed: int) -> Float:
    """Permute the labels y (n,) that are known among the rows of the same symbol."""
    rng, permuted = np.random.default_rng([seed, 0]), y.copy()
    for name in np.unique(symbol):
        rows = np.flatnonzero((symbol == name) & ~np.isnan(y))
        permuted[rows] = y[rng.permutation(rows)]
    return permuted


def shift_rows(day: pl.DataFrame, columns: list[str], ofi: Ofi) -> Int64:
    """Find for each bar of one symbol's session the last earlier one that closed more than a label and the longest
    look-back, of flow or of the feature `columns`, before it; -1 where there is none. What looks back to the session's
    open counts as a bar.
    """
    close, bar_open, start, end = (day[c].to_numpy() for c in ("bar_close", "bar_open", "label_start", "label_end"))
    features = chosen(columns)
    window = max([0, *ofi.look_backs, *(f.window for f in features)])
    bars = max([1, *(f.bars for f in features)])
    reach = (end - start) + np.maximum(window, close - bar_open)
    earlier = np.searchsorted(close, close - reach, side="left") - bars
    return np.maximum(earlier, -1).astype(np.int64)


def walk_labels(day: pl.DataFrame, target: Target, horizon: Horizon, rng: np.random.Generator) -> Float:
    """Make labels (n,) of one symbol's session, as the rows have them, from a mid that moves over each bar by as much
    as it did, up or down by chance.

    A label spans the bars that close after it starts and by its end, and at least one; NaN where the session has none.
    A barrier is touched where the walk has passed it at the end of the label.
    """
    close, start, end, mid, scale = (
        day[c].to_numpy() for c in ("bar_close", "label_start", "label_end", "mid", "scale")
    )
    steps = np.diff(mid) * rng.choice([-1.0, 1.0], max(len(mid) - 1, 0))
    path = mid[0] + np.concatenate([[0.0], np.cumsum(steps)])
    delay = horizon.delay_ns if target.kind == "forecast" else 0
    first = np.searchsorted(close, start + delay, side="right") - 1
    last = np.maximum(np.searchsorted(close, end, side="right") - 1, first + 1)
    known = (first >= 0) & (last < len(close))
    first, last = np.where(known, first, 0), np.where(known, last, 0)
    move = np.where(known, path[last] - path[first], np.nan)
    if target.form == "triple_barrier":
        stop, take_profit = target.barriers
        return np.sign(move) * ((move >= take_profit) | (move <= -stop))
    if target.form == "direction":
        return move if target.dead_band else np.sign(move)
    return move / scale
