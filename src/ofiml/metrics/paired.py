"""How far a model's forecasts are above others on the same rows, with an interval of the difference.

Blocks are drawn for both at once, so that what moves both is no part of the difference. IC and R² follow from sums over
blocks: a draw costs as much as there are blocks, not rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ofiml.metrics.measures import Float, Forecast

_AT_ONCE = 1000  # draws: what memory they need does not depend on how many there are
_DUST = 1e-12  # share of Σx² that rounding leaves of a constant's variance


@dataclass(frozen=True, slots=True)
class Draws:
    """IC and R² of each draw of blocks, (draws,), NaN where not defined."""

    ic: Float
    r2: Float


def draw_skill(forecast: Forecast, block: NDArray[np.int64], *, draws: int, seed: int) -> Draws:
    """Compute IC and R² over `draws` resamples of the blocks, drawn with replacement.

    `block` (n,) numbers each row's block; the same `block`, `draws` and `seed` draw the same blocks for any forecast.
    NaN with fewer than 2 blocks.
    """
    blocks, number = np.unique(block, return_inverse=True)
    if len(blocks) < 2:
        nothing = np.full(draws, np.nan)
        return Draws(nothing, nothing)
    sums = np.stack([np.bincount(number, weights, len(blocks)) for weights in _summed(forecast)], axis=1)
    rng = np.random.default_rng(seed)
    even = np.full(len(blocks), 1 / len(blocks))
    ics, r2s = [], []
    for start in range(0, draws, _AT_ONCE):
        counts = rng.multinomial(len(blocks), even, size=min(_AT_ONCE, draws - start))
        n, a, b, aa, bb, ab, left, total = (counts @ sums).T
        variances = _variance(n, a, aa) * _variance(n, b, bb)
        with np.errstate(divide="ignore", invalid="ignore"):
            ics.append(np.where(variances > 0, (ab - a * b / n) / np.sqrt(variances), np.nan))
            r2s.append(np.where(total > 0, 1.0 - left / total, np.nan))
    return Draws(np.concatenate(ics), np.concatenate(r2s))


def nan_quantiles(draws: Float, *levels: float) -> list[float]:
    """Compute quantiles of the draws that are not NaN; NaN where all are."""
    known = draws[~np.isnan(draws)]
    return [float(q) for q in np.quantile(known, levels)] if len(known) else [float("nan")] * len(levels)


def exceeds_zero(draws: Float, count: int, error: float) -> bool:
    """Test one-sided at level `error` whether a statistic drawn from `count` blocks is above 0.

    The mean of the draws over its standard error is compared with Student's t of count - 1; an extreme quantile would
    rest on a handful of draws. False with fewer than 2 blocks or draws.
    """
    from scipy.special import stdtrit

    known = draws[~np.isnan(draws)]
    if count < 2 or len(known) < 2:
        return False
    spread = float(known.std() * np.sqrt(count / (count - 1)))
    return spread > 0 and float(known.mean()) / spread > float(stdtrit(count - 1, 1 - error))


def _summed(forecast: Forecast) -> list[Float]:
    """What the sums are of: 1, a, b, a², b², ab, (y - ŷ)² and (y - mean)², with a and b as y and ŷ off their mean."""
    y, y_hat = forecast.y, forecast.y_hat
    a, b = (np.zeros(len(x)) if np.ptp(x) == 0 else x - x.mean() for x in (y, y_hat))
    return [np.ones(len(y)), a, b, a * a, b * b, a * b, (y - y_hat) ** 2, (y - forecast.train_mean) ** 2]


def _variance(n: Float, total: Float, squares: Float) -> Float:
    variance = squares - total * total / n
    return np.where(variance > _DUST * squares, variance, 0.0)
