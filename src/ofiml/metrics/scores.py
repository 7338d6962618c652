"""Measures of predictions y_hat (n,) against outcomes y (n,). A measure is NaN where it is not defined."""

import numpy as np

from ofiml._typing import Float

_MIN_PROBABILITY = 1e-15


def r2(y: Float, y_hat: Float, train_mean: Float) -> float:
    """Compute R² out of sample, 1 - Σ(y - y_hat)² / Σ(y - train_mean)²; `train_mean` (n,) is of each row's fold."""
    total = float(np.sum((y - train_mean) ** 2))
    return 1.0 - float(np.sum((y - y_hat) ** 2)) / total if total > 0 else float("nan")


def ic(y: Float, y_hat: Float) -> float:
    """Compute the IC, the Pearson correlation; NaN if y or y_hat is constant."""
    if len(y) < 2:
        return float("nan")
    a, b = y - y.mean(), y_hat - y_hat.mean()
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    # A constant less its mean may differ from 0 by rounding.
    if np.ptp(y) == 0 or np.ptp(y_hat) == 0 or scale == 0:
        return float("nan")
    return float(np.sum(a * b)) / scale


def rank_ic(y: Float, y_hat: Float) -> float:
    """Compute the rank IC, the Spearman correlation with ties at their mean rank; NaN if y or y_hat is constant."""
    return ic(compute_ranks(y), compute_ranks(y_hat)) if len(y) > 1 else float("nan")


def compute_ranks(x: Float) -> Float:
    """Compute ranks (n,) from 1, ties at their mean. NaN are the largest, and ties."""
    order = np.argsort(x)
    ascending = x[order]
    starts = np.flatnonzero(np.append(True, (ascending[1:] != ascending[:-1]) & ~np.isnan(ascending[:-1])))
    counts = np.diff(starts, append=len(x))
    ranks = np.empty(len(x))
    ranks[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return ranks


def hit_rate(y: Float, y_hat: Float) -> float:
    """Compute the share of correct signs among rows where neither the outcome nor the prediction is 0."""
    signed = (y != 0) & (y_hat != 0)
    return float(np.mean((y[signed] > 0) == (y_hat[signed] > 0))) if signed.any() else float("nan")


def auc(y: Float, y_hat: Float) -> float:
    """Compute the area under the ROC curve of y_hat for up (y > 0) against down (y < 0); y = 0 is left out."""
    moved = y != 0
    up, n = y[moved] > 0, int(moved.sum())
    ups = int(up.sum())
    if ups == 0 or ups == n:
        return float("nan")
    return float((compute_ranks(y_hat[moved])[up].sum() - ups * (ups + 1) / 2) / (ups * (n - ups)))


def condition_on_move(proba: Float) -> Float:
    """Compute P(up | the mid moves), (n,), from P(down), P(flat), P(up), (n, 3); 1/2 where P(flat) is 1."""
    move = proba[:, 0] + proba[:, 2]
    return np.divide(proba[:, 2], move, out=np.full(len(proba), 0.5), where=move > 0)


def log_loss(y: Float, up: Float) -> float:
    """Compute the mean negative log likelihood of up or down under `up` (n,), P(up | the mid moves), without rows that
    do not move. Probabilities are clipped to [1e-15, 1 - 1e-15].
    """
    moved = y != 0
    return float(np.mean(compute_log_losses(y[moved], up[moved]))) if moved.any() else float("nan")


def compute_log_losses(y: Float, up: Float) -> Float:
    """Compute the negative log likelihood (n,) of up (y > 0) or else down under `up` (n,), as `log_loss` does."""
    p = np.clip(up, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return -np.where(y > 0, np.log(p), np.log1p(-p))


def class_log_loss(y: Float, proba: Float) -> float:
    """Compute the mean negative log likelihood of labels y (n,) in {-1, 0, 1} under P(down), P(flat), P(up), (n, 3).

    It is a proper score over all rows. Probabilities are at least 1e-15.
    """
    likelihood = np.take_along_axis(proba, (y + 1).astype(np.int64)[:, None], axis=1)[:, 0]
    return float(-np.mean(np.log(np.maximum(likelihood, _MIN_PROBABILITY)))) if len(y) else float("nan")


def pinball(y: Float, y_hat: Float, q: float) -> float:
    """Compute the mean pinball loss of y_hat as the q-quantile of y, in units of y (Koenker & Bassett 1978)."""
    return float(np.mean(compute_pinball_losses(y, y_hat, q))) if len(y) else float("nan")


def compute_pinball_losses(y: Float, y_hat: Float, q: float) -> Float:
    """Compute the pinball loss (n,) of each row, as `pinball` does."""
    return np.maximum(q * (y - y_hat), (q - 1) * (y - y_hat))


def coverage(y: Float, y_hat: Float) -> float:
    """Compute the share of outcomes at or below the forecast; it is q for a calibrated q-quantile."""
    return float(np.mean(y <= y_hat)) if len(y) else float("nan")


def brier(y: Float, up: Float) -> float:
    """Compute the Brier score of `up` (n,), P(up | the mid moves), without rows that do not move (Brier 1950).

    It is 0 for a perfect forecast and 1/4 for a constant 0.5.
    """
    moved = y != 0
    return float(np.mean((up[moved] - (y[moved] > 0)) ** 2)) if moved.any() else float("nan")
