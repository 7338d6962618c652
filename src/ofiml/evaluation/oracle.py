"""What a model reached of what there was: its skill as a share of that of the oracle, who knows the truth."""

from typing import Any

import polars as pl

from ofiml._typing import TaskType
from ofiml.metrics.measured import Judged

_MEASURES: dict[TaskType, list[str]] = {
    "regression": ["r2", "ic", "rank_ic", "hit_rate"],
    "classification": ["rank_ic", "hit_rate", "auc"],
}
_CHANCE = {"hit_rate": 0.5, "auc": 0.5}
_LITTLE = 0.01  # skill of an oracle, of which a share says nothing


def skill(predictions: pl.DataFrame, pooled: dict[str, Any], task: TaskType, planted: bool) -> dict[str, Any]:
    """The oracle's measures over `predictions`, and per measure `share_…`: the model's skill over the oracle's.

    Skill is the distance from chance: 0, or 1/2 for hit rate and AUC. A share is NaN where nothing is planted or the
    oracle has next to no skill. The oracle of a direction is a move in ticks: what depends on its scale (R², IC, log
    loss) does not apply to it.
    """
    y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "oracle", "train_mean"))
    oracle = Judged(y, y_hat, mean)
    found: dict[str, Any] = {"planted": planted}
    for name in _MEASURES[task]:
        best, chance = oracle.measure(name), _CHANCE.get(name, 0.0)
        found[name] = best
        share = planted and best - chance > _LITTLE
        found[f"share_{name}"] = (pooled[name]["value"] - chance) / (best - chance) if share else float("nan")
    return found
