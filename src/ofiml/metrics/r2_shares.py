"""The shares of correlated columns in the R² of a regression (Shapley values; Lindeman, Merenda & Gold 1980)."""

from math import factorial

import numpy as np

from ofiml._typing import Float

MAX_COLUMNS = 12  # 2^12 regressions


def share_r2(x: Float, y: Float) -> Float:
    """Share the R² of the least-squares fit of y (n,) on the columns of x (n, k) and a constant among them, (k,).

    A column's share is what it adds to R², averaged over all orders in which columns enter; the shares add up to R². A
    constant column has share 0. NaN if y is constant. Raises ValueError for more than 12 columns.
    """
    columns = x.shape[1]
    if columns > MAX_COLUMNS:
        raise ValueError(f"{columns} columns: at most {MAX_COLUMNS} can share an R²")
    if len(y) < 2 or np.ptp(y) == 0:
        return np.full(columns, np.nan)
    scale = x.std(axis=0)
    scale[scale == 0] = np.inf
    z, target = (x - x.mean(axis=0)) / scale, (y - y.mean()) / y.std()
    between, cross = z.T @ z / len(y), z.T @ target / len(y)
    r2 = np.zeros(1 << columns)
    for subset in range(1, len(r2)):
        at = [j for j in range(columns) if subset >> j & 1]
        r2[subset] = cross[at] @ np.linalg.lstsq(between[np.ix_(at, at)], cross[at], rcond=None)[0]
    shares = np.zeros(columns)
    for subset in range(len(r2)):
        size = subset.bit_count()
        for j in range(columns):
            if not subset >> j & 1:
                weight = factorial(size) * factorial(columns - size - 1) / factorial(columns)
                shares[j] += weight * (r2[subset | 1 << j] - r2[subset])
    return shares
