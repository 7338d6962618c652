"""Reductions of the flow vector over levels, as estimators: those that learn do so on the rows they are given.

Sources: Xu, Gould & Howison (arXiv 1907.06230) for the vector and its Ridge fit; Cont, Cucuringu & Zhang
(arXiv 2112.13213) for the integrated OFI.
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ofiml.config import DecayOfi, Ofi, RidgeOfi
from ofiml.errors import DataError
from ofiml.ofi.columns import ReducedColumn
from ofiml.ofi.flow import Group, groups

Float = NDArray[np.float64]


class Reducer(ABC):
    """`fit` learns from flow (n, levels) and label (n,); `transform` gives features (n, len(columns)).

    Rows whose flow is NaN (a look-back that begins before the start) teach nothing, and stay NaN. `weights` has one
    weight per level for a reduction to one number, and is None for a vector; `fitted` says that it is learned;
    `explained`, of what is learned, is each component's share of the flow's variance, or the share of the label's
    variance that the reduction explains on the rows of `fit`.
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
        return _sums(flow[:, None], self.weights)


class RidgeWeights(Weighted):
    """Σ β_m·OFI_m: β by Ridge on standardised flow, the penalty by leave-one-out over `alphas`, in units of the label
    per lot. The intercept is left to the model.
    """

    fitted = True

    def __init__(self, columns: list[str], alphas: Float) -> None:
        super().__init__(columns)
        self.alphas, self.alpha = alphas, float("nan")

    def fit(self, flow: Float, y: Float) -> Self:
        from sklearn.linear_model import RidgeCV

        flow, y = _known(flow, y)
        scale = flow.std(axis=0)
        scale[scale == 0] = 1.0
        ridge = RidgeCV(alphas=self.alphas).fit((flow - flow.mean(axis=0)) / scale, y)
        self.weights, self.alpha = ridge.coef_ / scale, float(ridge.alpha_)
        self.explained = np.array([_share(self.transform(flow)[:, 0], y)])
        return self


class PowellWeights(Weighted):
    """Σ w_m·OFI_m, w non-negative and summing to 1: found by Powell's search, which needs no gradient, for the R² of a
    line through one variable; it starts from equal weights.
    """

    fitted = True

    def fit(self, flow: Float, y: Float) -> Self:
        from scipy.optimize import minimize

        flow, y = _known(flow, y)
        levels = flow.shape[1]
        cross, square = np.atleast_2d(np.cov(flow, rowvar=False)), _covariances(flow, y)

        def loss(weights: Float) -> float:
            """Minus the squared correlation, up to the label's variance."""
            variance = float(np.sum(weights * np.sum(cross * weights, axis=1)))
            return -(float(np.sum(weights * square)) ** 2) / variance if variance > 0 else 0.0

        found = minimize(loss, np.full(levels, 0.5), method="Powell", bounds=[(0.0, 1.0)] * levels)
        weights = np.clip(found.x, 0.0, 1.0)
        total = weights.sum()
        self.weights = weights / total if total > 0 else np.full(levels, 1.0 / levels)
        self.explained = np.array([_share(self.transform(flow)[:, 0], y)])
        return self


class Integrated(Weighted):
    """The first principal component of the flow's covariance, weights divided by their L1 norm, sign so that they sum
    positive.
    """

    fitted = True

    def fit(self, flow: Float, y: Float) -> Self:
        flow, _ = _known(flow, y)
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(flow, rowvar=False)))
        first = vectors[:, -1]
        self.weights = first / np.abs(first).sum() * (1.0 if first.sum() >= 0 else -1.0)
        total = values.sum()
        self.explained = values[::-1] / total if total > 0 else np.full(len(values), np.nan)
        return self


class Grouped(Reducer):
    """One reduction for each group of flow (a part over a look-back), each over its own levels."""

    def __init__(self, reducers: list[Reducer]) -> None:
        super().__init__([c for r in reducers for c in r.columns])
        self.reducers, self.fitted = reducers, reducers[0].fitted

    def fit(self, flow: Float, y: Float) -> Self:
        for reducer, part in zip(self.reducers, self._parts(flow), strict=True):
            reducer.fit(part, y)
        return self

    def transform(self, flow: Float) -> Float:
        # All at once: a live row cannot wait for one group after another.
        grouped = flow.reshape(len(flow), len(self.reducers), flow.shape[1] // len(self.reducers))
        first = self.reducers[0]
        if isinstance(first, Vector):
            return grouped[:, :, : len(first.columns)].reshape(len(flow), len(self.columns))
        assert first.weights is not None, "transform before fit"
        return _sums(grouped, np.array([r.weights for r in self.reducers]))

    def _parts(self, flow: Float) -> list[Float]:
        return np.hsplit(flow, len(self.reducers))


def reducer(config: Ofi, width: int) -> Reducer:
    """A fresh, unfitted reducer for `config` over flow of `width` columns: groups times levels."""
    asked = groups(config)
    single = [_single(config, group, width // len(asked)) for group in asked]
    return single[0] if len(single) == 1 else Grouped(single)


def described(reducers: list[Reducer]) -> dict[str, Any]:
    """What fitted reducers of several folds learned: `weights` and `explained`, by fold, or by group and fold."""
    if isinstance(reducers[0], Grouped):
        by_group: dict[str, Any] = {}
        for i, column in enumerate(reducers[0].columns if reducers[0].fitted else []):
            for key, value in described([r.reducers[i] for r in reducers if isinstance(r, Grouped)]).items():
                by_group.setdefault(key, {})[column] = value
        return by_group
    if not reducers[0].fitted:
        return {}
    return {
        "weights": [r.weights.tolist() for r in reducers if r.weights is not None],
        "explained": [r.explained.tolist() for r in reducers if r.explained is not None],
    }


def _sums(flow: Float, weights: Float) -> Float:
    """Σ over levels of flow (n, groups, levels) times weights, (n, groups): the same bits for one row as for many.

    An explicit sum: a matrix product may round differently with another BLAS thread count.
    """
    sums: Float = np.add.reduce(flow * weights, axis=2)
    return sums


def _known(flow: Float, y: Float) -> tuple[Float, Float]:
    known = ~np.isnan(flow).any(axis=1)
    if known.sum() < 2:
        raise DataError(
            "No two train rows of a fold have flow over all of ofi.windows: shorten them, or give more data."
        )
    return flow[known], y[known] if len(y) else y  # components need no label


def _covariances(flow: Float, y: Float) -> Float:
    return np.mean((flow - flow.mean(axis=0)) * (y - y.mean())[:, None], axis=0)


def _share(x: Float, y: Float) -> float:
    """R² of a line through x; NaN where one of the two does not vary."""
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")


def _single(config: Ofi, group: Group, levels: int) -> Reducer:
    m = np.arange(1, levels + 1, dtype=np.float64)
    reduction = "ofi_pca" if config.name == "pca" else config.name
    name = [ReducedColumn(reduction, group.part, group.window_name).name]
    match config.name:
        case "best_level":
            return Vector(group.columns(1))
        case "mlofi":
            return Vector(group.columns(levels))
        case "mlofi_sum":
            return Weighted(name, np.ones(levels))
        case "mlofi_weighted":
            return Weighted(name, (1 / m) / (1 / m).sum())
        case "mlofi_decay":
            assert isinstance(config, DecayOfi)
            weights = np.exp(-config.rate * (m - 1))
            return Weighted(name, weights / weights.sum())
        case "mlofi_ridge":
            assert isinstance(config, RidgeOfi)
            return RidgeWeights(name, np.logspace(config.log10_alpha_low, config.log10_alpha_high, config.alphas))
        case "mlofi_powell":
            return PowellWeights(name)
        case "pca":
            return Integrated(name)
    raise AssertionError(f"no reducer {config.name}: config.SCHEMAS and this list differ")
