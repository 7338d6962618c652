"""The train rows of a linear model: imputed and standardised in place, with the bits of scikit-learn.

scikit-learn's `StandardScaler` needs as much memory again as its rows have, for their deviations from the mean. Here a
block of rows at a time has them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ofiml._typing import Float

_BLOCK_VALUES = 1 << 16  # of a block of rows: they stay in the cache


@dataclass(frozen=True, slots=True)
class StandardRows:
    """Train rows x (n, k), imputed and standardised, their `mean` (k,), and the fitted transformers that did it."""

    x: Float
    mean: Float
    imputer: Any
    scaler: Any

    @classmethod
    def of(cls, x: Float) -> Self:
        """Impute and standardise x (n, k), in place."""
        from sklearn.impute import SimpleImputer

        # From a row of medians the imputer learns them; from all rows it would sort and copy all columns at once.
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(compute_medians(x)[None, :])
        for block in _list_blocks(x):
            np.copyto(block, imputer.statistics_, where=np.isnan(block))
        scaler = fit_scaler(x)
        for block in _list_blocks(x):
            block -= scaler.mean_
            block /= scaler.scale_
        return cls(x, x.mean(axis=0), imputer, scaler)


def compute_medians(x: Float) -> Float:
    """Compute the median (k,) of the known values of each column of x (n, k); NaN where none is known."""
    medians, column = np.full(x.shape[1], np.nan), np.empty(len(x))
    for j in range(x.shape[1]):
        column[:] = x[:, j]
        missing = np.isnan(column)
        known = column[~missing] if missing.any() else column
        if len(known):
            medians[j] = _select_median(known)
    return medians


def _select_median(values: Float) -> float:
    """Select the median of values without NaN, which are reordered. `np.median` has the same bits; as it also looks for
    NaN, it takes five times as long.
    """
    half = len(values) // 2
    values.partition(half)
    upper = float(values[half])
    return upper if len(values) % 2 else (float(values[:half].max()) + upper) / 2


def fit_scaler(x: Float) -> Any:
    """Fit a `StandardScaler` to x (n, k) without NaN; its mean and scale are those of its own `fit`, to the bit."""
    from sklearn.preprocessing import StandardScaler

    count, width = x.shape
    mean = _sum_rows(block.copy() for block in _list_blocks(x)) / count
    # The two-pass variance of Chan, Golub & LeVeque (1983), whose last term removes the rounding of the mean.
    rest = _sum_rows(block - mean for block in _list_blocks(x))
    square = _sum_rows((block - mean) ** 2 for block in _list_blocks(x))
    variance = (square - rest**2 / count) / count
    scale = np.sqrt(variance)
    epsilon = np.finfo(np.float64).eps
    scale[variance <= count * epsilon * variance + (count * mean * epsilon) ** 2] = 1.0  # constant but for rounding
    scaler = StandardScaler()
    scaler.mean_, scaler.var_, scaler.scale_ = mean, variance, scale
    scaler.n_samples_seen_, scaler.n_features_in_ = np.float64(count), width
    return scaler


def _list_blocks(x: Float) -> Iterator[Float]:
    """List blocks of the rows of x (n, k). A single column is one block, as numpy sums it in another order."""
    size = max(1, _BLOCK_VALUES // x.shape[1]) if x.shape[1] > 1 else len(x)
    return (x[first : first + size] for first in range(0, len(x), size))


def _sum_rows(blocks: Iterable[Float]) -> Float:
    """Sum the rows of all blocks, one row after the other as `sum(axis=0)` of the whole does. Blocks are changed."""
    total: Float | None = None
    for block in blocks:
        if total is not None:
            block[0] += total
        total = block.sum(axis=0)
    assert total is not None, "no rows"
    return total
