"""Sums over blocks of time, from which most measures of resampled blocks follow: the cost of a draw grows with the
number of blocks, not of rows.
"""

from collections.abc import Iterable

import numpy as np

from ofiml._typing import Float, Int64

_ROUNDING_SHARE = 1e-12  # of Σx²: the variance that rounding gives to a constant


def sum_blocks(terms: Iterable[Float], block: Int64) -> Float:
    """Sum each of k `terms` (n,) over blocks, (blocks, k). `block` (n,) numbers the block of each row from 0."""
    count = int(block.max()) + 1
    return np.stack([np.bincount(block, term, count) for term in terms], axis=1)


def sum_groups(y: Float, group: Int64, block: Int64) -> tuple[Float, Float]:
    """Count the rows and sum y (n,) of each group in each block, (blocks, groups) each; both numbered from 0."""
    groups, count = int(group.max()) + 1, int(block.max()) + 1
    key = block * groups + group
    rows, total = np.bincount(key, minlength=count * groups), np.bincount(key, y, count * groups)
    return rows.reshape(count, groups).astype(np.float64), total.reshape(count, groups).astype(np.float64)


def sum_correlation_terms(y: Float, y_hat: Float, block: Int64) -> Float:
    """Sum the terms of a correlation over blocks, (blocks, 6): 1, a, b, a², b², ab, with a and b the centred y and
    y_hat (n,). `block` (n,) numbers the block of each row from 0.
    """
    from ofiml.metrics.correlation_sums import add_correlation_terms  # brings numba, which only a study needs

    # A constant less its mean may differ from 0 by rounding.
    y_centre, y_hat_centre = (float(x[0] if np.ptp(x) == 0 else x.mean()) for x in (y, y_hat))
    sums = np.zeros((int(block.max()) + 1, 6))
    add_correlation_terms(y, y_hat, y_centre, y_hat_centre, block, sums)
    return sums


def compute_correlations(sums: Float) -> Float:
    """Compute the correlation of each draw, (draws,), from the sums (draws, 6) of `sum_correlation_terms`; NaN where
    one side is constant.
    """
    n, a, b, aa, bb, ab = sums.T
    variances = compute_variance(n, a, aa) * compute_variance(n, b, bb)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variances > 0, (ab - a * b / n) / np.sqrt(variances), np.nan)


def compute_variance(n: Float, total: Float, squares: Float) -> Float:
    """Compute Σ(x - mean)² of each draw, (draws,), from its rows, Σx and Σx²; 0 where only rounding is left."""
    variance = squares - total * total / n
    return np.where(variance > _ROUNDING_SHARE * squares, variance, 0.0)


def divide_sums(numerator: Float, denominator: Float) -> Float:
    """Divide sums, elementwise; NaN where the denominator is not above 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
