"""A fold: its train rows, purged and embargoed in time, its test rows, and the spans of time of the test rows."""

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
    """A span of test time: the bars that close in [start, until), ns. `path` is their path if the study has several."""

    start: int
    until: int
    path: int | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """The positions of train and test rows, and of the train candidates that purge and embargo removed.

    `spans` are in time order, one per block of test rows; they include the bars without a label.
    """

    index: int
    train: Int64
    test: Int64
    purged_rows: Int64
    embargoed_rows: Int64
    spans: tuple[Span, ...] = ()

    @property
    def purged(self) -> int:
        """The number of purged rows."""
        return len(self.purged_rows)

    @property
    def embargoed(self) -> int:
        """The number of embargoed rows."""
        return len(self.embargoed_rows)

    def __str__(self) -> str:
        return (
            f"fold {self.index}: train {_format_positions(self.train)}, purged {self.purged}, "
            f"embargoed {self.embargoed}, test {_format_positions(self.test)}"
        )


def _format_positions(rows: Int64) -> str:
    """Format positions as `0..3, 8..9 (6 rows)`."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return f"{', '.join(f'{run[0]}..{run[-1]}' for run in runs)} ({len(rows)} rows)"


def build_purged_fold(
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
    """Build the fold of `test` from the train candidates that purge and embargo leave.

    The purge removes a candidate if its interval overlaps the label interval of any test row; rows between two test
    blocks stay. The interval runs from the first instant used, or the label start if earlier, to the label end. Where
    training precedes testing, train labels then do not reach into the test block; test features may look back into the
    past. Where training follows testing, train features do not look back into test labels. The embargo removes the
    candidates that overlap a test interval widened by `embargo` ns on both sides. Raises DataError if no candidate is
    left; the message uses the fold's `name` and adds `remedy`.
    """
    first = np.minimum(rows.first_used, rows.label_start)[candidates]
    intervals = first, rows.label_end[candidates], rows.label_start[test], rows.label_end[test]
    purged, near = overlaps_any(*intervals), overlaps_any(*intervals, margin=embargo)
    train = candidates[~near]
    if len(train) == 0:
        if not purged.all():
            embargoed = np.count_nonzero(~purged)
            why = f"{embargoed} lie within split.embargo={embargo / SECOND:g}s of a test row, the others closer"
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
    """Count the train rows that overlap the label interval of a test row; 0 for a valid fold.

    The count is independent of the purge: a train row overlaps if more test labels start by its end than end before its
    start.
    """
    first = np.minimum(rows.first_used, rows.label_start)[fold.train]
    started = np.searchsorted(np.sort(rows.label_start[fold.test]), rows.label_end[fold.train], side="right")
    ended = np.searchsorted(np.sort(rows.label_end[fold.test]), first, side="left")
    return int(np.count_nonzero(started > ended))
