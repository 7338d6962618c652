"""A fold: its train rows, purged and embargoed in time, its test rows, and the spans of time that these cover."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ofiml._typing import Int64
from ofiml.errors import DataError
from ofiml.splits.purge import overlaps_any
from ofiml.splits.rows import Intervals
from ofiml.units import SECOND


class Span(NamedTuple):
    """Bars that close in [start, until), ns, are tested: in history `path` of the study, if it has several."""

    start: int
    until: int
    path: int | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of the train and test rows, and of the train candidates that the purge and the embargo removed.

    `spans` are of time, in order, one for each block of test rows; they also hold the bars without a label.
    """

    index: int
    train: Int64
    test: Int64
    purged_rows: Int64
    embargoed_rows: Int64
    spans: tuple[Span, ...] = ()

    @property
    def purged(self) -> int:
        return len(self.purged_rows)

    @property
    def embargoed(self) -> int:
        return len(self.embargoed_rows)

    def __str__(self) -> str:
        return (
            f"fold {self.index}: train {_positions(self.train)}, purged {self.purged}, embargoed {self.embargoed}, "
            f"test {_positions(self.test)}"
        )


def _positions(rows: Int64) -> str:
    """`0..3, 8..9 (6 rows)`."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return f"{', '.join(f'{run[0]}..{run[-1]}' for run in runs)} ({len(rows)} rows)"


def purged_fold(
    index: int,
    rows: Intervals,
    candidates: Int64,
    test: Int64,
    embargo: int,
    spans: Sequence[Span] = (),
    *,
    name: str | None = None,
    remedy: str | None = None,
) -> Fold:
    """Build the fold of `test` whose train rows are the candidates away from every test row.

    Purged is a candidate whose [first instant used or label start, label end] meets the label interval of a test row:
    of any single one, so that what lies between two test blocks stays. Where training precedes testing this keeps train
    labels from reaching into the test block; test features may look back into what was then past. Where training
    follows testing it keeps train features from looking back into test labels. Embargoed are those that would meet a
    test row's interval widened by `embargo` ns on either side. Raises DataError if none is left; its message
    uses the fold's `name` and adds `remedy`.
    """
    first = np.minimum(rows.first_used, rows.label_start)[candidates]
    intervals = first, rows.label_end[candidates], rows.label_start[test], rows.label_end[test]
    purged, near = overlaps_any(*intervals), overlaps_any(*intervals, margin=embargo)
    train = candidates[~near]
    if len(train) == 0:
        if not purged.all():
            near_by = np.count_nonzero(~purged)
            why = f"{near_by} lie within split.embargo={embargo / SECOND:g}s of a test row, the others closer"
            use = "shorter bars and a shorter horizon (such as bars.step=1s horizon=5s), a shorter split.embargo"
        elif not overlaps_any(rows.label_start[candidates], *intervals[1:]).all():
            why = "the features of all candidates look back into test labels"
            use = "whole sessions (split=session_out, or split.by=session), or features with a shorter look-back"
        else:
            why, use = "the labels of all candidates reach into test labels", "a shorter horizon"
        raise DataError(
            f"{name or f'Fold {index}'} keeps none of {len(candidates)} candidate train rows: {why}. Use {use}, "
            f"{f'{remedy}, ' if remedy else ''}or more data."
        )
    return Fold(index, train, test, candidates[purged], candidates[near & ~purged], tuple(spans))


def count_leaks(rows: Intervals, fold: Fold) -> int:
    """Count the train rows that overlap a test row's label interval: 0 for a valid fold.

    Counted another way than they were purged: the test labels that started by a train row's end, less those that had
    ended before its beginning.
    """
    first = np.minimum(rows.first_used, rows.label_start)[fold.train]
    started = np.searchsorted(np.sort(rows.label_start[fold.test]), rows.label_end[fold.train], side="right")
    ended = np.searchsorted(np.sort(rows.label_end[fold.test]), first, side="left")
    return int(np.count_nonzero(started > ended))
