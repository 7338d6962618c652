"""Linear fits of a bar's move on its flow over levels, in sample and out of sample (Xu, Gould & Howison 2018).

Everything is fitted on the train rows of a fold, the penalty and the outliers included, and scored on its test rows.
One function alone does what a well-known notebook does instead: `fit_seen_outliers`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ofiml._typing import Bool, Float, Int64
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.metrics.block_sums import divide_sums, sum_blocks
from ofiml.metrics.bootstrap import resample_sums
from ofiml.metrics.estimates import Estimate
from ofiml.ofi.reduce import PowellWeights
from ofiml.splits.fold import Fold

#: The share of rows that an isolation forest calls outliers, and its number of trees.
OUTLIER_SHARE = 0.05
_TREES = 50

Mark = Callable[[Float], Bool]


@dataclass(frozen=True, slots=True)
class LinearFit:
    """A linear function of k columns: `weights` (k,) in units of y per unit of the column, and the `intercept`.

    `penalty` is that of a Ridge fit, NaN for others.
    """

    weights: Float
    intercept: float
    penalty: float = float("nan")

    def predict(self, x: Float) -> Float:
        """Predict (n,) from x (n, k)."""
        return np.sum(x * self.weights, axis=1) + self.intercept


Fit = Callable[[Float, Float], LinearFit]


def fit_mean(x: Float, y: Float) -> LinearFit:
    """Fit the mean of y (n,) alone."""
    return LinearFit(np.zeros(x.shape[1]), float(y.mean()))


def fit_least_squares(x: Float, y: Float) -> LinearFit:
    """Fit y (n,) on the columns of x (n, k) and a constant; the shortest solution if they are dependent."""
    mean, scale = x.mean(axis=0), _measure_scale(x)
    weights = np.linalg.lstsq((x - mean) / scale, y - y.mean(), rcond=None)[0] / scale
    return LinearFit(weights, float(y.mean() - mean @ weights))


def make_ridge(alphas: Float, reach: float = float("inf")) -> Fit:
    """Make a Ridge fit on standardised columns; leave-one-out on its rows chooses the penalty among `alphas`.

    A few rows of extreme flow may decide that choice alone. It is made on the rows within `reach` standard deviations
    of their columns' means; the fit with the penalty chosen is on all rows.
    """

    def fit(x: Float, y: Float) -> LinearFit:
        from sklearn.linear_model import Ridge, RidgeCV

        mean, scale = x.mean(axis=0), _measure_scale(x)
        standard = (x - mean) / scale
        near = find_near_rows(standard, reach)
        penalty = float(RidgeCV(alphas=alphas).fit(standard[near], y[near]).alpha_)
        weights = Ridge(alpha=penalty).fit(standard, y).coef_ / scale
        return LinearFit(weights, float(y.mean() - mean @ weights), penalty)

    return fit


def make_lasso(penalties: int = 30, parts: int = 5) -> Fit:
    """Make a LASSO fit on standardised columns (Tibshirani 1996). The penalty, among `penalties` on a logarithmic
    scale, is the one with the lowest error over `parts` successive parts of the rows, each left out in turn.
    """

    def fit(x: Float, y: Float) -> LinearFit:
        from sklearn.linear_model import LassoCV
        from sklearn.model_selection import KFold

        mean, scale = x.mean(axis=0), _measure_scale(x)
        lasso = LassoCV(alphas=penalties, cv=KFold(parts)).fit((x - mean) / scale, y)
        weights = lasso.coef_ / scale
        return LinearFit(weights, float(y.mean() - mean @ weights), float(lasso.alpha_))

    return fit


def find_near_rows(x: Float, reach: float) -> Bool:
    """Find the rows of x (n, k) that are within `reach` standard deviations of the mean in each column, (n,)."""
    return np.asarray((np.abs(x - x.mean(axis=0)) <= reach * _measure_scale(x)).all(axis=1))


def fit_powell(x: Float, y: Float) -> LinearFit:
    """Fit a line of y (n,) on the sum of flow x (n, levels) with the non-negative weights of Powell's search."""
    reducer = PowellWeights(["mlofi_powell"]).fit(x, y)
    line = fit_least_squares(reducer.transform(x), y)
    assert reducer.weights is not None
    return LinearFit(line.weights[0] * reducer.weights, line.intercept)


def _measure_scale(x: Float) -> Float:
    scale = x.std(axis=0)
    return np.where(scale > 0, scale, 1.0)


@dataclass(frozen=True, slots=True)
class FoldErrors:
    """The errors of one way to fit: `inside` on the train rows of all folds and `outside` on their test rows, (n,) each
    and in units of y, the `weights` (folds, k), and the `penalties` (folds,), NaN without one.
    """

    inside: Float
    outside: Float
    weights: Float
    penalties: Float

    @property
    def rmse(self) -> tuple[float, float]:
        """The root mean squared error in sample and out of sample."""
        return compute_rmse(self.inside), compute_rmse(self.outside)


def fit_folds(x: Float, y: Float, folds: Sequence[Fold], fit: Fit) -> FoldErrors:
    """Fit each fold on its train rows of x (n, k) and y (n,), and collect the errors fold by fold."""
    inside, outside, fits = [], [], []
    for fold in folds:
        fitted = fit(x[fold.train], y[fold.train])
        inside.append(y[fold.train] - fitted.predict(x[fold.train]))
        outside.append(y[fold.test] - fitted.predict(x[fold.test]))
        fits.append(fitted)
    return FoldErrors(
        np.concatenate(inside),
        np.concatenate(outside),
        np.array([fitted.weights for fitted in fits]),
        np.array([fitted.penalty for fitted in fits]),
    )


def compute_rmse(errors: Float) -> float:
    """Compute the root mean square of the errors (n,); NaN without any."""
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else float("nan")


def estimate_rmse_gain(base: Float, errors: Float, block: Int64, bootstrap: BlockBootstrap) -> Estimate:
    """Estimate by how much the RMSE of `errors` (n,) is below that of `base` (n,), as a share of it, with its interval.

    `block` (n,) numbers the block of time of each row. Both use the same draws. NaN ends with fewer than 2 blocks.
    """
    value = 1.0 - compute_rmse(errors) / compute_rmse(base)
    sums = resample_sums(sum_blocks([base**2, errors**2], block), samples=bootstrap.samples, seed=bootstrap.seed)
    draws = 1.0 - np.sqrt(divide_sums(sums[:, 1], sums[:, 0]))
    return Estimate(value, *bootstrap.compute_interval(draws, block))


# --- outliers --------------------------------------------------------------------------------------------------------


def learn_outliers(x: Float, seed: int) -> Mark:
    """Learn from x (n, k) what an outlier is, by an isolation forest; return the function that marks rows, (m,)."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=_TREES, contamination=OUTLIER_SHARE, random_state=seed).fit(x)

    def mark(rows: Float) -> Bool:
        return np.asarray(forest.predict(rows) < 0)

    return mark


@dataclass(frozen=True, slots=True)
class OutlierFits:
    """The R² of a line through one column out of sample, each against the train mean of its rows.

    `all` is fitted on all train rows; `trimmed` without the outliers of their flow. Both are scored on all test rows.
    `all_kept` and `trimmed_kept` are the same fits on the test rows that the forest of the train rows keeps, which it
    knows from flow alone.
    """

    all: float
    trimmed: float
    all_kept: float
    trimmed_kept: float


def fit_without_flow_outliers(x: Float, y: Float, folds: Sequence[Fold], seed: int) -> OutlierFits:
    """Fit lines of y (n,) on one column x (n, 1) by fold, with and without the outliers of x in its train rows."""
    terms = []
    for fold in folds:
        train, test, y_train = x[fold.train], x[fold.test], y[fold.train]
        mark = learn_outliers(train, seed)
        kept, kept_test = ~mark(train), ~mark(test)
        total = y[fold.test] - y_train.mean()
        whole = y[fold.test] - fit_least_squares(train, y_train).predict(test)
        trimmed = y[fold.test] - fit_least_squares(train[kept], y_train[kept]).predict(test)
        terms.append(np.column_stack([total, whole, trimmed, kept_test]))
    total, whole, trimmed, kept = np.concatenate(terms).T
    inner = kept > 0
    return OutlierFits(
        _compute_r2(whole, total),
        _compute_r2(trimmed, total),
        _compute_r2(whole[inner], total[inner]),
        _compute_r2(trimmed[inner], total[inner]),
    )


@dataclass(frozen=True, slots=True)
class SeenOutliers:
    """What a forest of the whole sample does to a line through it, in sample; errors are in units of y.

    `r2` and `rmse` are of all rows, `trimmed_r2` and `trimmed_rmse` of a line through the rows that the forest keeps,
    scored on them alone. `dropped_variance` is the share of Σ(y - mean)² in the rows that it drops, and `dropped` their
    share of the rows.
    """

    r2: float
    trimmed_r2: float
    rmse: float
    trimmed_rmse: float
    dropped_variance: float
    dropped: float


def fit_seen_outliers(x: Float, y: Float, seed: int, *, with_target: bool) -> SeenOutliers:
    """Fit a line of y (n,) on one column x (n, 1) with and without the outliers of the whole sample, in sample.

    `with_target` is what the notebook does: its forest reads flow and move together. Then the rows that remain are
    chosen by the errors that they will have; the numbers are not a result.
    """
    seen = np.column_stack([x, y]) if with_target else x
    kept = ~learn_outliers(seen, seed)(seen)
    error = y - fit_least_squares(x, y).predict(x)
    inner = y[kept] - fit_least_squares(x[kept], y[kept]).predict(x[kept])
    total = (y - y.mean()) ** 2
    return SeenOutliers(
        r2=_compute_r2(error, y - y.mean()),
        trimmed_r2=_compute_r2(inner, y[kept] - y[kept].mean()),
        rmse=compute_rmse(error),
        trimmed_rmse=compute_rmse(inner),
        dropped_variance=float(total[~kept].sum() / total.sum()) if total.sum() > 0 else float("nan"),
        dropped=float(np.mean(~kept)),
    )


def _compute_r2(errors: Float, totals: Float) -> float:
    total = float(totals @ totals)
    return 1.0 - float(errors @ errors) / total if total > 0 else float("nan")
