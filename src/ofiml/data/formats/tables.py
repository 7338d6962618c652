"""Typed tables, as of Parquet, to the columns that `csv` describes. Text is read as in a CSV."""

from functools import partial

import polars as pl
from polars import selectors

from ofiml.data.checks import Checker
from ofiml.data.formats import csv as text
from ofiml.data.formats.text_marks import MISSING_WORDS
from ofiml.data.formats.time_formats import NAIVE
from ofiml.data.remedies import describe_remedy
from ofiml.data.schema import LATEST, TIME
from ofiml.errors import DataError
from ofiml.units import SECOND

_DAY = 86_400 * SECOND
_WORDS = (pl.String, pl.Categorical, pl.Enum, pl.Binary)


def unwrap_words(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the table with categories and UTF-8 bytes as strings."""
    names = [n for n, dtype in raw.schema.items() if isinstance(dtype, _WORDS) and dtype != pl.String()]
    return raw.with_columns(pl.col(names).cast(pl.String, strict=False)) if names else raw


def convert_table(
    raw: pl.DataFrame, columns: dict[str, text.Column], times: dict[str, pl.Expr], checker: Checker
) -> pl.DataFrame:
    """Convert a typed table to `line`, its `columns` and its `times`, which `convert_time` makes.

    Raises DataError for a column whose type does not hold such values and, if the policy of `checker` does, for values
    that are missing or cannot be read.
    """
    casts = dict(times)
    for name, column in columns.items():
        if name not in times:
            casts[name] = _cast_column(column, raw.schema[name], name, checker.source)
    values = raw.select("line", *(cast.alias(name) for name, cast in casts.items()))
    for name in casts:
        missing = raw.select(_is_missing(raw.schema[name], name)).to_series()
        bad = values[name].is_null()
        if columns[name].optional:
            bad &= ~missing
        if not bad.any():
            continue
        is_empty = bool(missing.filter(bad)[0])
        what = "the value is missing" if is_empty else "{value!r} cannot be read"
        remedy = None if is_empty else partial(_explain, columns[name], checker)
        # Impossible times do not convert to Python, so a message shows their number.
        times_as_numbers = raw.with_columns(selectors.temporal().to_physical())
        checker.refuse("unreadable", times_as_numbers, bad, name, what, remedy)
        raw, values = raw.filter(~bad), values.filter(~bad)
    return values


def _explain(column: text.Column, checker: Checker, cell: str) -> str:
    cause, remedy = column.explain(cell)
    return " ".join(part for part in (cause, remedy or describe_remedy("unreadable", checker.policy)) if part)


def _is_missing(dtype: pl.DataType, name: str) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.String():
        return column.is_null() | column.str.strip_chars().is_in(MISSING_WORDS)
    return column.is_null() | column.is_nan().fill_null(False) if dtype.is_float() else column.is_null()


def _cast_column(column: text.Column, dtype: pl.DataType, name: str, source: str) -> pl.Expr:
    cell = pl.col(name)
    if dtype == pl.Null():
        return pl.lit(None)
    if dtype == pl.String():
        return text.parse_text(column, cell)
    if dtype.is_integer() and column.dtype == pl.String():
        return text.parse_text(column, cell.cast(pl.String))  # a number as a name, as of an exchange
    if not dtype.is_numeric() or column.dtype == pl.String():
        expected = "strings" if column.dtype == pl.String() else "numbers"
        raise DataError(f"{source}, column {name}: its type is {dtype}, but {expected} are expected; convert it.")
    if dtype == pl.Float32():
        cell = cell.cast(pl.String).cast(pl.Float64)  # the shortest decimal, which is the number that was meant
    if dtype.is_float():
        cell = cell.fill_nan(None)
    cast = cell.cast(column.dtype, strict=False)
    if column.dtype.is_integer():  # null if the value has a fraction
        cast = pl.when(cast == cell).then(cast)
    return column.value(cast)


def convert_time(raw: pl.DataFrame, name: str, column: text.Column, source: str) -> pl.Expr:
    """Convert times of any type to UTC (TIME), or to local times (NAIVE) if they have no zone.

    `column` reads text and integers. Floats since 1970 are exact to the microsecond: closer instants share one float.
    """
    dtype, cell = raw.schema[name], pl.col(name)
    if isinstance(dtype, pl.Datetime):
        latest = LATEST // {"ns": 1, "us": 1_000, "ms": 1_000_000}[dtype.time_unit]
        known = pl.when(cell.to_physical().is_between(0, latest)).then(cell)
        if dtype.time_zone is None:
            return known.cast(NAIVE)
        return known.dt.convert_time_zone("UTC").cast(TIME)
    if dtype == pl.String():
        return text.parse_text(column, cell)
    if dtype.is_integer():
        return text.parse_text(column, cell.cast(pl.String))
    if dtype.is_float() and column.plain is not None:
        return _convert_float(cell, column)
    raise DataError(
        f"{source}, column {name}: its type is {dtype}, but times, text or numbers are expected; convert it."
    )


def convert_date(raw: pl.DataFrame, name: str, column: text.Column, source: str) -> pl.Expr:
    """Convert dates of any type."""
    dtype, cell = raw.schema[name], pl.col(name)
    if dtype == pl.Date() or isinstance(dtype, pl.Datetime):
        date = cell.cast(pl.Date)
        return pl.when(date.to_physical().is_between(0, LATEST // _DAY)).then(date)
    if dtype == pl.String() or dtype.is_integer():
        return text.parse_text(column, cell.cast(pl.String))
    raise DataError(f"{source}, column {name}: its type is {dtype}, but dates or text are expected; convert it.")


def convert_clock(raw: pl.DataFrame, name: str, column: text.Column, source: str) -> pl.Expr:
    """Convert times of day of any type to nanoseconds since midnight."""
    dtype, cell = raw.schema[name], pl.col(name)
    if dtype == pl.Time():
        return cell.cast(pl.Int64)
    if isinstance(dtype, pl.Duration):
        clock = cell.dt.total_nanoseconds()
        return pl.when(clock.is_between(0, _DAY - 1)).then(clock)
    if dtype == pl.String() or dtype.is_integer():
        return text.parse_text(column, cell.cast(pl.String))
    raise DataError(f"{source}, column {name}: its type is {dtype}, but times of day are expected; convert it.")


def sample_times(raw: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the first times as text, to choose their column; of a float only its whole part, null for other types."""
    dtype, cell = raw.schema[name], pl.col(name)
    if dtype.is_float():
        cell = cell.fill_nan(None).floor().cast(pl.Int64, strict=False)
    elif not (dtype.is_integer() or dtype == pl.String()):
        cell = pl.when(False).then("line")
    return raw.head(200).select(cell.cast(pl.String).alias(name))


def _convert_float(cell: pl.Expr, column: text.Column) -> pl.Expr:
    assert column.plain is not None
    known = pl.when(cell.is_finite() & (cell >= 0) & (cell < LATEST)).then(cell)
    # The decimals of a plain cell end at the nanosecond, so its scale less 3 is the power of 10 from its unit to 1 us.
    micros = (known * 10.0 ** (column.plain.scale - 3)).round()
    return pl.when(micros <= LATEST // 1_000).then(micros.cast(pl.Int64, strict=False) * 1_000).cast(TIME)
