"""Interactions of features in a model: Friedman's H of pairs, out of sample."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from ofiml._typing import Float

POINTS = 40  # rows at which, and over which, partial dependence is evaluated


def list_pairs(columns: list[int]) -> list[tuple[int, int]]:
    """List all pairs of `columns`, in the order of `measure_interactions`."""
    return list(combinations(columns, 2))


def measure_interactions(score: Callable[[Float], Float], x: Float, columns: list[int]) -> Float:
    """Measure Friedman's H of each pair of `columns`: (pairs, 2), the strength in units of the score, and the share.

    F_jk(x_j, x_k) is the mean score over the rows of x (n, k) with two columns fixed, and F_j with one. Each is
    evaluated at the same rows and centred over them. The strength is √mean((F_jk - F_j - F_k)²), and the share is its
    square over mean(F_jk²) (Friedman & Popescu 2008, Ann. Appl. Stat. 2, eq. 44). Both are 0 for an additive model; a
    share is NaN if the pair has no effect.
    """
    n = len(x)

    def compute_dependence(fixed: tuple[int, ...]) -> Float:
        at = np.repeat(x[None], n, axis=0)  # (value, row, column)
        for column in fixed:
            at[:, :, column] = x[:, None, column]
        mean = score(at.reshape(n * n, -1)).reshape(n, n).mean(axis=1)
        return mean - mean.mean()

    single = {column: compute_dependence((column,)) for column in columns}
    out = np.empty((len(list_pairs(columns)), 2))
    for i, (j, k) in enumerate(list_pairs(columns)):
        joint = compute_dependence((j, k))
        interaction, total = np.mean((joint - single[j] - single[k]) ** 2), np.mean(joint**2)
        out[i] = np.sqrt(interaction), interaction / total if total > 0 else np.nan
    return out
