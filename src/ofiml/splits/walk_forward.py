"""Walk-forward folds over rows in time order, purged by label time, with an embargo.

>>> import numpy as np
>>> t = np.arange(10) * 10
>>> rows = Intervals(first_used=t - 10, label_start=t, label_end=t + 15)
>>> for fold in walk_forward(rows, folds=2, first_train=0.5, embargo=0):
...     print(fold)
fold 0: train 0..3 (4 rows), purged 1, embargoed 0, test 5..7 (3 rows)
fold 1: train 0..6 (7 rows), purged 1, embargoed 0, test 8..9 (2 rows)
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ofiml.errors import DataError
from ofiml.splits.blocks import block_borders, build_ruler, select_rows, select_test_rows
from ofiml.splits.fold import Fold, Span, purged_fold
from ofiml.splits.rows import Intervals, Rows

__all__ = ["Fold", "Intervals", "WalkForward", "walk_forward"]


@dataclass(frozen=True, slots=True)
class WalkForward:
    """`folds` test blocks that tile what comes after the first `first_train` share, each after its train rows.

    Shares and blocks are of rows, of whole dates, or of trading time, as `by` says. Train rows are all before the
    block, or, with `window`, those of the last `window` share of the whole before it. Purged by label time, and kept
    `embargo` ns away.
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
        for index, (a, b) in enumerate(pairwise(block_borders(begin, marks.total, self.folds))):
            oldest = 0 if self.window is None else max(0, a - round(self.window * marks.total))
            start, until = marks.instant(a), marks.instant(b)
            test = select_test_rows(rows, start, until, index, "fold", "use fewer folds, or split.by=rows")
            candidates = select_rows(rows, marks.instant(oldest), start)
            result.append(purged_fold(index, rows, candidates, test, self.embargo, [Span(start, until)]))
        return result

    def __str__(self) -> str:
        window = "expanding" if self.window is None else f"rolling over {self.window:g} of the whole"
        return f"walk-forward, {window}, {self.folds} folds by {self.by}"


def walk_forward(
    rows: Intervals,
    *,
    folds: int,
    first_train: float,
    embargo: int,
    key: str = "split.n_folds",
    remedy: str = "fewer folds",
) -> list[Fold]:
    """Make `folds` test blocks of equally many rows that tile the rows after the first `first_train` share, each after
    its train rows; errors name the config `key` that sets their number, and the `remedy`.

    A row of the same instant as a test row is purged, as their labels start together. Raises DataError for too few
    rows, or if a fold keeps no train row.
    """
    n = len(rows)
    start = int(first_train * n)
    if n - start < folds or start == 0:
        raise DataError(f"{n} rows are too few for {key}: give more data, or {remedy}.")
    everything = np.arange(n, dtype=np.int64)
    result = []
    for index, (a, b) in enumerate(pairwise(block_borders(start, n, folds))):
        name = f"inner fold {index} of {key}"
        result.append(purged_fold(index, rows, everything[:a], everything[a:b], embargo, name=name, remedy=remedy))
    return result
