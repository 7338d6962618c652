"""The variation of results with the seed: the same study with other seeds of the model's random choices."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml._typing import TaskType
from ofiml.metrics.estimates import Spread
from ofiml.metrics.measures import Forecast, Measure, list_measures
from ofiml.training.columns import name_seed_column, name_seed_up_column


@dataclass(frozen=True, slots=True)
class SeedScores:
    """The pooled measures of the study with one seed."""

    seed: int
    values: dict[Measure, float] = field(metadata={"prefix": ""})


@dataclass(frozen=True, slots=True)
class SeedVariation:
    """The measures with each seed, and their spread over the seeds."""

    runs: list[SeedScores]
    measures: dict[Measure, Spread]


def compare_seeds(
    predictions: pl.DataFrame, seeds: list[int], *, task: TaskType, quantile: float | None
) -> SeedVariation | None:
    """Compare the measures of the predictions with each seed; None without seeds.

    The spread of one seed has sd 0. If a measure is not defined with one of the seeds, its spread is NaN.
    """
    if not seeds:
        return None
    y, mean = predictions["y"].to_numpy(), predictions["train_mean"].to_numpy()
    names = list_measures(task, quantile)
    runs = []
    for seed in seeds:
        up = predictions[name_seed_up_column(seed)].to_numpy() if task == "classification" else None
        forecast = Forecast(y, predictions[name_seed_column(seed)].to_numpy(), mean, up, quantile)
        runs.append(SeedScores(seed, {name: forecast.measure(name) for name in names}))
    return SeedVariation(runs, {name: _compute_spread([run.values[name] for run in runs]) for name in names})


def _compute_spread(numbers: list[float]) -> Spread:
    values = np.array(numbers)
    low, high = float(values.min()), float(values.max())
    if low == high:  # the rounded mean of equal values may differ from them
        return Spread(low, 0.0, low, high)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else high - low
    return Spread(float(values.mean()), deviation, low, high)
