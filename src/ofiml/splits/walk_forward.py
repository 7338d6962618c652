"""Walk-forward folds over rows in time order, purged by label time, with an embargo.

>>> import numpy as np
>>> t = np.arange(10) * 10
>>> rows = Intervals(first_used=t - 10, label_start=t, label_end=t + 15)
>>> for fold in build_walk_forward_folds(rows, folds=2, first_train=0.5, embargo=0):
...     print(fold)
fold 0: train 0..3 (4 rows), purged 1, embargoed 0, test 5..7 (3 rows)
fold 1: train 0..6 (7 rows), purged 1, embargoed 0, test 8..9 (2 rows)
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ofiml.errors import DataError
from ofiml.splits.blocks import build_ruler, place_block_borders, select_rows, select_test_rows
from ofiml.splits.fold import Fold, Span, build_purged_fold
from ofiml.splits.rows import Intervals, Rows

__all__ = ["Fold", "Intervals", "WalkForward", "build_walk_forward_folds"]


@dataclass(frozen=True, slots=True)
class WalkForward:
    """A splitter with `folds` test blocks that tile everything after the first `first_train` share; each block follows
    its train rows.

    `by` sets the unit of shares and blocks: rows, whole dates, or trading time. All rows before a block train, or with
    `window` only the last `window` share of the whole before it. Train rows are purged by label time, with an embargo
    of `embargo` ns.
    """

    by: str
    folds: int
    first_train: float
    window: float | None
    embargo: int

    def split(self, rows: Rows) -> list[Fold]:
        """Divide the rows into folds. Raises DataError for too few rows or dates, or a fold without train or test."""
        marks = build_ruler(rows, self.by)
        begin = int(self.first_train * marks.total)
        if marks.total - begin < self.folds or begin == 0:
            raise DataError(
                f"{marks.total} {marks.word} are too few for split.n_folds={self.folds} after the first "
                f"{self.first_train:g} of them: give more data, or fewer folds."
            )
        result = []
        for index, (a, b) in enumerate(pairwise(place_block_borders(begin, marks.total, self.folds))):
            oldest = 0 if self.window is None else max(0, a - round(self.window * marks.total))
            start, until = marks.find_instant(a), marks.find_instant(b)
            test = select_test_rows(rows, start, until, index, "fold", "use fewer folds, or split.by=rows")
            candidates = select_rows(rows, marks.find_instant(oldest), start)
            result.append(build_purged_fold(index, rows, candidates, test, self.embargo, [Span(start, until)]))
        return result

    def __str__(self) -> str:
        window = "expanding" if self.window is None else f"rolling over {self.window:g} of the whole"
        return f"walk-forward, {window}, {self.folds} folds by {self.by}"


def build_walk_forward_folds(
    rows: Intervals,
    *,
    folds: int,
    first_train: float,
    embargo: int,
    key: str = "split.n_folds",
    remedy: str = "fewer folds",
) -> list[Fold]:
    """Build `folds` folds whose test blocks have equally many rows and tile the rows after the first `first_train`
    share; each block follows its train rows.

    A train row of the same instant as a test row is purged, because their labels start together. Raises DataError for
    too few rows, or for a fold without train rows; messages name the config `key` that sets the number of folds, and
    the `remedy`.
    """
    n = len(rows)
    start = int(first_train * n)
    if n - start < folds or start == 0:
        raise DataError(f"{n} rows are too few for {key}: give more data, or {remedy}.")
    everything = np.arange(n, dtype=np.int64)
    result = []
    for index, (a, b) in enumerate(pairwise(place_block_borders(start, n, folds))):
        name = f"inner fold {index} of {key}"
        result.append(
            build_purged_fold(index, rows, everything[:a], everything[a:b], embargo, name=name, remedy=remedy)
        )
    return result
