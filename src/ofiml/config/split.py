"""How rows are divided into train and test."""

from dataclasses import dataclass

from ofiml.config.checks import require
from ofiml.units import duration


@dataclass(slots=True)
class WalkForward:
    name: str
    folds: int
    first_train: float
    embargo: str
    window: float | None

    def __post_init__(self) -> None:
        require(self.folds >= 1, "split.folds must be at least 1.")
        require(0 < self.first_train < 1, "split.first_train must lie in (0, 1): the share of rows before fold 0.")
        duration(self.embargo, "split.embargo")
        require(self.name == "rolling" or self.window is None, "split.window belongs to split=rolling: leave it null.")
        if self.name == "rolling":
            ok = self.window is not None and 0 < self.window <= self.first_train
            require(ok, "split.window must lie in (0, split.first_train]: the share of all rows in a rolling window.")

    @property
    def embargo_ns(self) -> int:
        return duration(self.embargo, "split.embargo")
