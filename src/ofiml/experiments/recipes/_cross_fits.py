"""What the flow of each symbol of a basket explains of every symbol's moves, as `cross_impact` shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ofiml._typing import Bool, Float, Int64
from ofiml.config import Split
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.level_fits import Fit, fit_least_squares, make_lasso, make_ridge
from ofiml.experiments.basket import PARTS, Basket, find_next
from ofiml.experiments.intervals import compute_interval
from ofiml.experiments.rows import divide_bars
from ofiml.metrics.block_sums import divide_sums, sum_blocks
from ofiml.metrics.bootstrap import resample_sums
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.slopes import fit_slopes
from ofiml.ofi.reduce import PrincipalComponent
from ofiml.splits.fold import Fold

KINDS = ("best level", "integrated")
MODELS = ("own flow", "LASSO", "Ridge")
_ALPHAS = np.logspace(-2, 6, 33)  # of Ridge


@dataclass(frozen=True, slots=True)
class CrossFit:
    """A way to fit the moves of all K symbols, over purged folds.

    `inside` and `outside` (K,) are the R² of each symbol on the train rows and on the test rows, against the train
    mean. `errors` and `totals` (T, K) are the test rows' errors and moves less the train mean, ticks. `weights` (K, K)
    are the slopes of row i's move on column j's flow, both in standard deviations of the train rows, mean of the folds;
    `chosen` (K, K) is the share of folds in which a slope is not 0. `added` is what the mean R² outside is above that
    of own flow alone.
    """

    inside: Float
    outside: Float
    errors: Float
    totals: Float
    weights: Float
    chosen: Float
    added: Estimate


@dataclass(frozen=True, slots=True)
class CrossFits:
    """The fits of moves by kind of flow, then by model, and the `rows` of the basket that are tested, (T,)."""

    fits: dict[str, dict[str, CrossFit]]
    rows: Int64


@dataclass(frozen=True, slots=True)
class GroupFit:
    """A group of bars, such as a day: the number of `bars`, and the R² out of sample of own flow and of LASSO, mean of
    the symbols, NaN without a tested bar.

    `own` and `cross` are the mean absolute slopes on own flow and on that of others of a least-squares fit to these
    bars, in standard deviations; `noise` is what `cross` would be on average if all true ones were 0.
    """

    name: str
    bars: int
    own_r2: float
    cross_r2: float
    own: float
    cross: float
    noise: float


def fit_crosses(basket: Basket, split: Split, bootstrap: BlockBootstrap, *, ahead: bool) -> CrossFits:
    """Fit the moves of the flow's own bar, or with `ahead` those of the next bar of the date, which begin when the flow
    is known. Raises DataError if there are too few bars.
    """
    rows = find_next(basket.table) if ahead else np.arange(basket.table.height)
    move = basket.move[rows + 1] if ahead else basket.move[rows]
    opens, closes = (basket.table[name].to_numpy() for name in ("bar_open", "bar_close"))
    folds = divide_bars(basket.table[rows], basket.hours, split, closes[rows + 1] if ahead else None)
    tested = np.concatenate([fold.test for fold in folds])
    block = bootstrap.number_blocks(basket.table[rows[tested]], int((closes - opens).max()) * (1 + ahead))
    fits: dict[str, dict[str, CrossFit]] = {}
    for kind in KINDS:
        flows = [reduce_flow(basket, kind, rows, fold.train) for fold in folds]
        fits[kind] = {}
        for model, fit in zip(MODELS, (fit_least_squares, make_lasso(), make_ridge(_ALPHAS)), strict=True):
            own = fits[kind].get(MODELS[0])
            fits[kind][model] = _fit_folds(flows, move, folds, fit, own, block, bootstrap)
    return CrossFits(fits, rows[tested])


def reduce_flow(basket: Basket, kind: str, rows: Int64, train: Int64) -> Float:
    """Reduce each symbol's flow in `rows` to its best level or to the first component of its `train` rows, (n, K)."""
    if kind == KINDS[0]:
        return np.column_stack([flow[rows, 0] for flow in basket.flow])
    columns = []
    for flow in basket.flow:
        component = PrincipalComponent(["integrated"]).fit(flow[rows][train], np.zeros(len(train)))
        columns.append(component.transform(flow[rows])[:, 0])
    return np.column_stack(columns)


def _fit_folds(
    flows: Sequence[Float],
    move: Float,
    folds: Sequence[Fold],
    fit: Fit,
    own: CrossFit | None,
    block: Int64,
    bootstrap: BlockBootstrap,
) -> CrossFit:
    """Fit each symbol's move (n, K) on all flows, or, for the first model, on its own."""
    symbols = range(move.shape[1])
    errors, totals, weights, inner, inner_totals = ([] for _ in range(5))
    for x, fold in zip(flows, folds, strict=True):
        of_fold = np.zeros((len(symbols), len(symbols)))
        outside, inside = (np.empty((len(part), len(symbols))) for part in (fold.test, fold.train))
        for i in symbols:
            columns = [i] if own is None else list(symbols)
            y = move[fold.train, i]
            fitted = fit(x[fold.train][:, columns], y)
            outside[:, i] = move[fold.test, i] - fitted.predict(x[fold.test][:, columns])
            inside[:, i] = y - fitted.predict(x[fold.train][:, columns])
            of_fold[i, columns] = fitted.weights * x[fold.train][:, columns].std(axis=0) / (y.std() or 1.0)
        mean = move[fold.train].mean(axis=0)
        errors.append(outside)
        totals.append(move[fold.test] - mean)
        inner.append(inside)
        inner_totals.append(move[fold.train] - mean)
        weights.append(of_fold)
    error, total, stacked = np.concatenate(errors), np.concatenate(totals), np.array(weights)
    added = Estimate(0.0, 0.0, 0.0)
    if own is not None:
        added = estimate_added_r2(own.errors, error, total, block, bootstrap)
    return CrossFit(
        inside=compute_r2(np.concatenate(inner), np.concatenate(inner_totals)),
        outside=compute_r2(error, total),
        errors=error,
        totals=total,
        weights=stacked.mean(axis=0),
        chosen=(stacked != 0).mean(axis=0),
        added=added,
    )


def compute_r2(errors: Float, totals: Float) -> Float:
    """Compute the R² of each symbol, (K,), from errors and moves less the train mean, (n, K); NaN without moves."""
    return 1.0 - divide_sums(np.sum(errors**2, axis=0), np.sum(totals**2, axis=0))


def estimate_added_r2(base: Float, errors: Float, totals: Float, block: Int64, bootstrap: BlockBootstrap) -> Estimate:
    """Estimate by how much the mean R² of the symbols with `errors` is above that with the errors `base`, (n, K) each.

    `block` (n,) numbers the block of time of each row. Both use the same draws. NaN ends with fewer than 8 blocks.
    """
    value = float(np.mean(compute_r2(errors, totals) - compute_r2(base, totals)))
    terms = [part.T**2 for part in (base, errors, totals)]
    sums = resample_sums(sum_blocks(np.concatenate(terms), block), samples=bootstrap.samples, seed=bootstrap.seed)
    before, after, total = np.split(sums, 3, axis=1)
    draws = np.mean(divide_sums(before - after, total), axis=1)
    return Estimate(value, *compute_interval(draws, block, bootstrap))


def fit_groups(basket: Basket, crosses: CrossFits, kind: str) -> list[GroupFit]:
    """Fit the bars of each part of the day and of each day apart, for moves of the flow's own bar."""
    return [_fit_group(basket, crosses, kind, name, inside) for name, inside in _list_groups(basket)]


def _list_groups(basket: Basket) -> Iterator[tuple[str, Bool]]:
    for k, part in enumerate(PARTS):
        yield part, basket.table["part"].to_numpy() == k
    for date in basket.table["session"].unique(maintain_order=True):
        yield str(date), (basket.table["session"] == date).to_numpy()


def _fit_group(basket: Basket, crosses: CrossFits, kind: str, name: str, inside: Bool) -> GroupFit:
    own_fit, lasso = (crosses.fits[kind][model] for model in MODELS[:2])
    tested = inside[crosses.rows]
    r2 = [float(np.mean(compute_r2(fit.errors[tested], fit.totals[tested]))) for fit in (own_fit, lasso)]
    rows = np.flatnonzero(inside)
    slopes, errors = fit_matrix(reduce_flow(basket, kind, rows, np.arange(len(rows))), basket.move[rows], basket, rows)
    same = np.eye(len(basket.symbols), dtype=bool)
    return GroupFit(
        name=name,
        bars=len(rows),
        own_r2=r2[0],
        cross_r2=r2[1],
        own=float(np.mean(np.abs(slopes[same]))),
        cross=float(np.mean(np.abs(slopes[~same]))),
        noise=float(np.sqrt(2 / np.pi) * np.mean(errors[~same])),
    )


def fit_matrix(flow: Float, move: Float, basket: Basket, rows: Int64) -> tuple[Float, Float]:
    """Fit each move (n, K) on all flows (n, K) by least squares; return slopes in standard deviations and their errors,
    (K, K) each. NaN for a flow or move that does not vary.
    """
    time = basket.table["bar_close"].to_numpy()[rows]
    x, y = _standardise(flow), _standardise(move)
    found = [fit_slopes(x, y[:, i], time) for i in range(move.shape[1])]
    return np.array([one.value for one in found]), np.array([one.error for one in found])


@dataclass(frozen=True, slots=True)
class TradeMatrix:
    """The slopes (K, K) of row i's move on what is bought less sold of column j in the same bar, ticks per lot, with
    `errors` and two-sided `p` values; `reach` is half the width of a 95% interval in errors.
    """

    slopes: Float
    errors: Float
    p: Float
    reach: float

    @property
    def links(self) -> Bool:
        """The slopes on other symbols (K, K) that are not 0 at 5% for all of them together (Bonferroni)."""
        count = len(self.slopes)
        return np.asarray((self.p < 0.05 / (count * (count - 1))) & ~np.eye(count, dtype=bool))

    def count_covered(self, known: Float, scale: float = 1.0) -> int:
        """Count the intervals that contain `scale` times the known matrix (K, K)."""
        return int(np.sum(np.abs(self.slopes - scale * known) <= self.reach * self.errors))

    def find_scale(self, known: Float) -> float:
        """Find the factor by which the known matrix (K, K) is nearest to the slopes, by least squares."""
        return float(np.sum(self.slopes * known) / np.sum(known**2))


def fit_trades(basket: Basket) -> TradeMatrix:
    """Fit the moves of the bars on the trades of all symbols, in sample."""
    time = basket.table["bar_close"].to_numpy()
    found = [fit_slopes(basket.trades, y, time) for y in basket.move.T]
    slopes, errors, p = (np.array([getattr(one, name) for one in found]) for name in ("value", "error", "p"))
    return TradeMatrix(slopes, errors, p, found[0].reach)


def correlate_links(one: Float, other: Float) -> float:
    """Correlate two matrices (K, K) outside their diagonals; NaN if one is constant there."""
    away = ~np.eye(len(one), dtype=bool)
    a, b = one[away], other[away]
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Orientation:
    """Why slopes on flow need not point as Λ does, mean of the symbols, in standard deviations of the bars.

    `trades` is the slope of best-level flow on own trades beside the own move: below 0 if quotes that come after trades
    take back a part of their flow. `flow` (K, K) are the slopes of row i's move on the best-level flow of all, and
    `beside_trades` (K, K) those with the own trades beside them.
    """

    trades: float
    flow: Float
    beside_trades: Float


def measure_orientation(basket: Basket) -> Orientation:
    """Measure the orientation of the slopes on flow, in sample."""
    time, rows = basket.table["bar_close"].to_numpy(), np.arange(basket.table.height)
    best = reduce_flow(basket, KINDS[0], rows, rows)
    flow, move, trades = (_standardise(x) for x in (best, basket.move, basket.trades))
    count = len(basket.symbols)
    own = [fit_slopes(np.column_stack([move[:, i], trades[:, i]]), flow[:, i], time).value[1] for i in range(count)]
    plain = [fit_slopes(flow, move[:, i], time).value for i in range(count)]
    beside = [fit_slopes(np.column_stack([flow, trades[:, i]]), move[:, i], time).value[:-1] for i in range(count)]
    return Orientation(float(np.mean(own)), np.array(plain), np.array(beside))


def _standardise(x: Float) -> Float:
    """Standardise the columns of x (n, k); NaN where one does not vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x - x.mean(axis=0)) / x.std(axis=0)
