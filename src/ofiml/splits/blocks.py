"""Where time is cut: into blocks of equally many rows, of whole dates, or of equal trading time.

A ruler has `total` marks and says at which instant each lies. Blocks begin and end at instants, never between rows of
the same instant, so that what symbols knew together is trained on or tested together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ofiml._typing import Int64
from ofiml.errors import DataError
from ofiml.splits.rows import Rows


class Ruler(Protocol):
    @property
    def word(self) -> str:
        """The counted unit, plural."""
        ...

    @property
    def total(self) -> int: ...

    def instant(self, mark: int) -> int:
        """Return the first instant (ns) after the mark; rows known at it or later lie after the mark."""
        ...


@dataclass(frozen=True, slots=True)
class ByRows:
    rows: Rows
    word: str = "rows"

    @property
    def total(self) -> int:
        return len(self.rows)

    def instant(self, mark: int) -> int:
        if mark == 0:  # bars without a label may come before the first row
            return min(int(self.rows.hours.open[0]) + 1, int(self.rows.known_at[0]))
        if mark == len(self.rows):
            return max(int(self.rows.hours.close[-1]), int(self.rows.known_at[-1])) + 1
        return int(self.rows.known_at[mark])


@dataclass(frozen=True, slots=True)
class BySession:
    rows: Rows
    word: str = "session dates"

    @property
    def total(self) -> int:
        return len(self.rows.hours.dates)

    def instant(self, mark: int) -> int:
        hours = self.rows.hours
        return int(hours.open[0] if mark == 0 else hours.close[mark - 1]) + 1


@dataclass(frozen=True, slots=True)
class ByTime:
    """Marks are ns of trading time: where they lie does not depend on how many bars there are."""

    rows: Rows
    word: str = "nanoseconds"

    @property
    def total(self) -> int:
        return self.rows.hours.total

    def instant(self, mark: int) -> int:
        return self.rows.hours.instant(mark) + 1


RULERS: dict[str, Callable[[Rows], Ruler]] = {"rows": ByRows, "session": BySession, "time": ByTime}


def build_ruler(rows: Rows, by: str) -> Ruler:
    """Build the ruler that counts rows, sessions or trading time, as `by` says."""
    return RULERS[by](rows)


def block_borders(begin: int, total: int, count: int) -> list[int]:
    """Return the `count + 1` borders of `count` blocks of [begin, total); the first blocks are longer by 1 where the
    length does not divide.
    """
    size, rest = divmod(total - begin, count)
    return [begin + j * size + min(j, rest) for j in range(count + 1)]


def select_rows(rows: Rows, start: int, until: int) -> Int64:
    """Select the positions (k,) of the rows known in [start, until), ns."""
    first, last = np.searchsorted(rows.known_at, [start, until], side="left")
    return np.arange(first, last, dtype=np.int64)


def select_test_rows(rows: Rows, start: int, until: int, index: int, what: str, remedy: str) -> Int64:
    """Select the rows of a test block, as `select_rows` does. Raises DataError if there is none."""
    test = select_rows(rows, start, until)
    if len(test) == 0:
        raise DataError(f"{what.capitalize()} {index} has no labelled test row: {remedy}.")
    return test
