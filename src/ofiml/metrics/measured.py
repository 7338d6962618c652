"""Predictions as the measures see them, and the measures by name."""

from dataclasses import dataclass

import polars as pl

from ofiml._typing import Float, TaskType
from ofiml._typing import Int64 as Int
from ofiml.metrics import scores as metrics

PROBABILITIES = ("p_down", "p_flat", "p_up")  # columns of predictions, where the target is a direction


def measures(task: TaskType, quantile: float | None) -> list[str]:
    """Names of the measures that forecasts of a `task`, or of a `quantile` of the label, have."""
    of_direction = ["auc", "log_loss", "brier"] if task == "classification" else []
    return ["r2", "ic", "rank_ic", "hit_rate", *of_direction, *([] if quantile is None else ["pinball", "coverage"])]


@dataclass(frozen=True, slots=True)
class Judged:
    """Outcomes `y`, forecasts `y_hat` and the mean of each row's train labels, (n,) each; of a direction also `up`,
    P(up | the mid moves), (n,), and of a quantile which.
    """

    y: Float
    y_hat: Float
    train_mean: Float
    up: Float | None = None
    quantile: float | None = None

    @classmethod
    def of(cls, predictions: pl.DataFrame, quantile: float | None) -> "Judged":
        """The rows of a table of predictions, of this quantile or (None) of the expectation."""
        y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
        return cls(y, y_hat, mean, _up(predictions), quantile)

    def take(self, rows: Int) -> "Judged":
        up = None if self.up is None else self.up[rows]
        return Judged(self.y[rows], self.y_hat[rows], self.train_mean[rows], up, self.quantile)

    def measure(self, name: str) -> float:
        """The measure of that name."""
        match name:
            case "r2":
                return metrics.r2(self.y, self.y_hat, self.train_mean)
            case "log_loss" | "brier":
                assert self.up is not None, "only a direction has probabilities"
                return (metrics.log_loss if name == "log_loss" else metrics.brier)(self.y, self.up)
            case "pinball":
                assert self.quantile is not None, "only a quantile has a pinball loss"
                return metrics.pinball(self.y, self.y_hat, self.quantile)
        return _OF_TWO[name](self.y, self.y_hat)


_OF_TWO = {
    "ic": metrics.ic,
    "rank_ic": metrics.rank_ic,
    "hit_rate": metrics.hit_rate,
    "auc": metrics.auc,
    "coverage": metrics.coverage,
}


def _up(predictions: pl.DataFrame) -> Float | None:
    if not set(PROBABILITIES) <= set(predictions.columns):
        return None
    return metrics.up_if_moved(predictions.select(PROBABILITIES).to_numpy())
