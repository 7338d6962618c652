"""Pure measures of predictions y_hat (n,) against outcomes y (n,).

Each is NaN where it is not defined, never an error.
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_NEVER = 1e-15


def r2(y: Float, y_hat: Float, train_mean: Float) -> float:
    """1 - Σ(y - y_hat)² / Σ(y - train_mean)²: R² out of sample against the mean of each row's train rows, (n,)."""
    total = float(np.sum((y - train_mean) ** 2))
    return 1.0 - float(np.sum((y - y_hat) ** 2)) / total if total > 0 else float("nan")


def ic(y: Float, y_hat: Float) -> float:
    """Pearson correlation; NaN if either side is constant."""
    if len(y) < 2:
        return float("nan")
    a, b = y - y.mean(), y_hat - y_hat.mean()
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    # A constant is not exactly so after its mean is taken off.
    if np.ptp(y) == 0 or np.ptp(y_hat) == 0 or scale == 0:
        return float("nan")
    return float(np.sum(a * b)) / scale


def rank_ic(y: Float | Int, y_hat: Float | Int) -> float:
    """Spearman correlation, ties at their mean rank; NaN if either side is constant."""
    return ic(ranks(y), ranks(y_hat)) if len(y) > 1 else float("nan")


def places(x: Float | Int) -> Int:
    """The place of each value among the distinct ones, from 0: measures of ranks are the same of it, and faster."""
    return np.unique(x, return_inverse=True)[1].astype(np.int64)


def ranks(x: Float | Int) -> Float:
    """Ranks from 1, ties at their mean. Integers from 0 (`places`) are counted, not sorted."""
    place = x if x.dtype.kind == "i" else places(x)
    counts = np.bincount(place)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def hit_rate(y: Float, y_hat: Float) -> float:
    """Share of correct signs among rows where neither the outcome nor the prediction is 0."""
    called = (y != 0) & (y_hat != 0)
    return float(np.mean((y[called] > 0) == (y_hat[called] > 0))) if called.any() else float("nan")


def auc(y: Float, y_hat: Float | Int) -> float:
    """Area under the ROC curve of y_hat for up (y > 0) against down (y < 0); rows without a move are left out."""
    moved = y != 0
    up, n = y[moved] > 0, int(moved.sum())
    ups = int(up.sum())
    if ups == 0 or ups == n:
        return float("nan")
    return float((ranks(y_hat[moved])[up].sum() - ups * (ups + 1) / 2) / (ups * (n - ups)))


def up_if_moved(chances: Float) -> Float:
    """P(up | the mid moves), (n,), of P(down), P(flat), P(up), (n, 3); 1/2 where P(flat) is 1."""
    moves = chances[:, 0] + chances[:, 2]
    return np.divide(chances[:, 2], moves, out=np.full(len(chances), 0.5), where=moves > 0)


def log_loss(y: Float, up: Float) -> float:
    """Mean negative log likelihood of up or down, with `up` (n,) P(up | the mid moves); rows without a move are left
    out.

    Probabilities are kept 1e-15 from 0 and 1.
    """
    moved = y != 0
    if not moved.any():
        return float("nan")
    p = np.clip(up[moved], _NEVER, 1 - _NEVER)
    return float(-np.mean(np.where(y[moved] > 0, np.log(p), np.log1p(-p))))


def class_log_loss(y: Float, chances: Float) -> float:
    """Mean negative log likelihood of labels y (n,) in {-1, 0, 1} under P(down), P(flat), P(up), (n, 3): of all rows,
    least in the mean for the true ones. Probabilities are kept at least 1e-15.
    """
    happened = np.take_along_axis(chances, (y + 1).astype(np.int64)[:, None], axis=1)[:, 0]
    return float(-np.mean(np.log(np.maximum(happened, _NEVER)))) if len(y) else float("nan")


def pinball(y: Float, y_hat: Float, q: float) -> float:
    """Mean loss of y_hat as the q-quantile of y, in units of y (Koenker & Bassett 1978)."""
    return float(np.mean(np.maximum(q * (y - y_hat), (q - 1) * (y - y_hat)))) if len(y) else float("nan")


def coverage(y: Float, y_hat: Float) -> float:
    """Share of outcomes at or below the forecast: q for a calibrated q-quantile."""
    return float(np.mean(y <= y_hat)) if len(y) else float("nan")


def brier(y: Float, up: Float) -> float:
    """Mean squared distance of `up` (n,), P(up | the mid moves), to what happened (Brier 1950); rows without a move are
    left out.

    0 for a perfect forecast, 1/4 for a constant 0.5.
    """
    moved = y != 0
    return float(np.mean((up[moved] - (y[moved] > 0)) ** 2)) if moved.any() else float("nan")
