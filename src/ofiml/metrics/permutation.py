"""Permutation importance: the drop in out-of-sample skill when a feature's values are permuted (Breiman 2001).

Correlated features replace one another: permuting each alone may cost nothing although permuting all costs much.
Families are therefore also permuted together.
"""

from collections.abc import Callable

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.metrics.scores import ic, r2

MAX_BLOCK_ROWS, MIN_SHUFFLED_BLOCKS = 30, 10


def permute_blocks(n: int, rng: np.random.Generator) -> Int64:
    """Permute positions 0 … n-1 in blocks of consecutive rows, so that neighbours in time stay together.

    A block has 30 rows, or a tenth of n if that is less.
    """
    length = max(1, min(MAX_BLOCK_ROWS, n // MIN_SHUFFLED_BLOCKS))
    starts = np.arange(0, n, length)
    return np.concatenate([np.arange(s, min(s + length, n)) for s in rng.permutation(starts)]).astype(np.int64)


def measure_permutation_drops(
    predict: Callable[[Float], Float],
    x: Float,
    y: Float,
    train_mean: Float,
    groups: list[list[int]],
    *,
    repeats: int,
    rng: np.random.Generator,
) -> Float:
    """Measure the drop (groups, 2) in R² and IC when the columns of a group of x (n, k) are permuted together.

    Drops are means over `repeats`, and every group has the same permutations. Rows are out of sample, in time order.
    NaN where a measure is NaN.
    """
    if not len(x):
        return np.full((len(groups), 2), np.nan)
    orders = [permute_blocks(len(x), rng) for _ in range(repeats)]
    baseline = predict(x)
    skill = np.array([r2(y, baseline, train_mean), ic(y, baseline)])
    drops = np.empty((len(groups), repeats, 2))
    for g, columns in enumerate(groups):
        for k, order in enumerate(orders):
            permuted = x.copy()
            permuted[:, columns] = x[order][:, columns]
            y_hat = predict(permuted)
            drops[g, k] = skill - [r2(y, y_hat, train_mean), ic(y, y_hat)]
    return drops.mean(axis=1)
