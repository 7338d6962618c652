"""Block bootstrap of pooled measures: whole sessions, or blocks of time longer than the labels.

Rows of one block stay together, so that neither autocorrelation nor overlapping labels count as independent (Künsch
1989). An interval lies between quantiles of the resampled values that are a little further out than the level says, as
far as Student's t is from the normal distribution with as many blocks: plain percentiles are too narrow where there are
few (Hesterberg 2015, expanded percentile interval; docs/inference.md shows what each kind covers).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ofiml.units import SECOND

ENOUGH_SESSIONS = 10
_SHORTEST = 300 * SECOND


def blocks(session: NDArray, bar_close: NDArray[np.int64], block: int | None, span: int) -> NDArray[np.int64]:
    """The block number (n,) of each row; rows are in time order.

    `block` is a length in ns. With None, each session is a block if there are at least 10, else blocks last 5
    minutes, or 10 times the label's `span` in ns if that is longer. Blocks never cross a session.
    """
    _, sessions = np.unique(session, return_inverse=True)
    if block is None and sessions.max() + 1 >= ENOUGH_SESSIONS:
        return sessions.astype(np.int64)
    length = block or max(_SHORTEST, 10 * span)
    key = np.stack([sessions, bar_close // length], axis=1)
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def interval(
    value: Callable[[NDArray[np.int64]], float], block: NDArray[np.int64], *, samples: int, level: float, seed: int
) -> tuple[float, float]:
    """Expanded percentile interval of `value(rows)` over resampled rows: as many blocks as there are, drawn with
    replacement.

    NaN with fewer than 2 blocks, or where `value` is NaN in every sample.
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
    outside = tail(level, count)
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)


def tail(level: float, count: int) -> float:
    """The quantile at which an interval of that level begins, with so many blocks: Φ(√(n/(n-1)) t), t of n - 1."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - level) / 2)))
