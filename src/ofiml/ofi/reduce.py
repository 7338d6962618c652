"""Reductions of the flow vector over levels, as estimators: those that learn do so on the rows they are given.

Sources: Xu, Gould & Howison (arXiv 1907.06230) for the vector and its Ridge fit; Cont, Cucuringu & Zhang
(arXiv 2112.13213) for the integrated OFI.
"""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ofiml.config import DecayOfi, Ofi, RidgeOfi

Float = NDArray[np.float64]


class Reducer(ABC):
    """`fit` learns from flow (n, levels) and label (n,); `transform` gives features (n, len(columns)).

    `weights` has one weight per level for a reduction to one number, and is None for a vector; `fitted` says that it is
    learned; `explained`, for components, is each one's share of the variance.
    """

    fitted = False

    def __init__(self, columns: list[str], weights: Float | None = None) -> None:
        self.columns = columns
        self.weights = weights
        self.explained: Float | None = None

    def fit(self, flow: Float, y: Float) -> Self:
        return self

    @abstractmethod
    def transform(self, flow: Float) -> Float: ...


class Vector(Reducer):
    """The flow itself: one column a level, or the best level alone."""

    def transform(self, flow: Float) -> Float:
        return flow[:, : len(self.columns)]


class Weighted(Reducer):
    """A weighted sum over levels."""

    def transform(self, flow: Float) -> Float:
        assert self.weights is not None, "transform before fit"
        # An explicit sum over levels: a matrix product may round differently with another BLAS thread count.
        return np.sum(flow * self.weights, axis=1, keepdims=True)


class RidgeWeights(Weighted):
    """Σ β_m·OFI_m: β by Ridge on standardised flow, the penalty by leave-one-out over `alphas`, in units of the label
    per lot. The intercept is left to the model.
    """

    fitted = True

    def __init__(self, alphas: Float) -> None:
        super().__init__(["mlofi_ridge"])
        self.alphas, self.alpha = alphas, float("nan")

    def fit(self, flow: Float, y: Float) -> Self:
        from sklearn.linear_model import RidgeCV

        scale = flow.std(axis=0)
        scale[scale == 0] = 1.0
        ridge = RidgeCV(alphas=self.alphas).fit((flow - flow.mean(axis=0)) / scale, y)
        self.weights, self.alpha = ridge.coef_ / scale, float(ridge.alpha_)
        return self


class Integrated(Weighted):
    """The first principal component of the flow's covariance, weights divided by their L1 norm, sign so that they sum
    positive.
    """

    fitted = True

    def __init__(self) -> None:
        super().__init__(["ofi_pca"])

    def fit(self, flow: Float, y: Float) -> Self:
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(flow, rowvar=False)))
        first = vectors[:, -1]
        self.weights = first / np.abs(first).sum() * (1.0 if first.sum() >= 0 else -1.0)
        total = values.sum()
        self.explained = values[::-1] / total if total > 0 else np.full(len(values), np.nan)
        return self


def reducer(config: Ofi, levels: int) -> Reducer:
    """A fresh, unfitted reducer for `config` over `levels` levels."""
    m = np.arange(1, levels + 1, dtype=np.float64)
    match config.name:
        case "best_level":
            return Vector(["ofi_00"])
        case "mlofi":
            return Vector([f"ofi_{i:02d}" for i in range(levels)])
        case "mlofi_sum":
            return Weighted(["mlofi_sum"], np.ones(levels))
        case "mlofi_weighted":
            return Weighted(["mlofi_weighted"], (1 / m) / (1 / m).sum())
        case "mlofi_decay":
            assert isinstance(config, DecayOfi)
            weights = np.exp(-config.rate * (m - 1))
            return Weighted(["mlofi_decay"], weights / weights.sum())
        case "mlofi_ridge":
            assert isinstance(config, RidgeOfi)
            return RidgeWeights(np.logspace(config.log10_alpha_low, config.log10_alpha_high, config.alphas))
        case "pca":
            return Integrated()
    raise AssertionError(f"no reducer {config.name}: config.SCHEMAS and this list differ")
