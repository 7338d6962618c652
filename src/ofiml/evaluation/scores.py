"""The measures of a study's out-of-sample predictions: pooled with intervals and t-statistics, by fold, by symbol."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml._typing import Int64, TaskType
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.oracle import OracleSkill
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.false_discovery import compute_q_values
from ofiml.metrics.hac import HacStatistics, compute_hac_statistics, count_max_overlap
from ofiml.metrics.measures import Forecast, Measure, list_measures
from ofiml.metrics.scores import condition_on_move
from ofiml.training.columns import PROBABILITIES

# The columns that scores read. Predictions have many more, which each division into parts would copy.
_SCORED = (
    *("symbol", "session", "bar_close", "label_start", "label_end", "fold", "path"),
    *("y", "y_hat", "train_mean", *PROBABILITIES),
)


@dataclass(frozen=True, slots=True)
class FoldScores:
    """The measures of one fold's predictions over `rows` rows."""

    fold: int
    rows: int
    values: dict[Measure, float] = field(metadata={"prefix": ""})


@dataclass(frozen=True, slots=True)
class PathScores:
    """The measures of one path, a history that contains every tested bar once."""

    path: int
    rows: int
    values: dict[Measure, float] = field(metadata={"prefix": ""})


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """The settings of the intervals: the number of bootstrap `samples`, the number of `blocks`, and the `level`."""

    samples: int
    level: float
    blocks: int


@dataclass(frozen=True, slots=True)
class SymbolScore:
    """The IC of one symbol with its interval, its HAC t and p, and its false-discovery rates: `q` under independence
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
    """The scores of the predictions. `paths` is None without several paths, `symbols` without several symbols, and
    `oracle` unless the market is simulated.
    """

    pooled: dict[Measure, Estimate]
    folds: list[FoldScores]
    bootstrap: BootstrapSettings
    hac: HacStatistics
    paths: list[PathScores] | None = None
    symbols: list[SymbolScore] | None = None
    oracle: OracleSkill | None = None


def read_forecast(predictions: pl.DataFrame, quantile: float | None) -> Forecast:
    """Read forecasts of this quantile, or of the expectation (None), from a table of predictions."""
    y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    up = None
    if set(PROBABILITIES) <= set(predictions.columns):
        up = condition_on_move(predictions.select(PROBABILITIES).to_numpy())
    return Forecast(y, y_hat, mean, up, quantile)


def score_predictions(
    predictions: pl.DataFrame, bootstrap: BlockBootstrap, *, task: TaskType, quantile: float | None
) -> Scores:
    """Score the predictions of a `task`, or of a `quantile` of the label.

    With several paths the rows of all are pooled. A block of time contains the rows of every path, so that predictions
    of the same row do not count as independent. `compare_with_oracle` adds the oracle.
    """
    predictions = predictions.select(column for column in _SCORED if column in predictions.columns)
    block = bootstrap.number_blocks(predictions)
    folds = [FoldScores(*part) for part in _score_parts("fold", predictions, task, quantile)]
    paths = None
    if "path" in predictions.columns:
        paths = [PathScores(*part) for part in _score_parts("path", predictions, task, quantile)]
    return Scores(
        pooled=_score_pooled(read_forecast(predictions, quantile), task, block, bootstrap),
        folds=folds,
        bootstrap=BootstrapSettings(bootstrap.samples, bootstrap.level, int(block.max()) + 1),
        hac=_test_skill(predictions),
        paths=paths,
        symbols=_score_symbols(predictions, bootstrap),
    )


def _score_pooled(
    forecast: Forecast, task: TaskType, block: Int64, bootstrap: BlockBootstrap
) -> dict[Measure, Estimate]:
    intervals = bootstrap.estimate_intervals(forecast, list_measures(task, forecast.quantile), block)
    return {name: Estimate(forecast.measure(name), *ends) for name, ends in intervals.items()}


def _score_parts(
    part: str, predictions: pl.DataFrame, task: TaskType, quantile: float | None
) -> list[tuple[int, int, dict[Measure, float]]]:
    """Compute number, rows and measures of each fold, or of each path."""
    parts = []
    for (index,), rows in sorted(predictions.partition_by(part, as_dict=True).items()):
        forecast = read_forecast(rows, quantile)
        values = {name: forecast.measure(name) for name in list_measures(task, quantile)}
        parts.append((index, rows.height, values))
    return parts


def _score_symbols(predictions: pl.DataFrame, bootstrap: BlockBootstrap) -> list[SymbolScore] | None:
    """Score each symbol; None for a single symbol."""
    if predictions["symbol"].n_unique() < 2:
        return None
    groups = [(str(key[0]), rows) for key, rows in predictions.group_by("symbol", maintain_order=True)]
    tests = [_test_skill(rows).ic for _, rows in groups]
    q, q_any = compute_q_values(np.array([test.p for test in tests], np.float64))
    scores = []
    for i, (symbol, rows) in enumerate(groups):
        forecast = read_forecast(rows, None)
        low, high = bootstrap.estimate_intervals(forecast, ["ic"], bootstrap.number_blocks(rows))["ic"]
        value, test = forecast.measure("ic"), tests[i]
        scores.append(SymbolScore(symbol, rows.height, value, low, high, test.t, test.p, float(q[i]), float(q_any[i])))
    return scores


def _test_skill(rows: pl.DataFrame) -> HacStatistics:
    if "path" in rows.columns:  # the tests sum the rows of one time, over all paths
        rows = rows.sort("bar_close", maintain_order=True)
    y, y_hat, time = (rows[c].to_numpy() for c in ("y", "y_hat", "bar_close"))
    return compute_hac_statistics(y, y_hat, time, count_overlaps(rows))


def count_overlaps(rows: pl.DataFrame) -> int:
    """Count, for each label, the later times that it overlaps; return the maximum."""
    return count_max_overlap(*(rows[c].to_numpy() for c in ("label_start", "label_end")))
