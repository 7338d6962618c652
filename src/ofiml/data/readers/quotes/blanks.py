"""What a blank cell means: no quote, or the quote of the row before."""

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.readers.quotes.layout import Layout
from ofiml.errors import DataError

# Beyond both, blanks are no exception, and what they mean decides over every number.
_MIN_BLANK_ROWS, _MIN_BLANK_SHARE = 10, 0.1


def fill_blanks(rows: pl.DataFrame, layout: Layout, dataset: QuotesDataset, checker: Checker) -> pl.DataFrame:
    """Return one symbol's rows with blank cells as `dataset.blank` says: null, or the last value of the column.

    A cell before the column's first value stays null. Raises DataError if many rows have a blank cell in the best
    quotes and `dataset.blank` is not set.
    """
    if dataset.blank == "unchanged":
        return rows.with_columns(pl.col(name).forward_fill() for name in layout.levels)
    best = [name for name in layout.levels if name.endswith("_00")]
    if dataset.blank is None and any(rows[name].null_count() for name in best):
        blank = rows.select(pl.any_horizontal(pl.col(name).is_null() for name in best)).to_series()
        count, share = int(blank.sum()), float(blank.mean() or 0.0)  # type: ignore[arg-type]
        if count >= _MIN_BLANK_ROWS and share > _MIN_BLANK_SHARE:
            raise DataError(
                f"{checker.source}, {checker.place} {rows['line'].filter(blank)[0]}: in {count:,} rows ({share:.0%}) a "
                "price or size of the best quotes is blank: set dataset.blank=unchanged if a blank repeats the value "
                "before it, or dataset.blank=missing if that side has no quote."
            )
    return rows
