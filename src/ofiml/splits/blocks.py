"""Blocks of time: of equal numbers of rows, of whole dates, or of equal trading time.

A ruler has `total` marks and maps each to an instant. Blocks begin and end at instants, never between rows of the same
instant, so all rows that were known at one time are on one side of a split.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ofiml._typing import Int64
from ofiml.errors import DataError
from ofiml.splits.rows import Rows


class Ruler(Protocol):
    """The protocol of rulers: `word` is the unit of the marks, plural, and `total` their number."""

    @property
    def word(self) -> str: ...

    @property
    def total(self) -> int: ...

    def find_instant(self, mark: int) -> int:
        """Find the first instant (ns) after the mark; rows known at it or later lie after the mark."""
        ...


@dataclass(frozen=True, slots=True)
class ByRows:
    """A ruler whose marks are rows."""

    rows: Rows
    word: str = "rows"

    @property
    def total(self) -> int:
        return len(self.rows)

    def find_instant(self, mark: int) -> int:
        if mark == 0:  # bars without a label may come before the first row
            return min(int(self.rows.hours.open[0]) + 1, int(self.rows.known_at[0]))
        if mark == len(self.rows):
            return max(int(self.rows.hours.close[-1]), int(self.rows.known_at[-1])) + 1
        return int(self.rows.known_at[mark])


@dataclass(frozen=True, slots=True)
class BySession:
    """A ruler whose marks are session dates."""

    rows: Rows
    word: str = "session dates"

    @property
    def total(self) -> int:
        return len(self.rows.hours.dates)

    def find_instant(self, mark: int) -> int:
        hours = self.rows.hours
        return int(hours.open[0] if mark == 0 else hours.close[mark - 1]) + 1


@dataclass(frozen=True, slots=True)
class ByTime:
    """A ruler whose marks are ns of trading time; they do not depend on the number of bars."""

    rows: Rows
    word: str = "nanoseconds"

    @property
    def total(self) -> int:
        return self.rows.hours.total

    def find_instant(self, mark: int) -> int:
        return self.rows.hours.find_instant(mark) + 1


RULERS: dict[str, Callable[[Rows], Ruler]] = {"rows": ByRows, "session": BySession, "time": ByTime}


def build_ruler(rows: Rows, by: str) -> Ruler:
    """Build the ruler that counts rows, sessions or trading time, as `by` says."""
    return RULERS[by](rows)


def place_block_borders(begin: int, total: int, count: int) -> list[int]:
    """Place the `count + 1` borders of `count` blocks of [begin, total). If the length is not a multiple of `count`,
    the first blocks are longer by 1.
    """
    size, rest = divmod(total - begin, count)
    return [begin + j * size + min(j, rest) for j in range(count + 1)]


def select_rows(rows: Rows, start: int, until: int) -> Int64:
    """Select the positions (k,) of the rows known in [start, until), ns."""
    first, last = np.searchsorted(rows.known_at, [start, until], side="left")
    return np.arange(first, last, dtype=np.int64)


def select_test_rows(rows: Rows, start: int, until: int, index: int, what: str, remedy: str) -> Int64:
    """Select the rows of a test block as `select_rows` does. Raises DataError, which names block and remedy, if there
    is none.
    """
    test = select_rows(rows, start, until)
    if len(test) == 0:
        raise DataError(f"{what.capitalize()} {index} has no labelled test row: {remedy}.")
    return test
