"""The measures by name, and forecasts with their outcomes, the input of the measures."""

from dataclasses import dataclass
from typing import Literal

from ofiml._typing import Bool, Float, Int64, TaskType
from ofiml.metrics import scores

Measure = Literal["r2", "ic", "rank_ic", "hit_rate", "auc", "log_loss", "brier", "pinball", "coverage"]

_OF_ALL: tuple[Measure, ...] = ("r2", "ic", "rank_ic", "hit_rate")
_OF_DIRECTIONS: tuple[Measure, ...] = ("auc", "log_loss", "brier")
_OF_QUANTILES: tuple[Measure, ...] = ("pinball", "coverage")


def list_measures(task: TaskType, quantile: float | None) -> list[Measure]:
    """List the measures of forecasts of a `task`, or of a `quantile` of the label."""
    return [
        *_OF_ALL,
        *(_OF_DIRECTIONS if task == "classification" else ()),
        *(() if quantile is None else _OF_QUANTILES),
    ]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasts with their outcomes: `y`, `y_hat` and the mean of each row's train labels, (n,) each, in time order.

    A direction also has `up`, P(up | the mid moves), (n,). A quantile forecast has its `quantile`.
    """

    y: Float
    y_hat: Float
    train_mean: Float
    up: Float | None = None
    quantile: float | None = None

    def take(self, rows: Int64 | Bool) -> "Forecast":
        """Take rows by index or by mask."""
        up = None if self.up is None else self.up[rows]
        return Forecast(self.y[rows], self.y_hat[rows], self.train_mean[rows], up, self.quantile)

    def measure(self, name: Measure) -> float:
        """Compute the measure of that name; NaN where it is not defined."""
        match name:
            case "r2":
                return scores.r2(self.y, self.y_hat, self.train_mean)
            case "log_loss" | "brier":
                assert self.up is not None, "only a direction has probabilities"
                return (scores.log_loss if name == "log_loss" else scores.brier)(self.y, self.up)
            case "pinball":
                assert self.quantile is not None, "only a quantile has a pinball loss"
                return scores.pinball(self.y, self.y_hat, self.quantile)
        return _OF_TWO[name](self.y, self.y_hat)


_OF_TWO = {
    "ic": scores.ic,
    "rank_ic": scores.rank_ic,
    "hit_rate": scores.hit_rate,
    "auc": scores.auc,
    "coverage": scores.coverage,
}
