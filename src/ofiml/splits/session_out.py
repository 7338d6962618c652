"""Leave one session out: each date is tested once, by a model fitted on all other dates."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ofiml.errors import DataError
from ofiml.splits.blocks import BySession, select_rows
from ofiml.splits.fold import Fold, Span, build_purged_fold
from ofiml.splits.rows import Rows


@dataclass(frozen=True, slots=True)
class LeaveOneSessionOut:
    """A splitter with one fold per date, all symbols together. The rows of all other dates train, purged by label time
    and with an embargo of `embargo` ns on both sides. A date without a labelled row has no fold, and its bars are not
    predicted.
    """

    embargo: int

    def split(self, rows: Rows) -> list[Fold]:
        """Divide the rows into folds by date. Raises DataError for fewer than two dates with rows, or a fold without
        train rows.
        """
        marks = BySession(rows)
        spans = [Span(*span) for span in pairwise(marks.find_instant(mark) for mark in range(marks.total + 1))]
        blocks = [(span, test) for span in spans if len(test := select_rows(rows, span.start, span.until))]
        if len(blocks) < 2:
            raise DataError(
                "split=session_out needs labelled rows on at least 2 session dates: give more data, or use split=cpcv "
                "or split=expanding."
            )
        everything = np.arange(len(rows), dtype=np.int64)
        return [
            build_purged_fold(
                index, rows, np.setdiff1d(everything, test, assume_unique=True), test, self.embargo, [span]
            )
            for index, (span, test) in enumerate(blocks)
        ]

    def __str__(self) -> str:
        return "leave one session out"
