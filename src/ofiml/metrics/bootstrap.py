"""Block bootstrap of pooled measures, over whole sessions or blocks of time longer than the labels.

Rows of one block stay together, so that autocorrelated rows and overlapping labels do not count as independent (Künsch
1989). Percentile intervals from few blocks are too narrow. The expanded percentile interval (Hesterberg 2015) moves
both quantiles outwards, by the difference between Student's t with that number of blocks and the normal distribution;
docs/inference.md shows the coverage of each kind.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ofiml._typing import Float, Int64
from ofiml.units import SECOND

MIN_BLOCKS = 8  # an interval from fewer blocks is not reliable
MIN_SESSIONS = 10  # from which each session is a block
_DRAWS_AT_ONCE = 1000  # bounds the memory for any number of draws
_MIN_BLOCK_NS = 300 * SECOND


def assign_blocks(session: NDArray, bar_close: Int64, block: int | None, span: int) -> Int64:
    """Assign each row, in time order, to a block; return block numbers (n,) from 0.

    `block` is a length in ns. With None, each session is a block if there are at least 10. Otherwise blocks last 5
    minutes, or 10 times the label's `span` (ns) if that is longer. No block crosses a session.
    """
    _, sessions = np.unique(session, return_inverse=True)
    if block is None and sessions.max() + 1 >= MIN_SESSIONS:
        return sessions.astype(np.int64)
    length = block or max(_MIN_BLOCK_NS, 10 * span)
    key = np.stack([sessions, bar_close // length], axis=1)
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def estimate_bootstrap_interval(
    value: Callable[[Int64], float], block: Int64, *, samples: int, level: float, seed: int
) -> tuple[float, float]:
    """Estimate the expanded percentile interval of `value(rows)` (Hesterberg 2015) by drawing blocks with replacement.

    Each of the `samples` draws has as many blocks as the data. NaN with fewer than 2 blocks, or if `value` is NaN in
    every draw.
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
    outside = compute_tail_probability(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)


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


def resample_sums(terms: Float, block: Int64, *, samples: int, seed: int) -> Float:
    """Resample blocks with replacement, as many as in the data, and sum `terms` (n, k) over them; return (samples, k).

    `block` (n,) is the block number of each row, from 0 without gaps.
    """
    count = int(block.max()) + 1
    sums = np.stack([np.bincount(block, column, count) for column in terms.T], axis=1)
    picks = np.random.default_rng(seed).integers(0, count, (samples, count))
    first = count * np.arange(samples)[:, None]
    counts = np.bincount((picks + first).ravel(), minlength=samples * count).reshape(samples, count)
    return counts.astype(np.float64) @ sums


def estimate_ic_interval(
    y: Float, y_hat: Float, block: Int64, *, samples: int, level: float, seed: int
) -> tuple[float, float]:
    """Estimate the interval of the IC; NaN with fewer than 8 blocks, or where y or y_hat is constant."""
    if len(y) < 2 or int(block.max()) + 1 < MIN_BLOCKS or np.ptp(y) == 0 or np.ptp(y_hat) == 0:
        return float("nan"), float("nan")
    a, b = y - y.mean(), y_hat - y_hat.mean()
    terms = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)
    n, sa, sb, saa, sbb, sab = resample_sums(terms, block, samples=samples, seed=seed).T
    scale = np.maximum(saa - sa * sa / n, 0.0) * np.maximum(sbb - sb * sb / n, 0.0)
    draws = np.divide(sab - sa * sb / n, np.sqrt(scale), out=np.full(samples, np.nan), where=scale > 0)
    return compute_percentile_interval(draws, level, int(block.max()) + 1)


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
        inside = np.eye(count)[group]
        sums = resample_sums(np.concatenate([inside, inside * y[:, None]], axis=1), block, samples=samples, seed=seed)
        n, total = sums[:, :count], sums[:, count:]
        draws = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
        ends = np.array([compute_percentile_interval(column, level, blocks) for column in draws.T])
    return mean, ends[:, 0], ends[:, 1]


def compute_percentile_interval(draws: Float, level: float, count: int) -> tuple[float, float]:
    """Compute the expanded percentile interval of `draws` (samples,) from `count` blocks; NaN if all draws are NaN."""
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    outside = compute_tail_probability(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)
