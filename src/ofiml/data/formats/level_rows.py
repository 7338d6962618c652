"""Messages with lists of price levels, as columns: raw Python values in, checked int64 tables out.

Values are collected as they stand in the JSON and checked by column: one message at a time takes several times longer.
Only if a column fails are its cells checked one by one, to name the first fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.checks import Checker
from ofiml.data.formats import decimals
from ofiml.data.formats.csv import MAX_PRICE
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.schema import LATEST, Int64

NO_ID = -1  # for a missing id or time

_MAX_ID = 2**62
_CHUNK_CELLS = 100_000  # stored as Python objects at one time

_NANOSECONDS = {13: 1_000_000, 16: 1_000, 19: 1}  # digits of a time in this century -> ns

Bools = NDArray[np.bool_]


@dataclass(slots=True)
class LevelRows:
    """Messages of one kind: a table of int64, and the (price, size) pairs of all rows in `prices` and `sizes`.

    Prices are in 1e-9, sizes in lots, or codes of OffStepSizes. `pairs` (rows,) is the number of pairs of each row.
    """

    rows: pl.DataFrame
    pairs: Int64
    prices: Int64
    sizes: Int64

    def filter(self, chosen: Bools) -> "LevelRows":
        """Select rows with their pairs."""
        of_pairs = np.repeat(chosen, self.pairs)
        rows = self.rows.filter(pl.Series(chosen))
        return LevelRows(rows, self.pairs[chosen], self.prices[of_pairs], self.sizes[of_pairs])

    def take(self, order: Int64) -> "LevelRows":
        """Select rows by their index, with their pairs."""
        pairs = self.pairs[order]
        starts = np.cumsum(self.pairs) - self.pairs
        at = np.repeat(starts[order] - np.cumsum(pairs) + pairs, pairs) + np.arange(pairs.sum())
        return LevelRows(self.rows[order], pairs, self.prices[at], self.sizes[at])

    def select(self, symbol: int) -> "LevelRows":
        """Select the rows of one symbol."""
        return self.filter((self.rows["symbol"] == symbol).to_numpy())


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the raw rows: its name in messages, its check, and the sentence about a value that fails."""

    name: str
    check: Callable[[Sequence[Any]], tuple[Int64, Bools]]
    what: str = ""


def check_numbers(values: Sequence[Any]) -> tuple[Int64, Bools]:
    """Convert integers of the reader's own, which are valid."""
    return np.array(values, np.int64), np.zeros(len(values), bool)


def check_ids(values: Sequence[Any]) -> tuple[Int64, Bools]:
    """Convert ids from 0 to 2^62, None to NO_ID; the mask marks other values."""
    ids, bad = _to_integers(values)
    return ids, bad | (ids > _MAX_ID) | ((ids < 0) & ~_is_none(values))


def check_times(values: Sequence[Any]) -> tuple[Int64, Bools]:
    """Convert times in milli-, micro- or nanoseconds, by their number of digits, to ns; None becomes NO_ID."""
    times, bad = _to_integers(values)
    out = np.full(len(times), NO_ID, np.int64)
    known = np.zeros(len(times), bool)
    for digits, unit in _NANOSECONDS.items():
        low, high = 10 ** (digits - 1), min(10**digits - 1, LATEST // unit)
        of_unit = (times >= low) & (times <= high)
        out[of_unit] = times[of_unit] * unit
        known |= of_unit
    return out, bad | (~known & ~_is_none(values))


def check_flags(values: Sequence[Any]) -> tuple[Int64, Bools]:
    """Convert booleans to 0 and 1."""
    if set(map(type, values)) <= {bool}:
        return np.array(values, np.int64), np.zeros(len(values), bool)
    bad = np.array([type(v) is not bool for v in values])
    return np.array([v is True for v in values], np.int64), bad


def _is_none(values: Sequence[Any]) -> Bools:
    if NoneType not in set(map(type, values)):
        return np.zeros(len(values), bool)
    return np.array([v is None for v in values])


def _to_integers(values: Sequence[Any]) -> tuple[Int64, Bools]:
    """Convert integers, and None to NO_ID; the mask marks other values."""
    if set(map(type, values)) <= {int}:
        try:
            return np.array(values, np.int64), np.zeros(len(values), bool)
        except OverflowError:
            pass
    fits = [v is None or (type(v) is int and abs(v) <= 2**63 - 1) for v in values]
    numbers = [NO_ID if v is None or not ok else v for v, ok in zip(values, fits, strict=True)]
    return np.array(numbers, np.int64), ~np.array(fits, bool)


@dataclass(slots=True)
class Collector:
    """The rows and levels of one kind of message, checked and converted in chunks.

    `fields` describes the raw rows; the first field is `line`. Rows with a fault are unreadable: they raise, or are
    dropped and counted. Sizes off the step are left to `off_step`. `lowest` is the lowest price, 1e-9: 1 where prices
    are positive, 0 where a level of 0 at 0 stands for none, decimals.LOWEST_PRICE where they may have any sign.
    """

    fields: list[Field]
    size_unit: float
    checker: Checker
    off_step: OffStepSizes
    lowest: int = 1
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    levels: list[Any] = field(default_factory=list)  # [price, size] of all rows
    counts: list[int] = field(default_factory=list)
    chunks: list[tuple[Int64, Int64, Int64, Int64]] = field(default_factory=list)

    def add(self, row: tuple[Any, ...], *lists: list[Any]) -> None:
        """Add a message with its lists of [price, size]."""
        self.rows.append(row)
        before = len(self.levels)
        for levels in lists:
            self.levels += levels
        self.counts.append(len(self.levels) - before)
        if len(self.levels) > _CHUNK_CELLS // 2 or len(self.rows) > _CHUNK_CELLS:
            self.flush()

    def add_converted(self, rows: Int64, pairs: Int64, prices: Int64, sizes: Int64) -> None:
        """Add rows that another parser has checked and converted; `rows` has a column for each field."""
        self.chunks.append((rows, pairs, prices, sizes))

    def flush(self) -> None:
        """Check and convert the rows so far. Raises DataError for the first fault, unless the policy drops it."""
        if not self.rows:
            return
        pairs = np.array(self.counts, np.int64)
        columns, faults = [], []
        for at, (definition, values) in enumerate(zip(self.fields, zip(*self.rows, strict=True), strict=True)):
            converted, bad = definition.check(values)
            columns.append(converted)
            if bad.any():
                first = int(np.argmax(bad))
                faults.append((bad, f"column {definition.name}: {self.rows[first][at]!r:.40} {definition.what}"))
        rows = np.stack(columns, axis=1)
        row_of = np.repeat(np.arange(len(rows)), pairs)
        if not set(map(type, self.levels)) <= {list} or not set(map(len, self.levels)) <= {2}:
            broken = np.array([type(level) is not list or len(level) != 2 for level in self.levels])
            bad = np.zeros(len(rows), bool)
            bad[row_of[broken]] = True
            faults.append((bad, "not a list of [price, size] pairs"))
            self.levels = [[None, None] if no else level for no, level in zip(broken, self.levels, strict=True)]
        cells = list(chain.from_iterable(self.levels))
        prices, sizes = decimals.parse_prices_and_sizes(cells, self.size_unit)
        self.off_step.encode(sizes, cells, rows[:, 0], row_of, prices)
        wrong = (prices < self.lowest) | (sizes < 0)
        if wrong.any():
            at = int(np.argmax(wrong))
            bad = np.zeros(len(rows), bool)
            bad[row_of[wrong]] = True
            faults.append((bad, self._describe_fault(cells[2 * at : 2 * at + 2], int(prices[at]), int(sizes[at]))))
        if faults:
            any_bad = np.logical_or.reduce([bad for bad, _ in faults])
            first = int(np.argmax(any_bad))
            what = next(what for bad, what in faults if bad[first])
            self.checker.notice("unreadable", pl.Series(rows[any_bad, 0]), what)
            good = ~any_bad[row_of]
            rows, pairs, prices, sizes = rows[~any_bad], pairs[~any_bad], prices[good], sizes[good]
        self.chunks.append((rows, pairs, prices, sizes))
        self.rows, self.levels, self.counts = [], [], []

    def _describe_fault(self, cells: Sequence[Any], price: int, size: int) -> str:
        if price == decimals.TOO_FINE:
            return f"the price {cells[0]!r:.60} has more than 9 decimals"
        if price == decimals.TOO_LARGE:
            return f"the price {cells[0]!r:.60} is larger than {MAX_PRICE:,.0f}"
        if price < self.lowest:
            signed = self.lowest == decimals.LOWEST_PRICE
            return f"the price {cells[0]!r:.60} is not a {'' if signed else 'positive '}decimal number"
        if size == decimals.TOO_LARGE:
            return f"the size {cells[1]!r:.60} is too many lots of dataset.size_unit={self.size_unit:g}"
        return f"the size {cells[1]!r:.60} is not a decimal number"

    def make_rows(self) -> LevelRows:
        """Make the table of all rows; the collector is empty afterwards."""
        self.flush()
        names = [f.name for f in self.fields]
        empty = (np.empty((0, len(names)), np.int64), *(np.empty(0, np.int64) for _ in range(3)))
        rows, pairs, prices, sizes = (np.concatenate(part) for part in zip(empty, *self.chunks, strict=True))
        self.chunks = []
        table = LevelRows(pl.DataFrame({n: rows[:, i] for i, n in enumerate(names)}), pairs, prices, sizes)
        place = rows[:, names.index("place")] if "place" in names else rows[:, 0]
        if (place[1:] < place[:-1]).any():  # converted chunks were added out of order
            return table.take(np.argsort(place, kind="stable"))
        return table
