"""Permutation importance: the drop in out-of-sample skill when a feature's values are permuted (Breiman 2001).

Correlated features replace one another: permuting each alone may cost nothing where permuting all costs much, so
families are permuted together as well.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ofiml.metrics.scores import ic, r2

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

LONGEST_BLOCK, MIN_SHUFFLED_BLOCKS = 30, 10  # rows; blocks


def permute_blocks(n: int, rng: np.random.Generator) -> Int64:
    """Permute positions 0 … n-1 in blocks of consecutive rows, so that neighbours in time stay together.

    A block has 30 rows, or a tenth of n if that is less.
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
    """Compute the drop (groups, 2) in R² and IC when the columns of a group of x (n, k) are permuted together.

    Drops are means over `repeats`; every group has the same permutations. Rows are out of sample, in time order. NaN
    where a measure is NaN.
    """
    if not len(x):
        return np.full((len(groups), 2), np.nan)
    orders = [permute_blocks(len(x), rng) for _ in range(repeats)]
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
