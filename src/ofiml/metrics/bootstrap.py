"""Block bootstrap of pooled measures: whole sessions, or blocks of time longer than the labels.

Rows of one block stay together, so that neither autocorrelation nor overlapping labels count as independent (Künsch
1989). An interval lies between quantiles of the resampled values that are a little further out than the level says, as
far as Student's t is from the normal distribution with as many blocks: plain percentiles are too narrow where there are
few (Hesterberg 2015, expanded percentile interval; docs/inference.md shows what each kind covers).
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ofiml.units import SECOND

Float = NDArray[np.float64]

MIN_BLOCKS = 8  # an interval from fewer says little
ENOUGH_SESSIONS = 10
_DRAWS_AT_ONCE = 1000  # memory does not grow with the number of draws
_SHORTEST = 300 * SECOND


def assign_blocks(session: NDArray, bar_close: NDArray[np.int64], block: int | None, span: int) -> NDArray[np.int64]:
    """Assign each row, in time order, to a block; return block numbers (n,) from 0.

    `block` is a length in ns. With None, each session is a block if there are at least 10, else blocks last 5
    minutes, or 10 times the label's `span` in ns if that is longer. Blocks never cross a session.
    """
    _, sessions = np.unique(session, return_inverse=True)
    if block is None and sessions.max() + 1 >= ENOUGH_SESSIONS:
        return sessions.astype(np.int64)
    length = block or max(_SHORTEST, 10 * span)
    key = np.stack([sessions, bar_close // length], axis=1)
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def bootstrap_interval(
    value: Callable[[NDArray[np.int64]], float], block: NDArray[np.int64], *, samples: int, level: float, seed: int
) -> tuple[float, float]:
    """Estimate the expanded percentile interval of `value(rows)` (Hesterberg 2015) by drawing blocks with replacement.

    Each of the `samples` draws has as many blocks as the data. NaN with fewer than 2 blocks, or where `value` is NaN
    in every sample.
    """
    count = int(block.max()) + 1 if len(block) else 0
    if count < 2:
        return float("nan"), float("nan")
    order = np.argsort(block, kind="stable")
    rows = np.split(order, np.searchsorted(block[order], np.arange(1, count)))
    rng = np.random.default_rng(seed)
    draws = np.array([value(np.concatenate([rows[b] for b in rng.integers(0, count, count)])) for _ in range(samples)])
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    outside = tail_probability(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)


def tail_probability(level: float, count: int) -> float:
    """Return the lower tail probability of an expanded percentile interval from `count` blocks.

    Φ(√(n/(n-1)) t), with t the (1 - level)/2 quantile of Student's distribution with n - 1 degrees of freedom.
    """
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - level) / 2)))


def draw_counts(count: int, draws: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield how often each of `count` blocks is drawn, (up to 1000, count) at a time, until there are `draws`."""
    for start in range(0, draws, _DRAWS_AT_ONCE):
        yield rng.multinomial(count, np.full(count, 1 / count), size=min(_DRAWS_AT_ONCE, draws - start))


def resample_sums(terms: Float, block: NDArray[np.int64], *, samples: int, seed: int) -> Float:
    """Sum `terms` (n, k) over blocks drawn with replacement, as many as there are; return (samples, k).

    `block` (n,) is the block number of each row, from 0 without gaps.
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
    """Estimate the interval of Pearson's correlation. NaN with fewer than 8 blocks, or where a side is constant."""
    if len(y) < 2 or int(block.max()) + 1 < MIN_BLOCKS or np.ptp(y) == 0 or np.ptp(y_hat) == 0:
        return float("nan"), float("nan")
    a, b = y - y.mean(), y_hat - y_hat.mean()
    terms = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)
    n, sa, sb, saa, sbb, sab = resample_sums(terms, block, samples=samples, seed=seed).T
    scale = np.maximum(saa - sa * sa / n, 0.0) * np.maximum(sbb - sb * sb / n, 0.0)
    draws = np.divide(sab - sa * sb / n, np.sqrt(scale), out=np.full(samples, np.nan), where=scale > 0)
    return percentile_interval(draws, level, int(block.max()) + 1)


def group_mean_intervals(
    y: Float, group: NDArray[np.int64], block: NDArray[np.int64], *, samples: int, level: float, seed: int
) -> tuple[Float, Float, Float]:
    """Estimate the mean of y (n,) in each group and its interval: mean, low and high, (k,) each.

    `group` (n,) numbers the groups from 0 without gaps.
    NaN ends with fewer than 8 blocks.
    """
    count, blocks = int(group.max()) + 1, int(block.max()) + 1
    mean = np.bincount(group, y) / np.bincount(group)
    ends = np.full((count, 2), np.nan)
    if blocks >= MIN_BLOCKS:
        inside = np.eye(count)[group]
        drawn = resample_sums(np.concatenate([inside, inside * y[:, None]], axis=1), block, samples=samples, seed=seed)
        n, total = drawn[:, :count], drawn[:, count:]
        share = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
        ends = np.array([percentile_interval(column, level, blocks) for column in share.T])
    return mean, ends[:, 0], ends[:, 1]


def percentile_interval(draws: Float, level: float, count: int) -> tuple[float, float]:
    """Return the expanded percentile interval of `draws` (samples,) from `count` blocks; NaN where all are NaN."""
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    outside = tail_probability(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)
