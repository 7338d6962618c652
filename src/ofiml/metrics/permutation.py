"""What a model's skill out of sample loses when a feature's values are dealt out among other rows (Breiman 2001).

Features that say the same thing stand in for one another: each alone may lose nothing where all together lose much, so
that families are dealt out together too.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ofiml.metrics.scores import ic, r2

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

LONGEST_BLOCK, MIN_SHUFFLED_BLOCKS = 30, 10  # rows; blocks


def permute_rows(n: int, rng: np.random.Generator) -> Int64:
    """Positions 0 … n-1 in blocks of consecutive ones that come in random order: what is near in time stays near. A
    block has 30 rows, or a tenth of n if that is less.
    """
    length = max(1, min(LONGEST_BLOCK, n // MIN_SHUFFLED_BLOCKS))
    starts = np.arange(0, n, length)
    return np.concatenate([np.arange(s, min(s + length, n)) for s in rng.permutation(starts)]).astype(np.int64)


def permutation_drops(
    predict: Callable[[Float], Float],
    x: Float,
    y: Float,
    train_mean: Float,
    groups: list[list[int]],
    *,
    repeats: int,
    rng: np.random.Generator,
) -> Float:
    """The drop (groups, 2) in R² and IC when the columns of a group of x (n, k) are dealt out together, the mean over
    `repeats`; every group sees the same orders. Rows are out of sample, in time order; NaN where a measure is.
    """
    if not len(x):
        return np.full((len(groups), 2), np.nan)
    orders = [permute_rows(len(x), rng) for _ in range(repeats)]
    known = predict(x)
    whole = np.array([r2(y, known, train_mean), ic(y, known)])
    drops = np.empty((len(groups), repeats, 2))
    for g, columns in enumerate(groups):
        for k, order in enumerate(orders):
            mixed = x.copy()
            mixed[:, columns] = x[order][:, columns]
            y_hat = predict(mixed)
            drops[g, k] = whole - [r2(y, y_hat, train_mean), ic(y, y_hat)]
    return drops.mean(axis=1)
