"""The beginning of a file, by which readers recognise their formats without reading it whole. Imports nothing heavy."""

import csv
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ofiml.config import is_document

HEAD_BYTES = 1 << 16
_PACKED_BYTES = 1 << 20  # read of a compressed file
_GZIP, _ZSTD, _ZIP, _7Z, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"PAR1"
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|inf", re.IGNORECASE)
_MAX_CELL_CHARS = 40


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a file is, by its head, for the reader that recognises it.

    `what` is a noun phrase. `settings` are the overrides that its reading needs besides dataset and path; a value in
    capitals, as in `dataset.symbols=[NAME]`, is the user's to fill in. `sure` is false if files of other sources look
    alike. `remedy` says what to do if this reader cannot read the file; it is empty if it can. `dataset` is the choice
    that reads it, if that is not named as the reader: a preset of its settings.
    """

    what: str
    settings: tuple[str, ...] = ()
    sure: bool = True
    remedy: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class FileHead:
    """A file's name without the suffix of its compression, and its first bytes, decompressed.

    `packing` is gzip, zstd, zip, 7z or empty. `members` are the names in an archive; the bytes are those of its first
    file. `columns` are the names of a Parquet file's columns.
    """

    name: str
    content: bytes
    packing: str = ""
    members: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @cached_property
    def is_text(self) -> bool:
        """Whether the bytes are text: UTF-8 without control characters, but zeros at the end, or with a mark."""
        sample = self.content[:4096].rstrip(b"\0")
        if not sample or any(sample.startswith(bom) for bom in _BOMS):
            return bool(sample)
        return not re.search(rb"[\x00-\x08\x0e-\x1f]", sample)

    @cached_property
    def lines(self) -> list[str]:
        """The first lines that are not blank; empty for binary files. The last one may be cut."""
        if not self.is_text:
            return []
        encoding = next((name for bom, name in _BOMS.items() if self.content.startswith(bom)), "utf-8")
        text = self.content.decode(encoding, "replace").rstrip("\0")
        return [line for line in text.splitlines() if line.strip()][:50]

    @cached_property
    def separator(self) -> str:
        """The most frequent of , ; tab and | in the first line."""
        first = self.lines[0] if self.lines else ""
        return max(",;\t|", key=first.count)

    @cached_property
    def cells(self) -> list[list[str]]:
        """The first lines as cells of a CSV, without the spaces and quotes around them."""
        rows = csv.reader(self.lines, delimiter=self.separator)
        try:
            return [[cell.strip().strip('"').strip() for cell in row] for row in rows]
        except csv.Error:
            return []

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The names of the columns of a CSV or Parquet file; empty for a CSV without a header."""
        if self.columns:
            return self.columns
        first = self.cells[0] if self.cells else []
        is_header = len(first) > 1 and not any(_NUMBER.fullmatch(cell) for cell in first)
        return tuple(first) if is_header and not re.match(r"[{\[]|<[!?hH]", first[0]) else ()

    @property
    def form(self) -> str:
        """The form of a table, for descriptions: CSV or Parquet, and its compression."""
        return "Parquet" if self.columns else f"CSV, {self.packing}" if self.packing else "CSV"


def is_data_file(path: str) -> bool:
    """Return whether a file of an archive may hold data: no checksum, no document, nothing hidden or of macOS."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)
    return bool(parts) and not hidden and not is_document(parts[-1])


def read_head(path: Path) -> FileHead:
    """Read the head of a file. Raises OSError; damage after the head is not noticed."""
    with path.open("rb") as file:
        packed = file.read(_PACKED_BYTES)
    if packed.startswith(_PARQUET):
        return FileHead(path.name, packed[:HEAD_BYTES], columns=_read_parquet_columns(path))
    if packed.startswith((_ZIP, _7Z)):
        return _read_archive_head(path, packed)
    return _unpack_head(path.name, packed)


def _unpack_head(name: str, packed: bytes) -> FileHead:
    """Decompress the beginning of a gzip or zstd file; keep any other as it is."""
    content, packing = packed, ""
    if packed.startswith(_GZIP):
        packing = "gzip"
        try:
            content = zlib.decompressobj(wbits=31).decompress(packed, HEAD_BYTES)
        except zlib.error:
            content = b""
    elif packed.startswith(_ZSTD):
        packing = "zstd"
        content = _unpack_zstd(packed)
    base = re.sub(r"\.(gz|gzip|zst|zstd)$", "", name, flags=re.IGNORECASE) if packing else name
    return FileHead(base, content[:HEAD_BYTES], packing)


def _unpack_zstd(packed: bytes) -> bytes:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(io.BytesIO(packed), "zstd") as stream:
            return bytes(stream.read(HEAD_BYTES))
    except (OSError, pa.ArrowException):
        return b""


def _read_parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return tuple(pq.read_schema(path).names)
    except (ArrowException, OSError, ValueError):
        return ()


def _read_archive_head(path: Path, packed: bytes) -> FileHead:
    """Read the names in a zip or 7z, and the head of the first file of a zip."""
    if packed.startswith(_7Z):
        return FileHead(path.name, b"", "7z", _list_7z(path))
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [i for i in archive.infolist() if not i.is_dir() and is_data_file(i.filename)]
            names = tuple(PurePosixPath(i.filename).name for i in entries)
            if not entries:
                return FileHead(path.name, b"", "zip")
            with archive.open(entries[0]) as stream:
                inner = _unpack_head(names[0], stream.read(HEAD_BYTES))
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, NotImplementedError, ValueError):
        return FileHead(path.name, b"", "zip")
    return FileHead(inner.name if len(names) == 1 else path.name, inner.content, "zip", names)


def _list_7z(path: Path) -> tuple[str, ...]:
    try:
        import py7zr

        with py7zr.SevenZipFile(path) as archive:
            return tuple(
                PurePosixPath(i.filename).name
                for i in archive.list()
                if not i.is_directory and is_data_file(i.filename)
            )
    except Exception:  # noqa: BLE001 the package is optional, and raises exceptions of many types for a damaged archive
        return ()


def shorten(names: tuple[str, ...], count: int = 8) -> str:
    """List the first names, each cut to a few characters, for a message."""
    shown = ", ".join(f"{name:.{_MAX_CELL_CHARS}}" for name in names[:count])
    return f"{shown} and {len(names) - count} more" if len(names) > count else shown
