"""Reductions of the flow vector over levels, as estimators. Some learn their weights from the rows of `fit`.

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
from ofiml.ofi.flow import Group, list_flow_groups


class Reducer(ABC):
    """The base of all reductions: `fit` takes flow (n, levels) and labels (n,), `transform` gives features
    (n, len(columns)).

    Rows with NaN flow (a look-back that begins before the start) are left out of the fit and stay NaN. `weights` has
    one weight per level; it is None for a vector. `fitted` is true if the weights are learned. `explained` is then each
    component's share of the flow's variance, or the share of the label's variance that the reduction explains on the
    rows of `fit`.
    """

    fitted = False

    def __init__(self, columns: list[str], weights: Float | None = None) -> None:
        self.columns = columns
        self.weights = weights
        self.explained: Float | None = None

    def fit(self, flow: Float, y: Float) -> Self:
        """Fit on flow (n, levels) and labels (n,) of train rows; a reduction with fixed weights learns nothing."""
        return self

    @abstractmethod
    def transform(self, flow: Float) -> Float:
        """Reduce flow (n, levels) to features (n, len(columns)); NaN flow stays NaN."""
        ...


class Vector(Reducer):
    """The flow itself, one column per level, or the best level alone."""

    def transform(self, flow: Float) -> Float:
        return flow[:, : len(self.columns)]


class WeightedSum(Reducer):
    """A weighted sum over levels."""

    def transform(self, flow: Float) -> Float:
        assert self.weights is not None, "transform before fit"
        return _sum_weighted(flow[:, None], self.weights)


class RidgeWeights(WeightedSum):
    """Σ β_m·OFI_m, with β from a Ridge fit on standardised flow, in units of the label per lot. Leave-one-out chooses
    the penalty among `alphas`. The model fits the intercept.
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
        self.explained = np.array([_compute_line_r2(self.transform(flow)[:, 0], y)])
        return self


class PowellWeights(WeightedSum):
    """Σ w_m·OFI_m, with non-negative w that sum to 1. Powell's gradient-free search maximises the R² of the regression
    of the label on the sum; it starts from equal weights.
    """

    fitted = True

    def fit(self, flow: Float, y: Float) -> Self:
        from scipy.optimize import minimize

        flow, y = _select_known_flow(flow, y)
        levels = flow.shape[1]
        cross, square = np.atleast_2d(np.cov(flow, rowvar=False)), _compute_covariances(flow, y)

        def loss(weights: Float) -> float:
            """Compute minus the squared correlation, up to the label's variance."""
            variance = float(np.sum(weights * np.sum(cross * weights, axis=1)))
            return -(float(np.sum(weights * square)) ** 2) / variance if variance > 0 else 0.0

        result = minimize(loss, np.full(levels, 0.5), method="Powell", bounds=[(0.0, 1.0)] * levels)
        weights = np.clip(result.x, 0.0, 1.0)
        total = weights.sum()
        self.weights = weights / total if total > 0 else np.full(levels, 1.0 / levels)
        self.explained = np.array([_compute_line_r2(self.transform(flow)[:, 0], y)])
        return self


class PrincipalComponent(WeightedSum):
    """The first principal component of the flow's covariance. The weights are divided by their L1 norm, and their sum
    is positive.
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


class GroupedReducer(Reducer):
    """One reduction per group of flow (a part over a look-back), each over its own levels."""

    def __init__(self, reducers: list[Reducer]) -> None:
        super().__init__([c for r in reducers for c in r.columns])
        self.reducers, self.fitted = reducers, reducers[0].fitted

    def fit(self, flow: Float, y: Float) -> Self:
        for reducer, group in zip(self.reducers, np.hsplit(flow, len(self.reducers)), strict=True):
            reducer.fit(group, y)
        return self

    def transform(self, flow: Float) -> Float:
        # All groups in one operation, to keep the latency of a live row low.
        grouped = flow.reshape(len(flow), len(self.reducers), flow.shape[1] // len(self.reducers))
        first = self.reducers[0]
        if isinstance(first, Vector):
            return grouped[:, :, : len(first.columns)].reshape(len(flow), len(self.columns))
        assert first.weights is not None, "transform before fit"
        return _sum_weighted(grouped, np.array([r.weights for r in self.reducers]))


def build_reducer(config: Ofi, width: int) -> Reducer:
    """Build an unfitted reducer over flow of `width` columns (groups times levels)."""
    groups = list_flow_groups(config)
    single = [_build_single(config, group, width // len(groups)) for group in groups]
    return single[0] if len(single) == 1 else GroupedReducer(single)


LearnedValues = list[list[float]] | dict[str, list[list[float]]]


@dataclass(frozen=True, slots=True)
class LearnedReduction:
    """The `weights` of fitted reductions and the shares `explained`, by fold; with several groups of flow, by group and
    fold. None for a reduction without learned weights.
    """

    weights: LearnedValues | None = None
    explained: LearnedValues | None = None


def describe_reducers(reducers: list[Reducer]) -> LearnedReduction:
    """Describe the fitted reducers of all folds."""
    if not reducers[0].fitted:
        return LearnedReduction()
    if not isinstance(reducers[0], GroupedReducer):
        return LearnedReduction(*_collect_fits(reducers))
    weights, explained = {}, {}
    for i, column in enumerate(reducers[0].columns):
        group = [r.reducers[i] for r in reducers if isinstance(r, GroupedReducer)]
        weights[column], explained[column] = _collect_fits(group)
    return LearnedReduction(weights, explained)


def _collect_fits(reducers: list[Reducer]) -> tuple[list[list[float]], list[list[float]]]:
    """Collect the weights and the share explained of each fold's reducer."""
    return (
        [r.weights.tolist() for r in reducers if r.weights is not None],
        [r.explained.tolist() for r in reducers if r.explained is not None],
    )


def _sum_weighted(flow: Float, weights: Float) -> Float:
    """Sum flow (n, groups, levels) times weights over levels, (n, groups), with the same bits for one row as for many.

    The sum is explicit because a matrix product may round differently with another BLAS thread count.
    """
    sums: Float = np.add.reduce(flow * weights, axis=2)
    return sums


def _select_known_flow(flow: Float, y: Float) -> tuple[Float, Float]:
    known = ~np.isnan(flow).any(axis=1)
    if known.sum() < 2:
        raise DataError(
            "No two train rows of a fold have flow over all of ofi.windows: shorten them, or give more data."
        )
    return flow[known], y[known] if len(y) else y  # a principal component needs no label


def _compute_covariances(flow: Float, y: Float) -> Float:
    return np.mean((flow - flow.mean(axis=0)) * (y - y.mean())[:, None], axis=0)


def _compute_line_r2(x: Float, y: Float) -> float:
    """Compute the R² of a regression line of y on x; NaN where one of them is constant."""
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")


def _build_single(config: Ofi, group: Group, levels: int) -> Reducer:
    m = np.arange(1, levels + 1, dtype=np.float64)
    reduction = "ofi_pca" if config.name == "pca" else config.name
    name = [ReducedColumn(reduction, group.part, group.window_name).name]
    match config.name:
        case "best_level":
            return Vector(group.name_columns(1))
        case "mlofi":
            return Vector(group.name_columns(levels))
        case "mlofi_sum":
            return WeightedSum(name, np.ones(levels))
        case "mlofi_weighted":
            return WeightedSum(name, (1 / m) / (1 / m).sum())
        case "mlofi_decay":
            assert isinstance(config, DecayOfi)
            weights = np.exp(-config.rate * (m - 1))
            return WeightedSum(name, weights / weights.sum())
        case "mlofi_ridge":
            assert isinstance(config, RidgeOfi)
            return RidgeWeights(name, np.logspace(config.log10_alpha_low, config.log10_alpha_high, config.alphas))
        case "mlofi_powell":
            return PowellWeights(name)
        case "pca":
            return PrincipalComponent(name)
    assert_never(config.name)
