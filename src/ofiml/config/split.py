"""The schemas of splits: the division of rows into train and test."""

from dataclasses import dataclass
from math import comb
from typing import Annotated, ClassVar

from ofiml._typing import CutBy, SplitName
from ofiml.config.bounds import Schema, a_duration, at_least, within
from ofiml.config.checks import require
from ofiml.units import parse_duration

_MAX_FOLDS = 1000


@dataclass(slots=True)
class Split(Schema):
    """The config that all splits share; `session_out` has no other."""

    GROUP: ClassVar[str] = "split"

    name: SplitName
    embargo: Annotated[str, a_duration]

    @property
    def embargo_ns(self) -> int:
        """The embargo in ns."""
        return parse_duration(self.embargo, "split.embargo")

    @property
    def trains_on_later(self) -> bool:
        """Whether train rows may follow test rows, as in cross-validation: nobody could have traded such forecasts."""
        return True


@dataclass(slots=True)
class WalkForward(Split):
    """Walk-forward folds.

    `first_train` is the share of rows before fold 0; `window` is the share of rows in the window of a rolling split.
    """

    by: CutBy
    n_folds: Annotated[int, at_least(1)]
    first_train: Annotated[float, within("(0, 1)", ": the share of rows before fold 0")]
    window: float | None

    def __post_init__(self) -> None:
        Split.__post_init__(self)
        require(self.name == "rolling" or self.window is None, "split.window belongs to split=rolling: leave it null.")
        if self.name == "rolling":
            ok = self.window is not None and 0 < self.window <= self.first_train
            require(ok, "split.window must lie in (0, split.first_train]: the share of all rows in a rolling window.")

    @property
    def trains_on_later(self) -> bool:
        return False


@dataclass(slots=True)
class Combinatorial(Split):
    """Combinatorial purged cross-validation: `n_test_groups` of `n_groups` blocks of time are tested in each fold."""

    by: CutBy
    n_groups: int
    n_test_groups: int

    def __post_init__(self) -> None:
        Split.__post_init__(self)
        n, k = self.n_groups, self.n_test_groups
        require(
            1 <= k < n,
            "split.n_test_groups must lie between 1 and split.n_groups - 1: the other groups are the train rows.",
        )
        require(
            n <= _MAX_FOLDS and comb(n, k) <= _MAX_FOLDS,
            f"split.n_groups={n} with split.n_test_groups={k} makes more than {_MAX_FOLDS} folds: lower them.",
        )
