"""What a blank cell means: no quote, or the quote of the row before."""

from collections.abc import Sequence

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.readers.quotes.layout import Layout
from ofiml.errors import DataError

# Beyond both, blanks are no exception, and what they mean decides over every number.
_MIN_BLANK_ROWS, _MIN_BLANK_SHARE = 10, 0.1


def fill_blanks(
    rows: pl.DataFrame, layout: Layout, dataset: QuotesDataset, checker: Checker, breaks: Sequence[int] = ()
) -> pl.DataFrame:
    """Return one symbol's rows with blank cells as `dataset.blank` says: null, or the last value of the column.

    A cell before the column's first value stays null, as does one before its first value after a row of `breaks`:
    values may have changed in the pause before that row. Raises DataError if many rows have a blank cell in the best
    quotes and `dataset.blank` is not set.
    """
    if dataset.blank == "unchanged":
        return _repeat_values(rows, layout, checker, breaks)
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


def _repeat_values(rows: pl.DataFrame, layout: Layout, checker: Checker, breaks: Sequence[int]) -> pl.DataFrame:
    """Repeat each column's values; a level is missing until both its price and its size are known, which is noted."""
    if breaks:
        stretch = pl.int_range(pl.len()).is_in(list(breaks)).cum_sum()
        rows = rows.with_columns(pl.col(name).forward_fill().over(stretch) for name in layout.levels)
    else:
        rows = rows.with_columns(pl.col(name).forward_fill() for name in layout.levels)
    pairs = [(name, name.replace("_px_", "_sz_")) for name in layout.levels if "_px_" in name]
    half_known = {pair: pl.col(pair[0]).is_null() != pl.col(pair[1]).is_null() for pair in pairs}
    count = rows.select(pl.any_horizontal(half_known.values()).sum()).item()
    if not count:
        return rows
    checker.notes.append(
        f"levels of which only the price or the size is known yet, which count as missing: in {count:,} rows"
    )
    return rows.with_columns(
        pl.when(~half).then(pl.col(name)).alias(name) for pair, half in half_known.items() for name in pair
    )
