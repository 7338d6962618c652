"""CSV bytes to typed columns: fast where a file is well formed, cell by cell where it is not.

Each column says how it is read once (`Column`). A first reading takes plain cells alone (`cells`), a second one lets
polars parse numbers; if that fails as well, or leaves a value that may not be missing, everything is read again as
text, so that the first bad cell can be named, or bad rows dropped and counted. All readings give the same values.
"""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import cells
from ofiml.data.formats.cells import (
    INSTANT,
    NUMBER,
    WORD,
    Plain,
)
from ofiml.data.schema import LATEST, NO_PRICE, TIME
from ofiml.errors import DataError

# Above 2^52 units of 1e-9 a float no longer tells neighbours apart, and a price would be silently wrong.
MAX_PRICE = 4_000_000.0
MAX_SIZE = 1_000_000_000_000

# Times as text. What int64 nanoseconds hold: polars wraps other years round in silence, and cuts a longer fraction.
STAMP = (
    r"^(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2}|22[0-5][0-9])-[0-9]{2}-[0-9]{2}"
    r"[ T][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?"
)
ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"

_MAX_COLUMNS = 10_000
_HEAD_BYTES = 1 << 20  # bytes that are enough to tell a format

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

    `optional` cells may be empty. `plain`, where there is one, gives the same of cells as feeds write them; where it
    has no type, `value` of it does.
    """

    dtype: pl.DataType
    value: Callable[[pl.Expr], pl.Expr]
    optional: bool = False
    plain: Plain | None = None


def _whole(x: pl.Expr) -> pl.Expr:
    """Whether it is a whole number, but for the last bits that a decimal fraction loses as a float."""
    return (x - x.round()).abs() <= x.abs() * 2e-15


def price() -> Column:
    """Decimal currency to int64 1e-9; one with more decimals cannot be read, as far as a float shows them."""

    def value(x: pl.Expr) -> pl.Expr:
        units = x * 1e9
        return pl.when((x.abs() <= MAX_PRICE) & _whole(units)).then(units.round()).cast(pl.Int64, strict=False)

    most = int(MAX_PRICE * 1e9)
    return Column(pl.Float64(), value, plain=Plain(NUMBER, 9, -most, most, pl.Int64()))


def scaled_price(multiplier: int, *, none: int | None = None) -> Column:
    """Integers of `multiplier` units of 1e-9 each; `none`, in the file's numbers, stands for no price (NO_PRICE)."""
    limit = int(MAX_PRICE * 1e9) // multiplier

    def value(x: pl.Expr) -> pl.Expr:
        usable = pl.when((x >= -limit) & (x <= limit)).then(x * multiplier)
        return usable if none is None else pl.when(x == none).then(NO_PRICE).otherwise(usable)

    return Column(pl.Int64(), value, plain=Plain(NUMBER))


def integer(dtype: pl.DataType | None = None, *, limit: int = MAX_SIZE) -> Column:
    """Integers of at most `limit` in size."""

    def value(x: pl.Expr) -> pl.Expr:
        return pl.when((x >= -limit) & (x <= limit)).then(x).cast(dtype or pl.Int64(), strict=False)

    range_ = np.iinfo(str(dtype or pl.Int64()).lower())
    low, high = max(-limit, int(range_.min)), min(limit, int(range_.max))
    return Column(pl.Int64(), value, plain=Plain(NUMBER, 0, low, high, dtype or pl.Int64()))


def size(unit: float) -> Column:
    """Decimal sizes to whole lots of `unit`; one that is not a multiple of it cannot be read."""
    if unit == 1.0:
        return integer()

    def value(x: pl.Expr) -> pl.Expr:
        lots = x / unit
        return pl.when(_whole(lots) & (lots.abs() <= MAX_SIZE)).then(lots.round()).cast(pl.Int64, strict=False)

    scale = next((k for k in range(1, 10) if unit == 10.0**-k), 0)
    plain = Plain(NUMBER, scale, -MAX_SIZE, MAX_SIZE, pl.Int64()) if scale else None
    return Column(pl.Float64(), value, plain=plain)


def category(dtype: pl.Enum) -> Column:
    """Words of an enumeration."""
    return Column(pl.String(), lambda x: x.cast(dtype, strict=False), plain=Plain(WORD))


def mapped(mapping: dict[str, Any], dtype: pl.DataType) -> Column:
    """Words to what they mean; another word cannot be read."""
    return Column(pl.String(), lambda x: x.replace_strict(mapping, default=None, return_dtype=dtype), plain=Plain(WORD))


def word() -> Column:
    """Text but for spaces around it, which must not be empty."""

    def value(x: pl.Expr) -> pl.Expr:
        return pl.when(x.str.strip_chars() != "").then(x.str.strip_chars())

    return Column(pl.String(), value, plain=Plain(WORD))


def iso_time() -> Column:
    """ISO 8601 with its zone, to at most nanoseconds, to UTC nanoseconds; from 1970 to 2259."""

    def value(x: pl.Expr) -> pl.Expr:
        stamp = pl.when(x.str.contains(STAMP + ZONE)).then(x)
        return stamp.str.to_datetime("%+", time_unit="ns", strict=False).cast(TIME)

    return Column(pl.String(), value, plain=Plain(INSTANT, dtype=TIME))


def seconds() -> Column:
    """Decimal seconds of a day to integer nanoseconds."""
    # Above 10^15 ns a float does not tell nanoseconds apart.
    plain = Plain(NUMBER, 9, -(10**15), 10**15, pl.Int64())

    def value(x: pl.Expr) -> pl.Expr:
        return pl.when(x.abs() < 1e9).then((x * 1e9).round()).cast(pl.Int64, strict=False)

    return Column(pl.Float64(), value, plain=plain)


def epoch_time(unit: int) -> Column:
    """Integers since 1970, of `unit` nanoseconds each, to UTC nanoseconds; to 2259."""
    limit = LATEST // unit
    return Column(pl.Int64(), lambda x: pl.when((x >= 0) & (x <= limit)).then(x * unit).cast(TIME), plain=Plain(NUMBER))


def optional(column: Column) -> Column:
    """The column, of which cells may be empty."""
    return replace(column, optional=True)


def read_csv(blob: Blob, columns: dict[str, Column], checker: Checker) -> pl.DataFrame:
    """`line`, the line of each row in the file, and the `columns` of the CSV, each as its Column says.

    Raises DataError for what is no CSV, for missing and repeated columns, for a line with more fields than the first
    and, as `checker`'s policy has it, for bad cells.
    """
    names = read_header(blob)
    if not blob.content.endswith(b"\n"):
        checker.notes.append(f"{blob.name} does not end with a newline: its last row may be cut short")
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
    parts = [_read_fast(blob, columns, header) for blob, header in files]
    good = [p for p in parts if p is not None]
    if len(good) == len(files) and len({p.height for p in good}) == 1:
        if good[0].height == 0:
            raise DataError(f"{files[0][0].name} has a header and no rows: give a file with rows.")
        return pl.concat([good[0], *(p.drop("line") for p in good[1:])], how="horizontal")
    raw = [read_as_text(blob, header=header) for blob, header in files]
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


def read_header(blob: Blob) -> list[str]:
    """The names in a CSV's header. Raises DataError for an empty file, for what is no CSV, and for a repeated name."""
    names = read_first_line(blob)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{blob.name}, line 1: the column {twice[0]} appears {names.count(twice[0])} times; keep one.")
    return names


def read_first_line(blob: Blob) -> list[str]:
    """The cells of a CSV's first line. Raises DataError for an empty file and for what is no CSV."""
    for magic, what in _MAGIC.items():
        if blob.content.startswith(magic):
            raise DataError(f"{blob.name} is {what}.")
    if not blob.content[:_HEAD_BYTES].strip():
        raise DataError(f"{blob.name} is empty: give a file with rows.")
    end = blob.content.find(b"\n")
    end = len(blob.content) if end < 0 else end
    if end > _HEAD_BYTES or blob.content.count(b",", 0, end) >= _MAX_COLUMNS:
        raise DataError(f"{blob.name}, line 1: {end} bytes, more columns than any known format: fetch it again.")
    line = blob.content[:end].decode(errors="replace").lstrip("\ufeff")
    return [name.strip() for name in line.replace('"', "").strip().split(",")]


def read_head(blob: Blob) -> pl.DataFrame:
    """The first rows of a CSV with a header, as text: what its format is guessed from."""
    end = blob.content.rfind(b"\n", 0, _HEAD_BYTES) if len(blob.content) > _HEAD_BYTES else -1
    return read_as_text(Blob(blob.name, blob.content[: end if end > 0 else None])).head(200)


def match_mostly(sample: pl.DataFrame, columns: list[str], pattern: str) -> bool:
    """Whether most of the sample's cells look so: one damaged cell must not decide the format of a file."""
    cells = pl.concat([sample[c].drop_nulls() for c in columns])
    return bool(cells.len()) and 2 * int(cells.str.contains(pattern).sum()) > cells.len()


def read_as_text(blob: Blob, *, header: list[str] | None = None) -> pl.DataFrame:
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
            return f"{blob.name}, line {number}: {fields} fields where line 1 has {width + 1}. Fix or delete the line."
    reason = (reason.splitlines() or ["no reason given"])[0]
    return f"{blob.name} cannot be read as CSV ({reason:.200}): fix it or fetch it again."


def _read_fast(blob: Blob, columns: dict[str, Column], header: list[str] | None) -> pl.DataFrame | None:
    """`line` and those of the columns that the file has; None where a cell is not as nearly all are, or cannot be used.

    Cells as feeds write them are read in one pass; where there are others, quoted or with exponents, polars parses all.
    """
    names = read_first_line(blob) if header is None else header
    columns = {name: c for name, c in columns.items() if name in names}
    parsed = _plain(blob, columns, header is None, names)
    if parsed is None:
        parsed = _typed(blob, columns, header is None, names)
    return None if parsed is None else parsed.with_row_index("line", offset=1 if header else 2)


def _plain(blob: Blob, columns: dict[str, Column], headed: bool, names: list[str]) -> pl.DataFrame | None:
    plain = {name: c.plain for name, c in columns.items() if c.plain is not None}
    if len(plain) < len(columns):
        return None
    start = blob.content.find(b"\n") + 1 if headed else 0
    raw = cells.read_cells(blob.content, start, names, plain, {name for name, c in columns.items() if c.optional})
    if raw is None:
        return None
    meanings = {}
    for name, how in plain.items():
        if how.kind == WORD:  # each word once
            dtype = raw.schema[name]
            assert isinstance(dtype, pl.Enum)
            words = pl.DataFrame({name: dtype.categories})
            meanings[name] = words.select(columns[name].value(pl.col(name))).to_series().gather(raw[name].to_physical())
    numbers = [
        columns[n].value(pl.col(n)).alias(n) for n, how in plain.items() if how.kind != WORD and how.dtype is None
    ]
    return _if_all_there(raw.with_columns(*numbers, **meanings), raw, columns)


def _typed(blob: Blob, columns: dict[str, Column], headed: bool, names: list[str]) -> pl.DataFrame | None:
    types = {name: c.dtype for name, c in columns.items()}
    if headed:
        options: dict[str, Any] = {"columns": list(columns), "schema_overrides": types}
    else:
        options = {"has_header": False, "schema": {name: types.get(name, pl.String()) for name in names}}
    try:
        raw = pl.read_csv(io.BytesIO(blob.content), **options)
    except _REFUSED:
        return None
    return _if_all_there(raw.select(c.value(pl.col(name)).alias(name) for name, c in columns.items()), raw, columns)


def _if_all_there(values: pl.DataFrame, raw: pl.DataFrame, columns: dict[str, Column]) -> pl.DataFrame | None:
    for name, c in columns.items():
        # An empty optional cell is null before and after; a null that came after is a value that cannot be used.
        if values[name].null_count() > (raw[name].null_count() if c.optional else 0):
            return None
    return values
