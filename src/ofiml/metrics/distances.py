"""Distances between samples, and the spectrum of a set of columns. Statistics only: their rows need not be independent,
so none has a p-value.
"""

import numpy as np

from ofiml._typing import Float


def ks_distance(a: Float, b: Float) -> float:
    """Compute the Kolmogorov-Smirnov distance of a (n,) and b (m,): the largest gap between their distribution
    functions, 0 to 1; NaN if one is empty.
    """
    if len(a) == 0 or len(b) == 0:
        return float("nan")
    a, b = np.sort(a), np.sort(b)
    points = np.concatenate([a, b])
    gap = np.searchsorted(a, points, side="right") / len(a) - np.searchsorted(b, points, side="right") / len(b)
    return float(np.abs(gap).max())


def compute_spectrum(x: Float, *, standardise: bool) -> Float:
    """Compute the share (k,) of the variance of the columns of x (n, k) that each principal component has, descending.

    With `standardise` each column has the same weight, and one without variation none. NaN if nothing varies.
    """
    centred = x - x.mean(axis=0)
    if standardise:
        scale = centred.std(axis=0)
        centred = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    shares = np.zeros(x.shape[1])
    shares[: len(values)] = values
    return shares / shares.sum() if shares.sum() > 0 else np.full(x.shape[1], np.nan)
