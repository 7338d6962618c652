"""The inputs of controls: permuted labels, labels of a random walk, and earlier rows."""

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Horizon, Ofi, Target
from ofiml.features.catalogue import select_features


def permute_labels(symbol: pl.Series, y: Float, seed: int) -> Float:
    """Permute the known labels y (n,) among the rows of the same symbol; NaN stays in place."""
    rng, permuted = np.random.default_rng([seed, 0]), y.copy()
    number = symbol.cast(pl.Enum(symbol.unique().sort())).to_physical().to_numpy()
    known = np.flatnonzero(~np.isnan(y))
    known = known[np.argsort(number[known], kind="stable")]
    for rows in np.split(known, np.flatnonzero(np.diff(number[known])) + 1):
        permuted[rows] = y[rng.permutation(rows)]
    return permuted


def shift_rows(day: pl.DataFrame, columns: list[str], ofi: Ofi) -> Int64:
    """Shift the rows of one symbol's session: find for each bar (n,) the last earlier bar whose distance exceeds the
    label plus the longest look-back of the flow and the feature `columns`; -1 if there is none. A feature that looks
    back to the session's open counts as one bar.
    """
    close, bar_open, start, end = (day[c].to_numpy() for c in ("bar_close", "bar_open", "label_start", "label_end"))
    features = select_features(columns)
    window = max([0, *ofi.look_backs, *(f.window for f in features)])
    bars = max([1, *(f.bars for f in features)])
    reach = (end - start) + np.maximum(window, close - bar_open)
    earlier = np.searchsorted(close, close - reach, side="left") - bars
    return np.maximum(earlier, -1).astype(np.int64)


def walk_labels(day: pl.DataFrame, target: Target, horizon: Horizon, rng: np.random.Generator) -> Float:
    """Make labels (n,) of one symbol's session from a random walk: the mid moves over each bar by its real size with a
    random sign.

    A label spans the bars that close after its start and by its end, at least one; NaN if the session has none. A
    barrier counts as touched if the walk is beyond it at the end of the label.
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
