"""Sizes that are not a multiple of `dataset.size_unit`, in feeds whose books are deeper than the shown levels.

An exchange may coarsen its size step while old orders rest far from the market. Such a size must not decide over the
whole feed: it takes part in the book as a code, and is an error only if its level is shown or traded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from ofiml.data.formats import decimals
from ofiml.data.schema import SIDE, Int64
from ofiml.errors import DataError

_FIRST_CODE = 2**60  # above any number of lots
_MAX_SIZES = 100_000  # kept to name the first shown one


@dataclass(slots=True)
class OffStepSizes:
    """The sizes of one input that are off the step: code `_FIRST_CODE` + k stands for the k-th."""

    size_unit: float
    sizes: list[tuple[str, int, Any, str]] = field(default_factory=list)  # source, line, price, size
    source: str = ""
    before: int = 0  # the largest line number of the files before
    place: str = "line"

    def encode(self, sizes: Int64, cells: Sequence[Any], lines: Int64, row_of: Int64, prices: Int64) -> None:
        """Replace TOO_FINE in `sizes` by codes, where the price is valid; `cells` alternate between price and size.

        Raises DataError for very many, which an instrument with the right step does not have.
        """
        for at in np.flatnonzero((sizes == decimals.TOO_FINE) & (prices >= decimals.LOWEST_PRICE)).tolist():
            sizes[at] = _FIRST_CODE + len(self.sizes)
            self.sizes.append(
                (self.source, int(lines[row_of[at]]) - self.before, cells[2 * at], str(cells[2 * at + 1]))
            )
            if len(self.sizes) > _MAX_SIZES:
                raise self.make_error(0)

    def refuse(self, sizes: Int64) -> None:
        """Raise DataError if one of the sizes is a code."""
        codes = sizes[sizes >= _FIRST_CODE]
        if len(codes):
            raise self.make_error(int(codes[0]) - _FIRST_CODE)

    def make_error(self, k: int) -> DataError:
        """Make the error for the k-th size; it names the unit of which all sizes so far are multiples."""
        source, line, price, size = self.sizes[k]
        places = [len(text.partition(".")[2].rstrip("0")) for *_, text in self.sizes]
        own, _ = decimals.split_unit(self.size_unit)
        unit = f"1e-{max(own, *places):02d}" if max(own, *places) else "1"
        return DataError(
            f"{source}, {self.place} {line}: the size {size!r:.40} at {price!r:.40} is not a multiple of "
            f"dataset.size_unit={self.size_unit:g} ({len(self.sizes)} such sizes): set dataset.size_unit={unit}, "
            "which fits all sizes."
        )

    def settle(self, events: pl.DataFrame, levels: int) -> tuple[pl.DataFrame, list[str]]:
        """Return the events without codes, and a note about the sizes that no event shows.

        An event that sets such a level has no side, price and size. Raises DataError if a level of the book is one.
        """
        if not self.sizes:
            return events, []
        for m in range(levels):
            for side in ("bid", "ask"):
                self.refuse(events[f"{side}_sz_{m:02d}"].fill_null(0).to_numpy())
        off = pl.col("size") >= _FIRST_CODE
        events = events.with_columns(
            pl.when(off).then(pl.lit("N").cast(SIDE)).otherwise("side").alias("side"),
            pl.when(~off).then("price").alias("price"),
            pl.when(off).then(0).otherwise("size").alias("size"),
        )
        source, line, price, size = self.sizes[0]
        count = len(self.sizes)
        of_file = f" of {source}" if self.before else ""
        return events, [
            f"sizes that are not multiples of dataset.size_unit, all outside of the shown levels: {count} "
            f"(first in {self.place} {line}{of_file}: {size} at {price})"
        ]
