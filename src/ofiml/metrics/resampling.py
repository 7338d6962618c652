"""The block bootstrap of measures that are functions of sums: all samples at once, the draws those of `interval`."""

import numpy as np
from numpy.typing import NDArray

from ofiml.metrics.bootstrap import tail

Float = NDArray[np.float64]

FEWEST_BLOCKS = 8  # an interval from fewer says little


def resampled(terms: Float, block: NDArray[np.int64], *, samples: int, seed: int) -> Float:
    """Sums (samples, k) of `terms` (n, k) over as many blocks as there are, drawn with replacement; `block` (n,) is the
    block's number of each row, from 0 without holes.
    """
    count = int(block.max()) + 1
    sums = np.stack([np.bincount(block, column, count) for column in terms.T], axis=1)
    picks = np.random.default_rng(seed).integers(0, count, (samples, count))
    first = count * np.arange(samples)[:, None]
    drawn = np.bincount((picks + first).ravel(), minlength=samples * count).reshape(samples, count)
    return drawn.astype(np.float64) @ sums


def ic_interval(
    y: Float, y_hat: Float, block: NDArray[np.int64], *, samples: int, level: float, seed: int
) -> tuple[float, float]:
    """Interval of Pearson's correlation. NaN with fewer than 8 blocks, or where a side is constant."""
    if len(y) < 2 or int(block.max()) + 1 < FEWEST_BLOCKS or np.ptp(y) == 0 or np.ptp(y_hat) == 0:
        return float("nan"), float("nan")
    a, b = y - y.mean(), y_hat - y_hat.mean()
    terms = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)
    n, sa, sb, saa, sbb, sab = resampled(terms, block, samples=samples, seed=seed).T
    scale = np.maximum(saa - sa * sa / n, 0.0) * np.maximum(sbb - sb * sb / n, 0.0)
    draws = np.divide(sab - sa * sb / n, np.sqrt(scale), out=np.full(samples, np.nan), where=scale > 0)
    return percentiles(draws, level, int(block.max()) + 1)


def group_means(
    y: Float, group: NDArray[np.int64], block: NDArray[np.int64], *, samples: int, level: float, seed: int
) -> tuple[Float, Float, Float]:
    """The mean of y (n,) in each `group`, numbered (n,) from 0 without holes, and its interval (k,) low and high.

    NaN ends with fewer than 8 blocks.
    """
    count, blocks = int(group.max()) + 1, int(block.max()) + 1
    mean = np.bincount(group, y) / np.bincount(group)
    ends = np.full((count, 2), np.nan)
    if blocks >= FEWEST_BLOCKS:
        inside = np.eye(count)[group]
        drawn = resampled(np.concatenate([inside, inside * y[:, None]], axis=1), block, samples=samples, seed=seed)
        n, total = drawn[:, :count], drawn[:, count:]
        share = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
        ends = np.array([percentiles(column, level, blocks) for column in share.T])
    return mean, ends[:, 0], ends[:, 1]


def percentiles(draws: Float, level: float, count: int) -> tuple[float, float]:
    """The interval of draws of `count` blocks, as `bootstrap.interval` has it; NaN where none is a number."""
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    outside = tail(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)
