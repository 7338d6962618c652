"""Purged splits inside a fold's train rows, from which models take their validation rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ofiml.splits.fold import Fold
from ofiml.splits.rows import Intervals
from ofiml.splits.walk_forward import build_walk_forward_folds


@dataclass(frozen=True, slots=True)
class Inner:
    """The intervals of a fold's train rows, in time order, and the embargo (ns) of splits inside them."""

    rows: Intervals
    embargo: int

    def folds(self, count: int, *, first_train: float = 0.5, key: str, remedy: str = "fewer folds") -> list[Fold]:
        """Build `count` purged walk-forward folds of these rows. Raises DataError as `build_walk_forward_folds` does;
        messages name the config `key` that sets the number of folds, and the `remedy`.
        """
        return build_walk_forward_folds(
            self.rows, folds=count, first_train=first_train, embargo=self.embargo, key=key, remedy=remedy
        )

    def take(self, positions: NDArray[np.int64] | NDArray[np.bool_]) -> "Inner":
        """Select some of the rows, in time order."""
        rows = self.rows
        return Inner(
            Intervals(rows.first_used[positions], rows.label_start[positions], rows.label_end[positions]), self.embargo
        )
