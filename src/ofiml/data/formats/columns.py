"""The types of a CSV's columns: the format of plain cells, and how parsed numbers and text are converted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

import numpy as np
import polars as pl

from ofiml.data.formats import causes
from ofiml.data.formats.causes import MAX_FLOAT_PRICE, MAX_PRICE, MAX_SIZE, Cause
from ofiml.data.formats.cell_kernel import INSTANT, NUMBER, WORD
from ofiml.data.formats.cells import Plain
from ofiml.data.schema import LATEST, NO_PRICE, TIME

# Times as text, in the range of int64 nanoseconds: polars silently overflows for other years, and cuts a longer
# fraction.
STAMP = (
    r"^(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2}|22[0-5][0-9])-[0-9]{2}-[0-9]{2}"
    r"[ T][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?"
)
ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"


@dataclass(frozen=True, slots=True)
class Column:
    """The type of a column: cells are parsed as `dtype`, then converted by `value`, with null for an invalid cell.

    `optional` cells may be empty. `plain`, if not None, is the equivalent format for plain cells; if it has no dtype,
    `value` converts its numbers too. `exact`, if not None, parses the text of cells for which a float of `dtype` is not
    exact: those beyond MAX_FLOAT_PRICE. `explain` states the cause and the remedy of a cell that cannot be read.
    """

    dtype: pl.DataType
    value: Callable[[pl.Expr], pl.Expr]
    optional: bool = False
    plain: Plain | None = None
    exact: Callable[[pl.Expr], pl.Expr] | None = None
    explain: Callable[[str], Cause] = causes.explain_word


def parse_text(column: Column, cell: pl.Expr) -> pl.Expr:
    """Parse cells of text as the column, with null for an invalid cell. Whole numbers may be written 1e+05 or 100.0."""
    cell = cell.str.strip_chars().str.strip_chars('"')  # a space before a quote makes the quote part of the cell
    if column.exact is not None:
        return column.exact(cell)
    if not column.dtype.is_integer():
        return column.value(cell.cast(column.dtype, strict=False))
    zeros = cell.str.extract(r"^([+-]?[0-9]+)\.0*$").cast(column.dtype, strict=False)
    exponent = pl.when(cell.str.contains(r"^[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+$")).then(cell)
    number = exponent.cast(pl.Float64, strict=False)
    # Up to 2^53 a float holds every whole number.
    whole = pl.when((number.abs() <= 2.0**53) & (number == number.round())).then(number)
    return column.value(
        pl.coalesce(cell.cast(column.dtype, strict=False), zeros, whole.cast(column.dtype, strict=False))
    )


def _is_whole(x: pl.Expr) -> pl.Expr:
    """Return whether a number is whole, up to the rounding of a decimal fraction to a float."""
    return (x - x.round()).abs() <= x.abs() * 2e-15


def price() -> Column:
    """Make a column of decimal prices, converted to int64 1e-9; a price with more decimals is invalid.

    A price stored as a float may have five decimals above MAX_FLOAT_PRICE: there are no more in a float.
    """

    def value(x: pl.Expr) -> pl.Expr:
        units, coarse = x * 1e9, (x * 1e5).round()
        large = pl.when((x.abs() <= MAX_PRICE) & (coarse / 1e5 == x)).then(coarse.cast(pl.Int64, strict=False) * 10_000)
        whole = pl.when(_is_whole(units)).then(units.round()).cast(pl.Int64, strict=False)
        return pl.when(x.abs() <= MAX_FLOAT_PRICE).then(whole).otherwise(large)

    def exact(cell: pl.Expr) -> pl.Expr:
        x = cell.cast(pl.Float64(), strict=False)
        return (
            pl.when(x.abs() <= MAX_FLOAT_PRICE)
            .then(value(x))
            .otherwise(cell.map_batches(_parse_large_prices, return_dtype=pl.Int64()))
        )

    limit = int(MAX_PRICE * 1e9)
    plain = Plain(NUMBER, 9, -limit, limit, pl.Int64())
    return Column(pl.Float64(), value, plain=plain, exact=exact, explain=causes.explain_price)


def _parse_large_prices(cells: pl.Series) -> pl.Series:
    """Parse prices beyond MAX_FLOAT_PRICE to int64 1e-9; null for other cells and invalid ones."""
    size = cells.cast(pl.Float64(), strict=False).abs()
    large = ((size > MAX_FLOAT_PRICE) & (size <= MAX_PRICE)).fill_null(False)
    units = [Decimal(cell).scaleb(9) for cell in cells.filter(large)]
    whole = [int(u) if u == u.to_integral_value() and abs(u) <= MAX_PRICE * 1e9 else None for u in units]
    values = np.full(len(cells), None, object)
    values[large.to_numpy()] = whole
    return pl.Series(cells.name, values.tolist(), pl.Int64())


def scaled_price(multiplier: int, *, none: int | None = None) -> Column:
    """Make a column of integer prices in `multiplier` units of 1e-9; the file's number `none` becomes NO_PRICE."""
    limit = int(MAX_PRICE * 1e9) // multiplier

    def value(x: pl.Expr) -> pl.Expr:
        usable = pl.when((x >= -limit) & (x <= limit)).then(x * multiplier)
        return usable if none is None else pl.when(x == none).then(NO_PRICE).otherwise(usable)

    return Column(pl.Int64(), value, plain=Plain(NUMBER), explain=causes.explain_whole)


def integer(dtype: pl.DataType | None = None, *, limit: int = MAX_SIZE) -> Column:
    """Make a column of integers from -`limit` to `limit`."""

    def value(x: pl.Expr) -> pl.Expr:
        return pl.when((x >= -limit) & (x <= limit)).then(x).cast(dtype or pl.Int64(), strict=False)

    range_ = np.iinfo(str(dtype or pl.Int64()).lower())
    low, high = max(-limit, int(range_.min)), min(limit, int(range_.max))
    plain = Plain(NUMBER, 0, low, high, dtype or pl.Int64())
    return Column(pl.Int64(), value, plain=plain, explain=causes.explain_whole)


def size(unit: float) -> Column:
    """Make a column of decimal sizes, converted to lots of `unit`; a size that is not a multiple of it is invalid."""
    explain = partial(causes.explain_size, unit)
    if unit == 1.0:
        return replace(integer(), explain=explain)

    def value(x: pl.Expr) -> pl.Expr:
        lots = x / unit
        return pl.when(_is_whole(lots) & (lots.abs() <= MAX_SIZE)).then(lots.round()).cast(pl.Int64, strict=False)

    scale = next((k for k in range(1, 10) if unit == 10.0**-k), 0)
    plain = Plain(NUMBER, scale, -MAX_SIZE, MAX_SIZE, pl.Int64()) if scale else None
    return Column(pl.Float64(), value, plain=plain, explain=explain)


def category(dtype: pl.Enum) -> Column:
    """Make a column of words of an enumeration."""
    return Column(pl.String(), lambda x: x.cast(dtype, strict=False), plain=Plain(WORD))


def mapped(mapping: Mapping[str, str | int], dtype: pl.DataType) -> Column:
    """Make a column of words that are replaced by `mapping`; any other word is invalid."""
    return Column(pl.String(), lambda x: x.replace_strict(mapping, default=None, return_dtype=dtype), plain=Plain(WORD))


def word() -> Column:
    """Make a column of text that is not empty, without the spaces and quotes around it."""

    def value(x: pl.Expr) -> pl.Expr:
        bare = x.str.strip_chars().str.strip_chars('"')
        return pl.when(bare != "").then(bare)

    return Column(pl.String(), value, plain=Plain(WORD))


def iso_time() -> Column:
    """Make a column of ISO 8601 times with their zone, from 1970 to 2259, converted to UTC nanoseconds."""

    def value(x: pl.Expr) -> pl.Expr:
        stamp = pl.when(x.str.contains(STAMP + ZONE)).then(x)
        return stamp.str.to_datetime("%+", time_unit="ns", strict=False).cast(TIME)

    return Column(pl.String(), value, plain=Plain(INSTANT, dtype=TIME))


def seconds() -> Column:
    """Make a column of decimal seconds of a day, converted to integer nanoseconds."""
    # Above 10^15 ns a float does not distinguish nanoseconds. LOBSTER has cells such as 43002.632812672004.
    plain = Plain(NUMBER, 12, -(10**18), 10**18, pl.Int64(), divisor=1000)

    def value(x: pl.Expr) -> pl.Expr:
        return pl.when(x.abs() < 1e9).then((x * 1e9).round()).cast(pl.Int64, strict=False)

    return Column(pl.Float64(), value, plain=plain)


def epoch_time(unit: int) -> Column:
    """Make a column of integer times since 1970 in `unit` nanoseconds, until 2259, converted to UTC nanoseconds."""
    limit = LATEST // unit
    return Column(pl.Int64(), lambda x: pl.when((x >= 0) & (x <= limit)).then(x * unit).cast(TIME), plain=Plain(NUMBER))


def optional(column: Column) -> Column:
    """Make the column optional: its cells may be empty."""
    return replace(column, optional=True)
