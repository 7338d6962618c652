"""What the levels of a market give, as `mlofi_ridge` shows it."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.config import RidgeOfi
from ofiml.errors import DataError
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.level_fits import (
    FoldErrors,
    OutlierFits,
    SeenOutliers,
    estimate_rmse_gain,
    find_near_rows,
    fit_folds,
    fit_least_squares,
    fit_mean,
    fit_powell,
    fit_seen_outliers,
    fit_without_flow_outliers,
    make_ridge,
)
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.intervals import drop_interval
from ofiml.experiments.rows import FoldedRows, fold_rows
from ofiml.metrics.distances import compute_spectrum, ks_distance
from ofiml.metrics.estimates import Estimate

#: Standard deviations beyond which a bar's flow does not choose the penalty of the second Ridge.
REACH = 10.0


@dataclass(frozen=True, slots=True)
class Levels:
    """What the levels of a market give.

    Errors, in ticks, are by the number of levels from 1; `near_ridge` chooses its penalty without the bars beyond
    `REACH`, of which there are `far_bars`. Lines are by level. `ks` (2, levels, levels) is in lots and in standard
    deviations; `correlation` is (levels, levels), the spectra (levels,), and `flow` (n, levels), in lots.
    """

    rows: FoldedRows
    mean: FoldErrors
    ols: list[FoldErrors]
    ridge: list[FoldErrors]
    powell: FoldErrors
    near_ridge: FoldErrors
    far_bars: int
    ridge_gain: Estimate
    near_gain: Estimate
    ridge_over_ols: Estimate
    ridge_over_powell: Estimate
    lines: list[OutlierFits]
    seen: list[SeenOutliers]
    flow_only: list[SeenOutliers]
    ks: Float
    correlation: Float
    spectrum: Float
    depth_spectrum: Float
    flow: Float


def measure_levels(bench: Bench, market: Market) -> Levels:
    """Fit the levels of a market. Raises what a study does, and DataError for a market with one level."""
    folded = fold_rows(bench, market, "experiment=mlofi_ridge")
    config, flow, y, folds = folded.config, folded.read_flow(), folded.rows["y"].to_numpy(), folded.folds
    assert isinstance(config.ofi, RidgeOfi)
    if folded.levels < 2:
        raise DataError(f"{market.name}: the data have one level; this experiment compares levels and needs two.")
    alphas = np.logspace(config.ofi.log10_alpha_low, config.ofi.log10_alpha_high, config.ofi.alphas)
    ridge = make_ridge(alphas)
    counts = range(1, folded.levels + 1)
    ols_fits, ridge_fits = (
        [fit_folds(flow[:, :m], y, folds, fit) for m in counts] for fit in (fit_least_squares, ridge)
    )
    near = fit_folds(flow, y, folds, make_ridge(alphas, REACH))
    powell, columns = fit_folds(flow, y, folds, fit_powell), [flow[:, [m]] for m in range(folded.levels)]
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    block = bootstrap.number_blocks(folded.rows[folded.tested])

    def compare(base: FoldErrors, other: FoldErrors) -> Estimate:
        return drop_interval(estimate_rmse_gain(base.outside, other.outside, block, bootstrap), int(block.max()) + 1)

    unit = flow / np.where(flow.std(axis=0) > 0, flow.std(axis=0), 1.0)
    return Levels(
        rows=folded,
        mean=fit_folds(flow, y, folds, fit_mean),
        ols=ols_fits,
        ridge=ridge_fits,
        powell=powell,
        near_ridge=near,
        far_bars=int((~find_near_rows(flow, REACH)).sum()),
        near_gain=compare(ols_fits[0], near),
        ridge_gain=compare(ols_fits[0], ridge_fits[-1]),
        ridge_over_ols=compare(ols_fits[-1], ridge_fits[-1]),
        ridge_over_powell=compare(powell, ridge_fits[-1]),
        lines=[fit_without_flow_outliers(x, y, folds, config.seed) for x in columns],
        seen=[fit_seen_outliers(x, y, config.seed, with_target=True) for x in columns],
        flow_only=[fit_seen_outliers(x, y, config.seed, with_target=False) for x in columns],
        ks=np.array([[[ks_distance(a, b) for b in kind.T] for a in kind.T] for kind in (flow, unit)]),
        correlation=_correlate(flow),
        spectrum=compute_spectrum(flow, standardise=True),
        depth_spectrum=compute_spectrum(folded.read_flow("depth"), standardise=False),
        flow=flow,
    )


def _correlate(flow: Float) -> Float:
    """Correlate the columns of flow (n, levels), (levels, levels); NaN for a level without variation."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.atleast_2d(np.corrcoef(flow, rowvar=False))
