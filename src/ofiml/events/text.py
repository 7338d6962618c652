"""CSV bytes to typed columns: fast where a file is well formed, cell by cell where it is not.

Each column says how it is read once (`Column`). A first reading lets polars parse numbers; if that fails, or leaves a
value that may not be missing, everything is read again as text, so that the first bad cell can be named, or bad rows
dropped and counted. Both readings give the same values.
"""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from ofiml.errors import DataError
from ofiml.events.checks import Checker
from ofiml.events.feed import Blob
from ofiml.events.schema import LATEST, NO_PRICE, TIME

# Above 2^52 units of 1e-9 a float no longer tells neighbours apart, and a price would be silently wrong.
MAX_PRICE = 4_000_000.0
MAX_SIZE = 1_000_000_000_000

# Times as text. What int64 nanoseconds hold: polars wraps other years round in silence, and cuts a longer fraction.
STAMP = (
    r"^(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2}|22[0-5][0-9])-[0-9]{2}-[0-9]{2}"
    r"[ T][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?"
)
ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"

_MOST_COLUMNS = 10_000
_HEAD = 1 << 20  # bytes that are enough to tell a format

_MAGIC = {
    b"PK\x03\x04": "a zip, not a CSV: if it is LOBSTER's, use dataset=lobster; else unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive, not a CSV: if it is LOBSTER's, use dataset=lobster; else unpack it",
    b"DBN": "DBN, not a CSV: use dataset=databento or databento_mbo",
    b"PAR1": "Parquet, not a CSV: use dataset=parquet or databento",
}


# What polars raises for bytes that it cannot take; a lone quote in a column of numbers makes it panic.
_REFUSED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is read: parsed as `dtype`, then `value` of that; null where it cannot be used.

    `optional` cells may be empty. `quick` does the same to a whole column in one pass, or gives None where a cell is
    not as nearly all are.
    """

    dtype: pl.DataType
    value: Callable[[pl.Expr], pl.Expr]
    optional: bool = False
    quick: Callable[[pl.Series], pl.Series | None] | None = None


def _whole(x: pl.Expr) -> pl.Expr:
    """Whether it is a whole number, but for the last bits that a decimal fraction loses as a float."""
    return (x - x.round()).abs() <= x.abs() * 2e-15


def price() -> Column:
    """Decimal currency to int64 1e-9; one with more decimals cannot be read, as far as a float shows them."""

    def value(x: pl.Expr) -> pl.Expr:
        units = x * 1e9
        return pl.when((x.abs() <= MAX_PRICE) & _whole(units)).then(units.round()).cast(pl.Int64, strict=False)

    return Column(pl.Float64(), value, quick=quick_prices)


def scaled_price(multiplier: int, *, none: int | None = None) -> Column:
    """Integers of `multiplier` units of 1e-9 each; `none`, in the file's numbers, stands for no price (NO_PRICE)."""
    limit = int(MAX_PRICE * 1e9) // multiplier

    def value(x: pl.Expr) -> pl.Expr:
        usable = pl.when((x >= -limit) & (x <= limit)).then(x * multiplier)
        return usable if none is None else pl.when(x == none).then(NO_PRICE).otherwise(usable)

    return Column(pl.Int64(), value)


def integer(dtype: pl.DataType | None = None, *, limit: int = MAX_SIZE) -> Column:
    """Integers of at most `limit` in size."""

    def value(x: pl.Expr) -> pl.Expr:
        return pl.when((x >= -limit) & (x <= limit)).then(x).cast(dtype or pl.Int64(), strict=False)

    return Column(pl.Int64(), value)


def size(unit: float) -> Column:
    """Decimal sizes to whole lots of `unit`; one that is no multiple of it cannot be read."""
    if unit == 1.0:
        return integer()

    def value(x: pl.Expr) -> pl.Expr:
        lots = x / unit
        return pl.when(_whole(lots) & (lots.abs() <= MAX_SIZE)).then(lots.round()).cast(pl.Int64, strict=False)

    return Column(pl.Float64(), value)


def category(dtype: pl.Enum) -> Column:
    """Words of an enumeration."""
    return Column(pl.String(), lambda x: x.cast(dtype, strict=False))


def mapped(mapping: dict[str, Any], dtype: pl.DataType) -> Column:
    """Words to what they mean; another word cannot be read."""
    return Column(pl.String(), lambda x: x.replace_strict(mapping, default=None, return_dtype=dtype))


def word() -> Column:
    """Text as it stands, which must not be empty."""
    return Column(pl.String(), lambda x: pl.when(x != "").then(x))


def iso_time() -> Column:
    """ISO 8601 with its zone, to at most nanoseconds, to UTC nanoseconds; from 1970 to 2259."""

    def value(x: pl.Expr) -> pl.Expr:
        stamp = pl.when(x.str.contains(STAMP + ZONE)).then(x)
        return stamp.str.to_datetime("%+", time_unit="ns", strict=False).cast(TIME)

    return Column(pl.String(), value, quick=iso_times)


def seconds() -> Column:
    """Decimal seconds of a day to integer nanoseconds."""
    return Column(pl.Float64(), lambda x: pl.when(x.abs() < 1e9).then((x * 1e9).round()).cast(pl.Int64, strict=False))


def epoch_time(unit: int) -> Column:
    """Integers since 1970, of `unit` nanoseconds each, to UTC nanoseconds; to 2259."""
    limit = LATEST // unit
    return Column(pl.Int64(), lambda x: pl.when((x >= 0) & (x <= limit)).then(x * unit).cast(TIME))


def optional(column: Column) -> Column:
    """The column, of which cells may be empty."""
    return replace(column, optional=True)


def read_csv(blob: Blob, columns: dict[str, Column], checker: Checker) -> pl.DataFrame:
    """`line`, the line of each row in the file, and the `columns` of the CSV, each as its Column says.

    Raises DataError for what is no CSV, for missing and repeated columns, for a line with more fields than the first
    and, as `checker`'s policy has it, for bad cells.
    """
    names = header(blob)
    if not blob.content.endswith(b"\n"):
        checker.notes.append(f"{blob.name} does not end with its line: its last row may be cut short")
    absent = [name for name in columns if name not in names]
    if absent:
        raise DataError(f"{blob.name}, line 1: the column {absent[0]} is missing ({len(absent)} in all).")
    return read_side_by_side([(blob, None)], columns, checker)


def read_side_by_side(
    files: Sequence[tuple[Blob, list[str] | None]], columns: dict[str, Column], checker: Checker
) -> pl.DataFrame:
    """As `read_csv`, of files whose rows belong together; a file without a header line comes with its columns' names.

    Raises DataError also where the files have different numbers of rows.
    """
    files = [(_without_blank_end(blob), header) for blob, header in files]
    parts = [_typed(blob.content, columns, header) for blob, header in files]
    good = [p for p in parts if p is not None]
    if len(good) == len(files) and len({p.height for p in good}) == 1:
        if good[0].height == 0:
            raise DataError(f"{files[0][0].name} has a header and no rows: give a file with rows.")
        return pl.concat([good[0], *(p.drop("line") for p in good[1:])], how="horizontal")
    raw = [as_text(blob, header=header) for blob, header in files]
    if len({r.height for r in raw}) > 1:
        heights = ", ".join(f"{blob.name} has {r.height} rows" for (blob, _), r in zip(files, raw, strict=True))
        raise DataError(f"{heights}: one is cut short.")
    whole = pl.concat([raw[0], *(r.drop("line") for r in raw[1:])], how="horizontal")
    casts = {name: c.value(pl.col(name).str.strip_chars().cast(c.dtype, strict=False)) for name, c in columns.items()}
    return checker.parse(whole, casts, {name for name, c in columns.items() if c.optional})


def _without_blank_end(blob: Blob) -> Blob:
    """The blob without empty lines at its end, which are no rows."""
    if not blob.content.endswith((b"\n\n", b"\n\r\n")):
        return blob
    return Blob(blob.name, blob.content.rstrip(b"\r\n"))


def header(blob: Blob) -> list[str]:
    """The names in a CSV's header. Raises DataError for an empty file, for what is no CSV, and for a repeated name."""
    names = first_line(blob)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{blob.name}, line 1: the column {twice[0]} stands there {names.count(twice[0])} times; keep one."
        )
    return names


def first_line(blob: Blob) -> list[str]:
    """The cells of a CSV's first line. Raises DataError for an empty file and for what is no CSV."""
    for magic, what in _MAGIC.items():
        if blob.content.startswith(magic):
            raise DataError(f"{blob.name} is {what}.")
    if not blob.content[:_HEAD].strip():
        raise DataError(f"{blob.name} is empty: give a file with rows.")
    end = blob.content.find(b"\n")
    end = len(blob.content) if end < 0 else end
    if end > _HEAD or blob.content.count(b",", 0, end) >= _MOST_COLUMNS:
        raise DataError(f"{blob.name}, line 1: {end} bytes, in more columns than any known format has: fetch it again.")
    line = blob.content[:end].decode(errors="replace").lstrip("\ufeff")
    return [name.strip() for name in line.replace('"', "").strip().split(",")]


def head(blob: Blob) -> pl.DataFrame:
    """The first rows of a CSV with a header, as text: what its format is guessed from."""
    end = blob.content.rfind(b"\n", 0, _HEAD) if len(blob.content) > _HEAD else -1
    return as_text(Blob(blob.name, blob.content[: end if end > 0 else None])).head(200)


def mostly(sample: pl.DataFrame, columns: list[str], pattern: str) -> bool:
    """Whether most of the sample's cells look so: one damaged cell must not decide the format of a file."""
    cells = pl.concat([sample[c].drop_nulls() for c in columns])
    return bool(cells.len()) and 2 * int(cells.str.contains(pattern).sum()) > cells.len()


def as_text(blob: Blob, *, header: list[str] | None = None) -> pl.DataFrame:
    """All columns as text, with the file's line of each row in `line`; `header` names those of a file without one."""
    try:
        frame = pl.read_csv(
            io.BytesIO(blob.content),
            has_header=header is None,
            new_columns=header,
            infer_schema=False,
            encoding="utf8-lossy",
        )
    except _REFUSED as error:
        raise DataError(_misshapen(blob, str(error))) from error
    if frame.height == 0:
        raise DataError(f"{blob.name} has a header and no rows: give a file with rows.")
    if "line" in frame.columns:
        raise DataError(f"{blob.name} has a column named line, which no known format has: check dataset=….")
    return frame.rename(str.strip).with_row_index("line", offset=1 if header else 2)


def _misshapen(blob: Blob, reason: str) -> str:
    lines = blob.content.splitlines()
    width = lines[0].count(b",") if lines else 0
    for number, line in enumerate(lines, start=1):
        if line.count(b",") > width:
            fields = line.count(b",") + 1
            return f"{blob.name}, line {number}: {fields} fields where line 1 has {width + 1}. Mend or delete the line."
    reason = (reason.splitlines() or ["no reason given"])[0]
    return f"{blob.name} cannot be read as CSV ({reason:.200}): mend it or fetch it again."


def _typed(content: bytes, columns: dict[str, Column], header: list[str] | None) -> pl.DataFrame | None:
    """Those of the columns that the file has; None if a cell does not parse as its type, or a value is missing."""
    if header is not None:
        columns = {name: c for name, c in columns.items() if name in header}
    types = {name: c.dtype for name, c in columns.items()}
    if header is None:
        options: dict[str, Any] = {"columns": list(columns), "schema_overrides": types}
    else:
        options = {"has_header": False, "schema": {name: types.get(name, pl.String()) for name in header}}
    try:
        raw = pl.read_csv(io.BytesIO(content), **options)
    except _REFUSED:
        return None
    with ThreadPoolExecutor() as pool:  # beside polars' own threads: both leave Python's lock alone
        begun = {name: pool.submit(c.quick, raw[name]) for name, c in columns.items() if c.quick is not None}
        parsed = raw.select(c.value(pl.col(name)).alias(name) for name, c in columns.items() if c.quick is None)
        done = {name: future.result() for name, future in begun.items()}
    quick = {name: column for name, column in done.items() if column is not None}
    if len(quick) < len(done):
        return None
    parsed = parsed.with_columns(**quick).select(list(columns))
    for name, c in columns.items():
        # An empty optional cell is null before and after; a null that came after is a value that cannot be used.
        if parsed[name].null_count() > (raw[name].null_count() if c.optional else 0):
            return None
    return parsed.with_row_index("line", offset=1 if header else 2)


def quick_prices(cells: pl.Series) -> pl.Series | None:
    """Decimal currency as 1e-9 units, null where it was; None where one is too large, or has more decimals."""
    units, missing = np.empty(len(cells), np.int64), cells.null_count()
    if not to_units(cells.to_numpy(), units, missing, MAX_PRICE):
        return None
    prices = pl.Series(units)
    return prices if not missing else pl.select(pl.when(cells.is_not_null()).then(prices)).to_series()


def to_units_py(prices: NDArray[np.float64], units: NDArray[np.int64], missing: int, most: float) -> bool:
    """Prices (n,) times 1e9 as integers, 0 for the `missing` NaN; False if more are, or one is no price."""
    for i in range(len(prices)):
        x = prices[i]
        if x != x:
            missing -= 1
            units[i] = 0
            continue
        scaled = x * 1e9
        whole = np.rint(scaled)
        if not abs(x) <= most or abs(scaled - whole) > abs(scaled) * 2e-15:
            return False
        units[i] = np.int64(whole)
    return missing == 0


to_units = njit(cache=True, nogil=True)(to_units_py)


def iso_times(cells: pl.Series) -> pl.Series | None:
    """Cells like 2024-10-21T11:54:29.221230963Z, all of one length, as UTC nanoseconds; None where one is not so."""
    n = len(cells)
    if n == 0 or cells.null_count():
        return None
    _, offsets, data = cells.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    width = len(cells[0])
    bounds = np.frombuffer(offsets, np.int64)[: n + 1]
    if not 20 <= width <= 30 or width == 21 or not (np.diff(bounds) == width).all():
        return None
    digits = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(n, width)
    stamps = np.empty(n, np.int64)
    return pl.Series(stamps).cast(TIME) if parse_iso(digits, stamps) else None


def parse_iso_py(digits: NDArray[np.uint8], stamps: NDArray[np.int64]) -> bool:
    """ASCII (n, width) as YYYY-MM-DDTHH:MM:SS[.f…]Z to nanoseconds since 1970; False if one row is anything else."""
    n, width = digits.shape
    days_before = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
    for i in range(n):
        row = digits[i]
        if row[4] != 45 or row[7] != 45 or row[10] != 84 or row[13] != 58 or row[16] != 58 or row[width - 1] != 90:
            return False
        if width > 20 and row[19] != 46:
            return False
        year = month = day = hour = minute = second = fraction = 0
        for j in range(width - 1):
            if j == 4 or j == 7 or j == 10 or j == 13 or j == 16 or j == 19:
                continue
            digit = int(row[j]) - 48
            if digit < 0 or digit > 9:
                return False
            if j < 4:
                year = year * 10 + digit
            elif j < 7:
                month = month * 10 + digit
            elif j < 10:
                day = day * 10 + digit
            elif j < 13:
                hour = hour * 10 + digit
            elif j < 16:
                minute = minute * 10 + digit
            elif j < 19:
                second = second * 10 + digit
            else:
                fraction = fraction * 10 + digit
        if not 1970 <= year <= 2259 or not 1 <= month <= 12 or day < 1:
            return False
        if hour > 23 or minute > 59 or second > 59:
            return False
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if day > days_before[month] - days_before[month - 1] + (leap and month == 2):
            return False
        past = year - 1
        days = past * 365 + past // 4 - past // 100 + past // 400 - 719_162
        days += days_before[month - 1] + (leap and month > 2) + day - 1
        for _ in range(30 - width):
            fraction *= 10
        stamps[i] = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + fraction
    return True


parse_iso = njit(cache=True, nogil=True)(parse_iso_py)
