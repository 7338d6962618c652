"""Differences in skill between a model's forecasts and others on the same rows, with intervals.

Both forecasts use the same draws of blocks, so that common variation cancels in the difference. IC and R² follow from
sums over blocks, so the cost of a draw grows with the number of blocks, not of rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ofiml._typing import Float, Int64
from ofiml.metrics.block_sums import compute_correlations, divide_sums, sum_blocks, sum_correlation_terms
from ofiml.metrics.bootstrap import draw_counts
from ofiml.metrics.measures import Forecast

_MAX_KEPT = 1 << 20  # numbers


@dataclass(frozen=True, slots=True)
class Draws:
    """The IC and R² of each draw of blocks, (draws,); NaN where not defined."""

    ic: Float
    r2: Float


def draw_skill(forecast: Forecast, block: NDArray[np.int64], *, draws: int, seed: int) -> Draws:
    """Draw blocks with replacement and compute IC and R² of each of `draws` resamples.

    `block` (n,) numbers the block of each row from 0, with or without gaps. The same `block`, `draws` and `seed` draw
    the same blocks for any forecast. NaN with fewer than 2 blocks.
    """
    is_used = np.bincount(block) > 0
    count = int(is_used.sum())
    if count < 2:
        undefined = np.full(draws, np.nan)
        return Draws(undefined, undefined)
    y, y_hat, mean = forecast.y, forecast.y_hat, forecast.train_mean
    correlation = sum_correlation_terms(y, y_hat, block)
    errors = sum_blocks([(y - y_hat) ** 2, (y - mean) ** 2], block)
    sums = np.concatenate((correlation, errors), axis=1)[is_used]
    ics, r2s = [], []
    for counts in _list_counts(count, draws, seed):
        resampled = counts @ sums
        ics.append(compute_correlations(resampled[:, :6]))
        r2s.append(1.0 - divide_sums(resampled[:, 6], resampled[:, 7]))
    return Draws(np.concatenate(ics), np.concatenate(r2s))


def _list_counts(blocks: int, draws: int, seed: int) -> Iterable[Int64]:
    """List how often each of the blocks is drawn. Few numbers are kept: each control of a study asks for the same."""
    if blocks * draws > _MAX_KEPT:
        return draw_counts(blocks, draws, np.random.default_rng(seed))
    return _keep_counts(blocks, draws, seed)


@lru_cache(maxsize=1)
def _keep_counts(blocks: int, draws: int, seed: int) -> list[Int64]:
    return list(draw_counts(blocks, draws, np.random.default_rng(seed)))


def compute_nan_quantiles(draws: Float, *levels: float) -> list[float]:
    """Compute quantiles of the draws that are not NaN; NaN if all are."""
    known = draws[~np.isnan(draws)]
    return [float(q) for q in np.quantile(known, levels)] if len(known) else [float("nan")] * len(levels)


def exceeds_zero(draws: Float, count: int, error: float) -> bool:
    """Test one-sided at level `error` whether a statistic with resampled `draws` from `count` blocks is above 0.

    The test compares the mean of the draws over its standard error with Student's t of count - 1 degrees of freedom; an
    extreme quantile would depend on few draws. False with fewer than 2 blocks or draws.
    """
    from scipy.special import stdtrit

    known = draws[~np.isnan(draws)]
    if count < 2 or len(known) < 2:
        return False
    spread = float(known.std() * np.sqrt(count / (count - 1)))
    return spread > 0 and float(known.mean()) / spread > float(stdtrit(count - 1, 1 - error))
