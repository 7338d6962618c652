"""Block bootstrap of pooled measures, over whole sessions or blocks of time longer than the labels.

Rows of one block stay together, so that autocorrelated rows and overlapping labels do not count as independent (Künsch
1989). Percentile intervals from few blocks are too narrow. The expanded percentile interval (Hesterberg 2015) moves
both quantiles outwards, by the difference between Student's t with that number of blocks and the normal distribution;
docs/inference.md shows the coverage of each kind.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ofiml._typing import Float, Int64
from ofiml.metrics.block_sums import (
    compute_correlations,
    divide_sums,
    sum_correlation_terms,
    sum_groups,
)
from ofiml.units import SECOND

MIN_BLOCKS = 8  # an interval from fewer blocks is not reliable
MIN_SESSIONS = 10  # from which each session is a block
_DRAWS_AT_ONCE = 1000  # bounds the memory for any number of draws
_CELLS_AT_ONCE = 1 << 22  # the same for any number of blocks
_MIN_BLOCK_NS = 300 * SECOND


def assign_blocks(session: NDArray, bar_close: Int64, block: int | None, span: int) -> Int64:
    """Assign each row, in time order, to a block; return block numbers (n,) from 0.

    `session` (n,) names or numbers the session of each row. `block` is a length in ns. With None, each session is a
    block if there are at least 10. Otherwise blocks last 5 minutes, or 10 times the label's `span` (ns) if that is
    longer. No block crosses a session.
    """
    sessions = _number(session)
    if block is None and sessions.max() + 1 >= MIN_SESSIONS:
        return sessions
    length = block or max(_MIN_BLOCK_NS, 10 * span)
    interval = _number(bar_close // length)
    return _number(sessions * (interval.max() + 1) + interval)


def _number(x: NDArray) -> Int64:
    """Number the distinct values of x (n,) in their order; return the number of each, from 0."""
    # Rows in time order repeat a value many times in a row: one of each run is enough.
    starts = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
    numbers = np.unique(x[starts], return_inverse=True)[1].astype(np.int64)
    return np.repeat(numbers, np.diff(starts, append=len(x)))


def compute_tail_probability(level: float, count: int) -> float:
    """Compute the lower tail probability of an expanded percentile interval from n = `count` blocks.

    It is Φ(√(n/(n-1)) t), with t the (1 - level)/2 quantile of Student's distribution with n - 1 degrees of freedom.
    """
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - level) / 2)))


def draw_counts(count: int, draws: int, rng: np.random.Generator) -> Iterator[Int64]:
    """Draw the number of times that each of `count` blocks is resampled; yield (up to 1000, count), `draws` in all."""
    for start in range(0, draws, _DRAWS_AT_ONCE):
        yield rng.multinomial(count, np.full(count, 1 / count), size=min(_DRAWS_AT_ONCE, draws - start))


def pick_blocks(count: int, samples: int, seed: int) -> Iterator[Int64]:
    """Pick as many blocks as there are, with replacement, `samples` times; yield how often each of the `count` blocks
    was picked, (draws, count) at a time.
    """
    rng, at_once = np.random.default_rng(seed), max(1, min(_DRAWS_AT_ONCE, _CELLS_AT_ONCE // count))
    for start in range(0, samples, at_once):
        draws = min(at_once, samples - start)
        picks = rng.integers(0, count, (draws, count)) + count * np.arange(draws)[:, None]
        yield np.bincount(picks.ravel(), minlength=draws * count).reshape(draws, count)


def resample_sums(sums: Float, *, samples: int, seed: int) -> Float:
    """Resample as many blocks as there are, with replacement, and add their `sums` (blocks, k); return (samples, k)."""
    picked = pick_blocks(len(sums), samples, seed)
    return np.concatenate([counts.astype(np.float64) @ sums for counts in picked])


def estimate_ic_interval(
    y: Float, y_hat: Float, block: Int64, *, samples: int, level: float, seed: int
) -> tuple[float, float]:
    """Estimate the interval of the IC; NaN with fewer than 8 blocks, or where y or y_hat is constant."""
    if len(y) < 2 or int(block.max()) + 1 < MIN_BLOCKS or np.ptp(y) == 0 or np.ptp(y_hat) == 0:
        return float("nan"), float("nan")
    sums = sum_correlation_terms(y, y_hat, block)
    draws = compute_correlations(resample_sums(sums, samples=samples, seed=seed))
    return compute_percentile_interval(draws, level, len(sums))


def estimate_group_means(
    y: Float, group: Int64, block: Int64, *, samples: int, level: float, seed: int
) -> tuple[Float, Float, Float]:
    """Estimate the mean of y (n,) in each of k groups and its interval: mean, low and high, (k,) each.

    `group` (n,) numbers the groups from 0 without gaps. The ends are NaN with fewer than 8 blocks.
    """
    count, blocks = int(group.max()) + 1, int(block.max()) + 1
    mean = np.bincount(group, y) / np.bincount(group)
    ends = np.full((count, 2), np.nan)
    if blocks >= MIN_BLOCKS:
        sums = resample_sums(np.concatenate(sum_groups(y, group, block), axis=1), samples=samples, seed=seed)
        draws = divide_sums(sums[:, count:], sums[:, :count])
        ends = np.array([compute_percentile_interval(column, level, blocks) for column in draws.T])
    return mean, ends[:, 0], ends[:, 1]


def compute_percentile_interval(draws: Float, level: float, count: int) -> tuple[float, float]:
    """Compute the expanded percentile interval (Hesterberg 2015) of `draws` (samples,) from `count` blocks.

    NaN with fewer than 2 blocks, or if all draws are NaN.
    """
    if count < 2 or np.isnan(draws).all():
        return float("nan"), float("nan")
    outside = compute_tail_probability(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)
