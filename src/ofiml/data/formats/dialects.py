"""Dialects of CSV: encodings, separators, decimal commas, files without a header.

`standardise` converts a file of any dialect to the one that `csv` reads: UTF-8, a comma between cells, a point in
numbers. Lines keep their numbers.
"""

import codecs
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ofiml.data.feed import Blob
from ofiml.data.formats.csv import POLARS_ERRORS, read_first_line
from ofiml.data.remedies import POINT
from ofiml.errors import DataError

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}

_TRAILING = "trailing"  # the name of a column that a separator at the end of each line makes
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SAMPLE_BYTES = 256


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file writes its cells.

    `separator` and `decimal` are keys of SEPARATORS; the separator None is the one with which line 1 has the wanted
    names. `header` has the names of the columns of a file without a header line.
    """

    separator: str | None = None
    decimal: str = "point"
    header: list[str] | None = None


def decode_text(blob: Blob) -> Blob:
    """Convert UTF-16 to UTF-8, remove a byte order mark, and end lines with a newline.

    Raises DataError for UTF-32 and for damaged UTF-16.
    """
    content = blob.content
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{blob.name} is text in UTF-32: save it as UTF-8.")
    encoding = _UTF16.get(content[:2]) or _recognise_utf16(content[:_SAMPLE_BYTES])
    if encoding is not None:
        try:
            content = content.decode(encoding).lstrip("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise DataError(f"{blob.name} is damaged UTF-16 ({error.reason}): save it as UTF-8.") from error
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\r" in content[: 1 << 16] and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return blob if content is blob.content else Blob(blob.name, content)


def _recognise_utf16(head: bytes) -> str | None:
    """Recognise UTF-16 without a mark: every second byte of ASCII characters is 0."""
    for encoding, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if len(zeros) > 1 and not any(zeros) and all(others):
            return encoding
    return None


def standardise(
    blob: Blob, dialect: Dialect, fits: Callable[[list[str]], bool]
) -> tuple[Blob, list[str], list[str] | None]:
    """Convert a file to UTF-8 with commas and points; return it, its column names, and its header for `csv`.

    That header is None if line 1 has the names. `fits` decides whether a separator splits line 1 into the wanted names;
    if none does, the result has the most columns. In a file with decimal commas a point is not a decimal mark and
    becomes POINT. Raises DataError for a file that is not CSV, and for a line that is neither header nor row.
    """
    blob = decode_text(blob)
    read_first_line(blob)  # raises DataError for a file that is not CSV
    end = blob.content.find(b"\n")
    first = blob.content[: end if end >= 0 else None].decode(errors="replace").rstrip("\r")
    separator, cells = _choose_separator(first, dialect, fits)
    if first.lower().startswith("sep=") or (first.startswith("#") and not fits(cells)):
        raise DataError(f"{blob.name}, line 1: {first[:40]!r} is not a header: delete the lines before the header.")
    headed = dialect.header is None or [c.lower() for c in cells] == [h.lower() for h in dialect.header]
    if not headed and len(cells) != len(dialect.header or ()):
        raise DataError(
            f"{blob.name}, line 1: {len(cells)} cells separated by {_name_separator(separator)}, but dataset.header "
            f"has {len(dialect.header or ())} names."
        )
    names = cells if headed else list(dialect.header or ())
    start = len(blob.content) if headed and end < 0 else end + 1 if headed else 0
    body = blob.content[start:] if separator != "," or dialect.decimal == "comma" else None
    if body is not None:
        body = _convert_body(blob.name, body, separator, dialect.decimal)
    extended = _name_trailing(body if body is not None else blob.content, start if body is None else 0, names)
    if body is None and extended == names:
        return blob, names, None if headed else names
    body = blob.content[start:] if body is None else body
    if not headed:
        return Blob(blob.name, body), extended, extended
    line = ",".join(name.replace(",", " ") for name in extended).encode()
    return Blob(blob.name, line + b"\n" + body), [name.replace(",", " ") for name in extended], None


def _choose_separator(line: str, dialect: Dialect, fits: Callable[[list[str]], bool]) -> tuple[str, list[str]]:
    """Choose the separator that splits the line into the wanted names; return it and the cells."""
    wanted = list(SEPARATORS.values()) if dialect.separator is None else [SEPARATORS[dialect.separator]]
    splits = [(separator, _split_line(line, separator)) for separator in wanted]
    for separator, cells in splits:
        if fits(cells) or (dialect.header is not None and len(cells) == len(dialect.header)):
            return separator, cells
    return max(splits, key=lambda split: len(split[1]))  # the first of equals: a comma


def _split_line(line: str, separator: str) -> list[str]:
    try:
        cells = next(csv.reader([line.replace("\r", " ")], delimiter=separator), [""])
    except csv.Error:  # a cell of more than 128 KiB
        cells = line.split(separator)
    return [cell.strip().replace('"', "") for cell in cells]


def _name_separator(separator: str) -> str:
    return next(f"{name}s" for name, mark in SEPARATORS.items() if mark == separator)


def _convert_body(name: str, body: bytes, separator: str, decimal: str) -> bytes:
    """Convert the rows to commas between cells and points in numbers."""
    if b'"' not in body and separator != "," and (decimal == "comma" or b"," not in body):
        marks = (separator + ",.").encode() if decimal == "comma" else separator.encode()
        return body.translate(bytes.maketrans(marks, f",.{POINT}".encode()[: len(marks)]))
    try:
        table = pl.read_csv(
            io.BytesIO(body), has_header=False, separator=separator, infer_schema=False, encoding="utf8-lossy"
        )
    except POLARS_ERRORS as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise DataError(
            f"{name} cannot be read with {_name_separator(separator)} between cells ({reason:.200})."
        ) from error
    if decimal == "comma":
        table = table.with_columns(
            pl.all().str.replace_all(".", POINT, literal=True).str.replace_all(",", ".", literal=True)
        )
    return table.write_csv(include_header=False).encode()


def _name_trailing(content: bytes, start: int, names: list[str]) -> list[str]:
    """Return the names, with one more if every line has an empty cell after the last one."""
    end = content.find(b"\n", start)
    first = content[start : end if end >= 0 else None].rstrip(b"\r")
    if first.count(b",") != len(names) or not first.endswith(b",") or b'"' in first or _TRAILING in names:
        return names
    rows = content[start:] if start else content
    lines = rows.rstrip(b"\r\n").count(b"\n") + 1
    ends = rows.count(b",\n") + rows.count(b",\r\n") + rows.endswith(b",")
    return [*names, _TRAILING] if ends == lines else names
