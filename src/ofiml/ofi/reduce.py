"""Reductions of the flow vector over levels, as estimators: those that learn do so on the rows they are given.

Sources: Xu, Gould & Howison (arXiv 1907.06230) for the vector and its Ridge fit; Cont, Cucuringu & Zhang
(arXiv 2112.13213) for the integrated OFI.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self, assert_never

import numpy as np

from ofiml._typing import Float
from ofiml.config import DecayOfi, Ofi, RidgeOfi
from ofiml.errors import DataError
from ofiml.ofi.columns import ReducedColumn
from ofiml.ofi.flow import Group, flow_groups


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
        return _weighted_sums(flow[:, None], self.weights)


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

        flow, y = _select_known_flow(flow, y)
        scale = flow.std(axis=0)
        scale[scale == 0] = 1.0
        ridge = RidgeCV(alphas=self.alphas).fit((flow - flow.mean(axis=0)) / scale, y)
        self.weights, self.alpha = ridge.coef_ / scale, float(ridge.alpha_)
        self.explained = np.array([_line_r2(self.transform(flow)[:, 0], y)])
        return self


class PowellWeights(Weighted):
    """Σ w_m·OFI_m, w non-negative and summing to 1: found by Powell's search, which needs no gradient, for the R² of a
    line through one variable; it starts from equal weights.
    """

    fitted = True

    def fit(self, flow: Float, y: Float) -> Self:
        from scipy.optimize import minimize

        flow, y = _select_known_flow(flow, y)
        levels = flow.shape[1]
        cross, square = np.atleast_2d(np.cov(flow, rowvar=False)), _covariances(flow, y)

        def loss(weights: Float) -> float:
            """Minus the squared correlation, up to the label's variance."""
            variance = float(np.sum(weights * np.sum(cross * weights, axis=1)))
            return -(float(np.sum(weights * square)) ** 2) / variance if variance > 0 else 0.0

        result = minimize(loss, np.full(levels, 0.5), method="Powell", bounds=[(0.0, 1.0)] * levels)
        weights = np.clip(result.x, 0.0, 1.0)
        total = weights.sum()
        self.weights = weights / total if total > 0 else np.full(levels, 1.0 / levels)
        self.explained = np.array([_line_r2(self.transform(flow)[:, 0], y)])
        return self


class Integrated(Weighted):
    """The first principal component of the flow's covariance, weights divided by their L1 norm, sign so that they sum
    positive.
    """

    fitted = True

    def fit(self, flow: Float, y: Float) -> Self:
        flow, _ = _select_known_flow(flow, y)
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
        return _weighted_sums(grouped, np.array([r.weights for r in self.reducers]))

    def _parts(self, flow: Float) -> list[Float]:
        return np.hsplit(flow, len(self.reducers))


def build_reducer(config: Ofi, width: int) -> Reducer:
    """Build an unfitted reducer for `config` over flow of `width` columns: groups times levels."""
    groups = flow_groups(config)
    single = [_build_single(config, group, width // len(groups)) for group in groups]
    return single[0] if len(single) == 1 else Grouped(single)


Learned = list[list[float]] | dict[str, list[list[float]]]


@dataclass(frozen=True, slots=True)
class LearnedReduction:
    """What the reductions of several folds learned, `weights` and share `explained` by fold, or by group of flow and
    fold where there are several groups; None of a reduction that learns nothing.
    """

    weights: Learned | None = None
    explained: Learned | None = None


def describe_reducers(reducers: list[Reducer]) -> LearnedReduction:
    """Describe what fitted reducers of several folds learned."""
    if not reducers[0].fitted:
        return LearnedReduction()
    if not isinstance(reducers[0], Grouped):
        return LearnedReduction(*_collect_fits(reducers))
    weights, explained = {}, {}
    for i, column in enumerate(reducers[0].columns):
        group = [r.reducers[i] for r in reducers if isinstance(r, Grouped)]
        weights[column], explained[column] = _collect_fits(group)
    return LearnedReduction(weights, explained)


def _collect_fits(reducers: list[Reducer]) -> tuple[list[list[float]], list[list[float]]]:
    """Weights and share explained of each fold's reducer."""
    return (
        [r.weights.tolist() for r in reducers if r.weights is not None],
        [r.explained.tolist() for r in reducers if r.explained is not None],
    )


def _weighted_sums(flow: Float, weights: Float) -> Float:
    """Σ over levels of flow (n, groups, levels) times weights, (n, groups): the same bits for one row as for many.

    An explicit sum: a matrix product may round differently with another BLAS thread count.
    """
    sums: Float = np.add.reduce(flow * weights, axis=2)
    return sums


def _select_known_flow(flow: Float, y: Float) -> tuple[Float, Float]:
    known = ~np.isnan(flow).any(axis=1)
    if known.sum() < 2:
        raise DataError(
            "No two train rows of a fold have flow over all of ofi.windows: shorten them, or give more data."
        )
    return flow[known], y[known] if len(y) else y  # components need no label


def _covariances(flow: Float, y: Float) -> Float:
    return np.mean((flow - flow.mean(axis=0)) * (y - y.mean())[:, None], axis=0)


def _line_r2(x: Float, y: Float) -> float:
    """R² of a line through x; NaN where one of the two does not vary."""
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")


def _build_single(config: Ofi, group: Group, levels: int) -> Reducer:
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
    assert_never(config.name)
