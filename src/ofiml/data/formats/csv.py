"""CSV bytes to typed columns: fast if a file is well formed, cell by cell if it is not.

`Column` is the type of a column; a reader finds the types of `columns` here too. The first attempt reads plain cells
only (`cells`), the second parses numbers with polars. If both fail, or a required value is missing, the file is read as
text; then an error can state the first bad cell, or bad rows can be dropped and counted. All attempts give the same
values.
"""

import io
from collections import Counter
from collections.abc import Sequence

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import causes, cells
from ofiml.data.formats.causes import MAX_FLOAT_PRICE as MAX_FLOAT_PRICE
from ofiml.data.formats.causes import MAX_PRICE as MAX_PRICE
from ofiml.data.formats.causes import MAX_SIZE as MAX_SIZE
from ofiml.data.formats.cell_kernel import WORD
from ofiml.data.formats.columns import STAMP as STAMP
from ofiml.data.formats.columns import ZONE as ZONE
from ofiml.data.formats.columns import Column as Column
from ofiml.data.formats.columns import category as category
from ofiml.data.formats.columns import epoch_time as epoch_time
from ofiml.data.formats.columns import integer as integer
from ofiml.data.formats.columns import iso_time as iso_time
from ofiml.data.formats.columns import mapped as mapped
from ofiml.data.formats.columns import optional as optional
from ofiml.data.formats.columns import parse_text as parse_text
from ofiml.data.formats.columns import price as price
from ofiml.data.formats.columns import scaled_price as scaled_price
from ofiml.data.formats.columns import seconds as seconds
from ofiml.data.formats.columns import size as size
from ofiml.data.formats.columns import word as word
from ofiml.data.formats.foreign import describe_foreign
from ofiml.data.formats.text_marks import MISSING_WORDS
from ofiml.errors import DataError

_MAX_COLUMNS = 10_000
_HEAD_BYTES = 1 << 20  # enough to recognise a format

_MAGIC = {
    b"PK\x03\x04": "a zip, not a CSV: if it is LOBSTER's, use dataset=lobster; else unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive, not a CSV: if it is LOBSTER's, use dataset=lobster; else unpack it",
    b"DBN": "DBN, not a CSV: use dataset=databento or databento_mbo",
    b"PAR1": "Parquet, not a CSV: use dataset=parquet, databento or quotes",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
}


# The errors of polars for unreadable bytes; a single quote in a column of numbers makes it panic.
POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def read_csv(blob: Blob, columns: dict[str, Column], checker: Checker, header: list[str] | None = None) -> pl.DataFrame:
    """Read the `columns` of a CSV, and `line`, the line of each row in the file.

    Raises DataError for a file that is not CSV, missing and repeated columns, a line with more fields than the first
    and, if the policy of `checker` does, for bad cells. `header` has the names for a file without a header line.
    """
    names = read_header(blob) if header is None else header
    _note_open_end(blob, checker)
    absent = [name for name in columns if name not in names]
    if absent:
        raise DataError(f"{blob.name}, line 1: the column {absent[0]} is missing ({len(absent)} in all).")
    return read_side_by_side([(blob, header)], columns, checker)


def read_if_valid(blob: Blob, columns: dict[str, Column], checker: Checker) -> pl.DataFrame | None:
    """Read a CSV that has the `columns` as `read_csv`; None if it has no rows, or one of these cells is invalid."""
    frame = _read_fast(_strip_blank_end(blob), columns, None)
    if frame is None or not frame.height:
        return None
    _note_open_end(blob, checker)
    return frame


def _note_open_end(blob: Blob, checker: Checker) -> None:
    if not blob.content.endswith(b"\n"):
        checker.notes.append(f"{blob.name} does not end with a newline: its last row may be cut short")


def read_side_by_side(
    files: Sequence[tuple[Blob, list[str] | None]], columns: dict[str, Column], checker: Checker
) -> pl.DataFrame:
    """Read files whose rows belong together, as `read_csv`; a file without a header line comes with its column names.

    Raises DataError also if the files have different numbers of rows.
    """
    files = [(_strip_blank_end(blob), header) for blob, header in files]
    parts = [_read_fast(blob, columns, header) for blob, header in files]
    tables = [p for p in parts if p is not None]
    if len(tables) == len(files) and len({t.height for t in tables}) == 1:
        if tables[0].height == 0:
            raise DataError(f"{files[0][0].name} has a header and no rows: give a file with rows.")
        return pl.concat([tables[0], *(t.drop("line") for t in tables[1:])], how="horizontal")
    raw = [read_as_text(blob, header=header) for blob, header in files]
    if len({r.height for r in raw}) > 1:
        heights = ", ".join(f"{blob.name} has {r.height} rows" for (blob, _), r in zip(files, raw, strict=True))
        raise DataError(f"{heights}: one is cut short.")
    whole = pl.concat([raw[0], *(r.drop("line") for r in raw[1:])], how="horizontal")
    may_lack = {name for name, c in columns.items() if c.optional}
    is_missing = {name: pl.col(name).str.strip_chars().is_in(MISSING_WORDS) for name in may_lack}
    whole = whole.with_columns(pl.when(~missing).then(pl.col(name)).alias(name) for name, missing in is_missing.items())
    casts = {name: parse_text(c, pl.col(name)) for name, c in columns.items()}
    return checker.parse(whole, casts, may_lack, {name: c.explain for name, c in columns.items()})


def _strip_blank_end(blob: Blob) -> Blob:
    """Remove empty lines at the end, which are not rows."""
    if not blob.content.endswith((b"\n\n", b"\n\r\n")):
        return blob
    return Blob(blob.name, blob.content.rstrip(b"\r\n"))


def read_header(blob: Blob) -> list[str]:
    """Read the names in a CSV's header. Raises DataError for an empty file, one that is not CSV and a repeated name."""
    names = read_first_line(blob)
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        name = repeated[0]
        raise DataError(f"{blob.name}, line 1: the column {name} appears {names.count(name)} times; keep one.")
    return names


def read_first_line(blob: Blob) -> list[str]:
    """Read the cells of a CSV's first line. Raises DataError for an empty file and for one that is not CSV."""
    for magic, what in _MAGIC.items():
        if blob.content.startswith(magic):
            raise DataError(f"{blob.name} is {what}.")
    foreign = describe_foreign(blob.name, blob.content[:_HEAD_BYTES])
    if foreign is not None:
        raise DataError(f"{blob.name} is {foreign}.")
    if not blob.content[:_HEAD_BYTES].strip():
        raise DataError(f"{blob.name} is empty: give a file with rows.")
    end = blob.content.find(b"\n")
    end = len(blob.content) if end < 0 else end
    if end > _HEAD_BYTES or blob.content.count(b",", 0, end) >= _MAX_COLUMNS:
        raise DataError(f"{blob.name}, line 1: {end} bytes, more columns than any known format: fetch it again.")
    line = blob.content[:end].decode(errors="replace").lstrip("\ufeff")
    return [clean_name(name) for name in line.strip().split(",")]


def clean_name(name: str) -> str:
    """Return a column's name without quotes and the spaces around it."""
    return name.replace('"', "").strip()


def read_head(blob: Blob, header: list[str] | None = None) -> pl.DataFrame:
    """Read the first rows of a CSV as text, to recognise its format."""
    end = blob.content.rfind(b"\n", 0, _HEAD_BYTES) if len(blob.content) > _HEAD_BYTES else -1
    return read_as_text(Blob(blob.name, blob.content[: end if end > 0 else None]), header=header).head(200)


def match_mostly(sample: pl.DataFrame, columns: list[str], pattern: str) -> bool:
    """Return whether most of the sample's cells match; one damaged cell must not decide the format of a file."""
    cells = pl.concat([sample[c].drop_nulls() for c in columns])
    return bool(cells.len()) and 2 * int(cells.str.contains(pattern).sum()) > cells.len()


def read_as_text(blob: Blob, *, header: list[str] | None = None) -> pl.DataFrame:
    """Read all columns as text, and `line`, the line of each row; `header` has the names for a file without a header.

    Raises DataError for a file that is not CSV, has no rows, or has a column `line`.
    """
    try:
        frame = pl.read_csv(
            io.BytesIO(blob.content),
            has_header=header is None,
            new_columns=header,
            infer_schema=False,
            encoding="utf8-lossy",
        )
    except POLARS_ERRORS as error:
        raise DataError(_explain_unreadable(blob, str(error))) from error
    if frame.height == 0:
        raise DataError(f"{blob.name} has a header and no rows: give a file with rows.")
    if "line" in frame.columns:
        raise DataError(f"{blob.name} has a column named line, which no known format has: check dataset=….")
    return frame.rename(clean_name).with_row_index("line", offset=1 if header else 2)


def _explain_unreadable(blob: Blob, reason: str) -> str:
    """Explain why polars cannot read a CSV: a line with too many fields, or else its own `reason`."""
    lines = blob.content.splitlines()
    width = lines[0].count(b",") if lines else 0
    for number, line in enumerate(lines, start=1):
        if line.count(b",") > width:
            fields = line.count(b",") + 1
            where = f"{blob.name}, line {number}: {fields} fields where line 1 has {width + 1}"
            return f"{where}. {causes.explain_fields(lines, width)}"
    reason = (reason.splitlines() or ["no reason given"])[0]
    return f"{blob.name} cannot be read as CSV ({reason:.200}): fix it or fetch it again."


def _read_fast(blob: Blob, columns: dict[str, Column], header: list[str] | None) -> pl.DataFrame | None:
    """Read `line` and those of the columns that the file has; None if a cell is invalid.

    Plain cells are read in one pass; if there are others, quoted or with exponents, polars parses all.
    """
    names = read_first_line(blob) if header is None else header
    columns = {name: c for name, c in columns.items() if name in names}
    table = _read_plain(blob, columns, header is None, names)
    if table is None:
        table = _read_typed(blob, columns, header is None, names)
    return None if table is None else table.with_row_index("line", offset=1 if header else 2)


def _read_plain(blob: Blob, columns: dict[str, Column], has_header: bool, names: list[str]) -> pl.DataFrame | None:
    plain = {name: c.plain for name, c in columns.items() if c.plain is not None}
    if len(plain) < len(columns):
        return None
    start = blob.content.find(b"\n") + 1 if has_header else 0
    raw = cells.read_cells(blob.content, start, names, plain, {name for name, c in columns.items() if c.optional})
    if raw is None:
        return None
    meanings = {}
    for name, cell in plain.items():
        if cell.kind == WORD:  # converts each word once
            dtype = raw.schema[name]
            assert isinstance(dtype, pl.Enum)
            words = pl.DataFrame({name: dtype.categories})
            meanings[name] = words.select(columns[name].value(pl.col(name))).to_series().gather(raw[name].to_physical())
    numbers = [
        columns[n].value(pl.col(n)).alias(n) for n, cell in plain.items() if cell.kind != WORD and cell.dtype is None
    ]
    return _require_values(raw.with_columns(*numbers, **meanings), raw, columns)


def _read_typed(blob: Blob, columns: dict[str, Column], has_header: bool, names: list[str]) -> pl.DataFrame | None:
    types = {name: c.dtype for name, c in columns.items()}
    try:
        if has_header:
            raw = pl.read_csv(io.BytesIO(blob.content), columns=list(columns), schema_overrides=types)
        else:
            schema = {name: types.get(name, pl.String()) for name in names}
            raw = pl.read_csv(io.BytesIO(blob.content), has_header=False, schema=schema)
    except POLARS_ERRORS:
        return None
    if any((raw[name].abs() > MAX_FLOAT_PRICE).any() for name, c in columns.items() if c.exact is not None):
        return None
    return _require_values(raw.select(c.value(pl.col(name)).alias(name) for name, c in columns.items()), raw, columns)


def _require_values(values: pl.DataFrame, raw: pl.DataFrame, columns: dict[str, Column]) -> pl.DataFrame | None:
    """Return the values, or None if one is missing or invalid."""
    for name, c in columns.items():
        # An empty optional cell is null in both tables; a null only in `values` is an invalid cell.
        if values[name].null_count() > (raw[name].null_count() if c.optional else 0):
            return None
    return values
