"""How rows are divided into train and test."""

from dataclasses import dataclass
from math import comb

from ofiml.config.checks import one_of, require
from ofiml.units import duration

_BY = ("rows", "session", "time")
_MOST_FOLDS = 1000


@dataclass(slots=True)
class Split:
    """What all splits have; `session_out` has no more."""

    name: str
    embargo: str

    def __post_init__(self) -> None:
        duration(self.embargo, "split.embargo")

    @property
    def embargo_ns(self) -> int:
        return duration(self.embargo, "split.embargo")

    @property
    def trains_on_later(self) -> bool:
        """Whether rows that come after the test block train: cross-validation, which nobody could have traded."""
        return True


@dataclass(slots=True)
class WalkForward(Split):
    by: str
    folds: int
    first_train: float
    window: float | None

    def __post_init__(self) -> None:
        Split.__post_init__(self)
        one_of("split.by", self.by, _BY)
        require(self.folds >= 1, "split.folds must be at least 1.")
        require(0 < self.first_train < 1, "split.first_train must lie in (0, 1): the share of rows before fold 0.")
        require(self.name == "rolling" or self.window is None, "split.window belongs to split=rolling: leave it null.")
        if self.name == "rolling":
            ok = self.window is not None and 0 < self.window <= self.first_train
            require(ok, "split.window must lie in (0, split.first_train]: the share of all rows in a rolling window.")

    @property
    def trains_on_later(self) -> bool:
        return False


@dataclass(slots=True)
class Combinatorial(Split):
    by: str
    groups: int
    tested: int

    def __post_init__(self) -> None:
        Split.__post_init__(self)
        one_of("split.by", self.by, _BY)
        require(
            1 <= self.tested < self.groups,
            "split.tested must lie between 1 and split.groups - 1: the other groups are what trains.",
        )
        require(
            self.groups <= _MOST_FOLDS and comb(self.groups, self.tested) <= _MOST_FOLDS,
            f"split.groups={self.groups} with split.tested={self.tested} makes more than {_MOST_FOLDS} folds: lower "
            "them.",
        )
