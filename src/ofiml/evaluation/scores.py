"""The measures of a study's out-of-sample predictions: pooled with intervals and t-statistics, by fold, by symbol."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._typing import TaskType
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.oracle import OracleSkill
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.false_discovery import q_values
from ofiml.metrics.hac import HacStatistics, hac_statistics, max_overlap
from ofiml.metrics.measures import Forecast, Measure, list_measures
from ofiml.metrics.scores import (
    auc,
    ic,
    places,
    rank_ic,
    up_if_moved,
)
from ofiml.training.columns import PROBABILITIES

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FoldScores:
    """The measures of one fold's predictions, of so many `rows`."""

    fold: int
    rows: int
    values: dict[Measure, float] = field(metadata={"prefix": ""})


@dataclass(frozen=True, slots=True)
class PathScores:
    """The measures of one path, a history that holds every tested bar once."""

    path: int
    rows: int
    values: dict[Measure, float] = field(metadata={"prefix": ""})


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """What the intervals rest on: how many `samples` of how many `blocks`, at which `level`."""

    samples: int
    level: float
    blocks: int


@dataclass(frozen=True, slots=True)
class SymbolScore:
    """One symbol's IC with its interval, its HAC t and p, and its false-discovery rates: `q` under independence
    (Benjamini-Hochberg), `q_any` under any dependence (Benjamini-Yekutieli).
    """

    symbol: str
    rows: int
    ic: float
    low: float
    high: float
    t: float
    p: float
    q: float
    q_any: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that is measured of the predictions. `paths` is None unless rows are predicted in several, `symbols`
    unless there are several, `oracle` unless the market is simulated.
    """

    pooled: dict[Measure, Estimate]
    folds: list[FoldScores]
    bootstrap: BootstrapSettings
    hac: HacStatistics
    paths: list[PathScores] | None = None
    symbols: list[SymbolScore] | None = None
    oracle: OracleSkill | None = None


def read_forecast(predictions: pl.DataFrame, quantile: float | None) -> Forecast:
    """Read the columns of a table of predictions, of this quantile or (None) of the expectation."""
    y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    up = None
    if set(PROBABILITIES) <= set(predictions.columns):
        up = up_if_moved(predictions.select(PROBABILITIES).to_numpy())
    return Forecast(y, y_hat, mean, up, quantile)


def score_predictions(
    predictions: pl.DataFrame, bootstrap: BlockBootstrap, *, task: TaskType, quantile: float | None
) -> Scores:
    """Measure the predictions of a `task`, or of a `quantile` of the label.

    Where rows are predicted in several paths, the rows of all are pooled, in blocks of time that hold a moment's rows
    of every path, so that a row's repetitions do not count as independent. The oracle is left to
    `compare_with_oracle`.
    """
    block = bootstrap.number_blocks(predictions)
    folds = [FoldScores(*part) for part in _score_parts("fold", predictions, task, quantile)]
    paths = None
    if "path" in predictions.columns:
        paths = [PathScores(*part) for part in _score_parts("path", predictions, task, quantile)]
    return Scores(
        pooled=_score_pooled(read_forecast(predictions, quantile), task, block, bootstrap),
        folds=folds,
        bootstrap=BootstrapSettings(bootstrap.samples, bootstrap.level, int(block.max()) + 1),
        hac=_test(predictions),
        paths=paths,
        symbols=_score_symbols(predictions, bootstrap),
    )


def _score_pooled(forecast: Forecast, task: TaskType, block: Int, bootstrap: BlockBootstrap) -> dict[Measure, Estimate]:
    ranked = _measures_of_ranks(forecast.y, forecast.y_hat)
    pooled = {}
    for name in list_measures(task, forecast.quantile):

        def resample(rows: Int, name: Measure = name) -> float:
            return ranked[name](rows) if name in ranked else forecast.take(rows).measure(name)

        pooled[name] = Estimate(forecast.measure(name), *bootstrap.interval(resample, block))
    return pooled


def _score_parts(
    part: str, predictions: pl.DataFrame, task: TaskType, quantile: float | None
) -> list[tuple[int, int, dict[Measure, float]]]:
    """Number, rows and measures of each fold, or of each path."""
    parts = []
    for index in predictions[part].unique().sort().to_list():
        rows = predictions.filter(pl.col(part) == index)
        forecast = read_forecast(rows, quantile)
        values = {name: forecast.measure(name) for name in list_measures(task, quantile)}
        parts.append((index, rows.height, values))
    return parts


def _measures_of_ranks(y: Float, y_hat: Float) -> dict[Measure, Callable[[Int], float]]:
    """Measures of ranks over resampled rows: the values are sorted once, not in each sample."""
    place, place_hat = places(y), places(y_hat)
    return {
        "rank_ic": lambda rows: rank_ic(place[rows], place_hat[rows]),
        "auc": lambda rows: auc(y[rows], place_hat[rows]),
    }


def _score_symbols(predictions: pl.DataFrame, bootstrap: BlockBootstrap) -> list[SymbolScore] | None:
    """None for one symbol alone."""
    if predictions["symbol"].n_unique() < 2:
        return None
    groups = [(str(key[0]), rows) for key, rows in predictions.group_by("symbol", maintain_order=True)]
    tests = [_test(rows).ic for _, rows in groups]
    q, q_any = q_values(np.array([test.p for test in tests], np.float64))
    scores = []
    for i, (symbol, rows) in enumerate(groups):
        y, y_hat = (rows[c].to_numpy() for c in ("y", "y_hat"))

        def resample(drawn: Int, y: Float = y, y_hat: Float = y_hat) -> float:
            return ic(y[drawn], y_hat[drawn])

        low, high = bootstrap.interval(resample, bootstrap.number_blocks(rows))
        score = SymbolScore(
            symbol, rows.height, ic(y, y_hat), low, high, tests[i].t, tests[i].p, float(q[i]), float(q_any[i])
        )
        scores.append(score)
    return scores


def _test(rows: pl.DataFrame) -> HacStatistics:
    if "path" in rows.columns:  # rows of one time count once, in whichever path
        rows = rows.sort("bar_close", maintain_order=True)
    y, y_hat, time = (rows[c].to_numpy() for c in ("y", "y_hat", "bar_close"))
    return hac_statistics(y, y_hat, time, count_overlaps(rows))


def count_overlaps(rows: pl.DataFrame) -> int:
    """Count the most later times that a label reaches into."""
    return max_overlap(*(rows[c].to_numpy() for c in ("label_start", "label_end")))
