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

import numpy as np
from numpy.typing import NDArray

from ofiml.errors import DataError
from ofiml.splits.purge import meets
from ofiml.units import SECOND

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Intervals:
    """What each row touches in time, (n,) ns each, rows in time order: the first instant its features used, and its
    label's interval.
    """

    first_used: Int64
    label_start: Int64
    label_end: Int64

    def __len__(self) -> int:
        return len(self.label_start)


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of train and test rows, and how many train candidates the purge and the embargo removed."""

    index: int
    train: Int64
    test: Int64
    purged: int
    embargoed: int

    def __str__(self) -> str:
        def span(rows: Int64) -> str:
            return f"{rows[0]}..{rows[-1]} ({len(rows)} rows)"

        return (
            f"fold {self.index}: train {span(self.train)}, purged {self.purged}, embargoed {self.embargoed}, "
            f"test {span(self.test)}"
        )


def walk_forward(
    rows: Intervals,
    *,
    folds: int,
    first_train: float,
    embargo: int,
    window: float | None = None,
    key: str = "split.folds",
) -> list[Fold]:
    """`folds` test blocks that tile the rows after the first `first_train` share, each after its train rows.

    Train rows are all before the block, or, with `window`, the last `window` share of all rows before it. Those whose
    [first instant used or label start, label end] meets a test row's label interval are purged; those nearer to one
    than `embargo` ns are embargoed. `key` names the number of folds in errors. Raises DataError if a fold keeps no
    train row.
    """
    n = len(rows)
    start = int(first_train * n)
    if n - start < folds or start == 0:
        raise DataError(f"{n} rows are too few for {key}={folds}: give more data, or fewer folds.")
    first = np.minimum(rows.first_used, rows.label_start)
    result = []
    for index, test in enumerate(np.array_split(np.arange(start, n, dtype=np.int64), folds)):
        oldest = 0 if window is None else max(0, int(test[0]) - round(window * n))
        candidates = np.arange(oldest, test[0], dtype=np.int64)
        spans = first[candidates], rows.label_end[candidates], rows.label_start[test], rows.label_end[test]
        purged, near = meets(*spans), meets(*spans, margin=embargo)
        train = candidates[~near]
        if len(train) == 0:
            raise DataError(
                f"Fold {index} keeps no train row of {len(candidates)}: give more data, or a split.embargo shorter "
                f"than {embargo / SECOND:g}s."
            )
        result.append(Fold(index, train, test, int(purged.sum()), int((near & ~purged).sum())))
    return result
