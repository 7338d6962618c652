"""The protocol of all splitters, and the splitter of a config."""

from dataclasses import dataclass
from typing import Protocol

from ofiml.config import Combinatorial as CombinatorialConfig
from ofiml.config import Split
from ofiml.config import WalkForward as WalkForwardConfig
from ofiml.splits.combinatorial import Combinatorial
from ofiml.splits.fold import Fold
from ofiml.splits.rows import Rows
from ofiml.splits.session_out import LeaveOneSessionOut
from ofiml.splits.walk_forward import WalkForward


class Splitter(Protocol):
    """The protocol of splitters. A splitter divides rows in time order into folds in which no train row overlaps a test
    row in time. Its text describes the division.
    """

    def split(self, rows: Rows) -> list[Fold]:
        """Divide the rows into folds. Raises DataError for rows that cannot be divided as configured."""
        ...

    def __str__(self) -> str: ...


def build_splitter(config: Split) -> Splitter:
    """Build the splitter of the config."""
    if isinstance(config, WalkForwardConfig):
        return WalkForward(config.by, config.n_folds, config.first_train, config.window, config.embargo_ns)
    if isinstance(config, CombinatorialConfig):
        return Combinatorial(config.by, config.n_groups, config.n_test_groups, config.embargo_ns)
    return LeaveOneSessionOut(config.embargo_ns)


@dataclass(frozen=True, slots=True)
class DividedRows:
    """Rows and their folds."""

    rows: Rows
    folds: list[Fold]
