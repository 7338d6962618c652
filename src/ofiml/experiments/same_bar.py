"""How much of the move of the same bar features explain: out of sample by purged folds, and fitted on the same bars."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.experiments.intervals import compute_interval
from ofiml.metrics.measures import Forecast
from ofiml.metrics.paired import draw_skill
from ofiml.splits.fold import Fold


@dataclass(frozen=True, slots=True)
class Explained:
    """The R² of a fit on the tested bars themselves, the R² out of sample with its interval, and the R² out of sample
    added to a reference with its interval.
    """

    in_sample: float
    out: float
    low: float
    high: float
    added: float
    added_low: float
    added_high: float


def fit_line(x: Float, y: Float, at: Float) -> Float:
    """Fit y (n,) on x (n, k) and a constant by least squares, and predict `at` (m, k); return (m,)."""
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = np.inf  # a constant column explains nothing
    beta = np.linalg.lstsq((x - mean) / scale, y - y.mean(), rcond=None)[0]
    return y.mean() + ((at - mean) / scale) @ beta


def forecast_folds(x: Float, y: Float, folds: Sequence[Fold]) -> Forecast:
    """Fit each fold on its train rows of x (n, k) and predict its test rows, in order of the folds."""
    y_hat = [fit_line(x[fold.train], y[fold.train], x[fold.test]) for fold in folds]
    mean = [np.full(len(fold.test), y[fold.train].mean()) for fold in folds]
    return Forecast(y[_join_tests(folds)], np.concatenate(y_hat), np.concatenate(mean))


def explain_moves(
    features: dict[str, Float], reference: str, table: pl.DataFrame, folds: Sequence[Fold], bootstrap: BlockBootstrap
) -> dict[str, Explained]:
    """Explain the moves (`move_ticks` of `table`, one row per bar) by each of `features` (n, k) alone.

    Intervals are those of a bootstrap of blocks of time, NaN with fewer than 8; differences to the `reference` use the
    same draws.
    """
    y, tested = table["move_ticks"].to_numpy(), _join_tests(folds)
    block = bootstrap.number_blocks(table[tested], int((table["bar_close"] - table["bar_open"]).max()))  # type: ignore[arg-type]
    forecasts = {name: forecast_folds(x, y, folds) for name, x in features.items()}
    draws = {
        name: draw_skill(one, block, draws=bootstrap.samples, seed=bootstrap.seed).r2 for name, one in forecasts.items()
    }
    base = forecasts[reference].measure("r2")
    return {
        name: Explained(
            _fit_r2(x[tested], y[tested]),
            forecasts[name].measure("r2"),
            *compute_interval(draws[name], block, bootstrap),
            forecasts[name].measure("r2") - base,
            *compute_interval(draws[name] - draws[reference], block, bootstrap),
        )
        for name, x in features.items()
    }


def _fit_r2(x: Float, y: Float) -> float:
    return Forecast(y, fit_line(x, y, x), np.full(len(y), y.mean())).measure("r2")


def _join_tests(folds: Sequence[Fold]) -> Int64:
    return np.concatenate([fold.test for fold in folds])
