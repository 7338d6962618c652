"""The model's skill as a share of the attainable skill, that of an oracle which knows the truth of a simulation."""

from dataclasses import dataclass, field

import polars as pl

from ofiml._typing import TaskType
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Forecast, Measure

_MEASURES: dict[TaskType, list[Measure]] = {
    "regression": ["r2", "ic", "rank_ic", "hit_rate"],
    "classification": ["rank_ic", "hit_rate", "auc"],
}
_CHANCE: dict[Measure, float] = {"hit_rate": 0.5, "auc": 0.5}
_MIN_ORACLE_SKILL = 0.01  # a share of less is not informative


@dataclass(frozen=True, slots=True)
class OracleSkill:
    """The oracle's measures, and the model's skill as a share of the oracle's. `planted` is true if the simulated
    market contains information. A share is NaN if nothing is planted or the oracle's skill is at most 0.01.
    """

    planted: bool
    values: dict[Measure, float] = field(metadata={"prefix": ""})
    shares: dict[Measure, float] = field(metadata={"prefix": "share_"})


def compare_with_oracle(
    predictions: pl.DataFrame, pooled: dict[Measure, Estimate], *, task: TaskType, planted: bool
) -> OracleSkill | None:
    """Compare the model with the oracle over `predictions`; None without a column `oracle`.

    Skill is the distance from chance, which is 0, or 1/2 for hit rate and AUC. The oracle of a direction is a move in
    ticks, so measures that depend on its scale (R², IC, log loss) do not apply.
    """
    if "oracle" not in predictions.columns:
        return None
    y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "oracle", "train_mean"))
    oracle = Forecast(y, y_hat, mean)
    values: dict[Measure, float] = {}
    shares: dict[Measure, float] = {}
    for name in _MEASURES[task]:
        best, chance = oracle.measure(name), _CHANCE.get(name, 0.0)
        values[name] = best
        defined = planted and best - chance > _MIN_ORACLE_SKILL
        shares[name] = (pooled[name].value - chance) / (best - chance) if defined else float("nan")
    return OracleSkill(planted, values, shares)
