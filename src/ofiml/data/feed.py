"""Input and output of a reader: the bytes of an input's files, and one symbol's rows in feed order."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.file_head import is_data_file
from ofiml.errors import DataError

MAX_BYTES = 16 << 30  # of one unpacked file; a larger one is a decompression bomb or must be split
_CHUNK_BYTES = 1 << 24  # unpacked at a time
_PIECE_BYTES = 1 << 22  # of a file that is read in pieces
# A file that unpacks to more than both this many bytes and this multiple of its size is a decompression bomb.
_MIN_BOMB_BYTES, _MAX_RATIO = 1 << 30, 200
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"


class Blob:
    """A file: its name, for messages, and its bytes, or the path where they are read when they are needed."""

    __slots__ = ("_content", "_path", "name")

    def __init__(self, name: str, content: bytes | None = None, *, path: Path | None = None) -> None:
        self.name, self._content, self._path = name, content, path

    @property
    def content(self) -> bytes:
        """The bytes, all in memory."""
        if self._content is None:
            self._content = b"" if self._path is None else self._path.read_bytes()
        return self._content

    @property
    def size(self) -> int:
        """The number of bytes."""
        if self._path is not None and self._content is None:
            return self._path.stat().st_size
        return len(self.content)

    def open(self) -> BinaryIO:
        """Open the bytes for reading in pieces; a file on disk is not read into memory."""
        if self._path is not None and self._content is None:
            return self._path.open("rb")
        return io.BytesIO(self.content)


@dataclass(slots=True)
class Feed:
    """One symbol's rows of one input, in feed order.

    `events` has the columns of the event schema except `symbol`, and `line`; a placeholder for no price is NO_PRICE.
    `rows` is the number of rows read; `checker` counts those dropped so far. `date`, `open` and `close` (UTC ns) are
    set if the input states them, `digest` if the rows come from only a part of the input. `notes` go to the report.
    `calendar` is that of the exchange, and `venue` its name, where the input states it. `fault` is the sentence of the
    error for rows of which no session can be made, such as a book that never becomes known. `names_symbol` is false if
    any symbol may be meant, as in a response that belongs to a stream.
    """

    symbol: str
    events: pl.DataFrame
    levels: int
    rows: int
    checker: Checker
    date: str | None = None
    open: int | None = None
    close: int | None = None
    digest: str | None = None
    notes: tuple[str, ...] = ()
    calendar: str | None = None
    venue: str | None = None
    fault: str | None = None
    names_symbol: bool = True


def unpack_file(blob: Blob) -> Blob:
    """Decompress a gzip or zstd file; return any other unchanged. Raises DataError for a damaged or too large one."""
    content = blob.content
    try:
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as stream:
                return Blob(blob.name, read_at_most(stream.read, MAX_BYTES, blob))
        if content.startswith(_ZSTD):
            import pyarrow as pa

            with pa.CompressedInputStream(io.BytesIO(content), "zstd") as stream:
                return Blob(blob.name, read_at_most(stream.read, MAX_BYTES, blob))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{blob.name} is cut short or damaged ({error}): fetch it again.") from error
    return blob


def read_at_most(read: Callable[[int], bytes], limit: int, packed: Blob) -> bytes:
    """Read a stream to its end, in pieces: a single read would reserve memory for the stated size.

    Raises DataError beyond `limit` bytes, and for a decompression bomb: far more bytes than `packed` has.
    """
    return b"".join(_limit_pieces(read, limit, packed, _CHUNK_BYTES))


def read_pieces(blob: Blob) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file in pieces, so that memory does not grow with the file.

    A file may be packed with gzip or zstd, or be the only one of a zip. Raises DataError for a damaged one, for a zip
    of several files, and for a decompression bomb.
    """
    with blob.open() as raw:
        magic = raw.read(4)
        raw.seek(0)
        limit = _MAX_RATIO * max(blob.size, _MIN_BOMB_BYTES)
        try:
            if magic.startswith(_GZIP):
                with gzip.open(raw) as unzipped:
                    yield from _limit_pieces(unzipped.read, limit, blob, _PIECE_BYTES)
            elif magic == _ZSTD:
                import pyarrow as pa

                with pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd") as stream:
                    yield from _limit_pieces(stream.read, limit, blob, _PIECE_BYTES)
            elif magic == _ZIP:
                with zipfile.ZipFile(raw) as archive:
                    files = [i for i in archive.infolist() if not i.is_dir() and is_data_file(i.filename)]
                    if len(files) != 1:
                        raise DataError(
                            f"{blob.name} contains {len(files)} files: give an archive of one, or unpack it."
                        )
                    with archive.open(files[0]) as member:
                        yield from _limit_pieces(member.read, limit, blob, _PIECE_BYTES)
            else:
                yield from iter(lambda: raw.read(_PIECE_BYTES), b"")
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{blob.name} is cut short or damaged ({error}): fetch it again.") from error


def _limit_pieces(read: Callable[[int], bytes], limit: int, packed: Blob, count: int) -> Iterator[bytes]:
    """Yield pieces of `count` bytes; raise DataError as `read_at_most`."""
    size = 0
    while piece := read(count):
        size += len(piece)
        check_size(size, limit, packed)
        yield piece


def check_size(size: int, limit: int, packed: Blob) -> None:
    """Raise DataError if a file of `packed` has unpacked to `size` bytes: beyond `limit`, or as a bomb does."""
    if size > limit:
        raise DataError(f"{packed.name} unpacks to more than {limit >> 30} GiB: split it.")
    if size > _MIN_BOMB_BYTES and size > _MAX_RATIO * packed.size:
        raise DataError(
            f"{packed.name} unpacks to more than {_MAX_RATIO} times its {packed.size} bytes, which market data never "
            "does: fetch it again, or unpack it first."
        )


def split_by_symbol(
    table: pl.DataFrame, source: str, wanted: list[str] | None, checker: Checker
) -> Iterator[tuple[str, pl.DataFrame, Checker]]:
    """Yield each symbol, its rows (without `symbol`) and a checker; the first symbol keeps the counts of `checker`.

    Raises DataError for a table without rows and for a wanted symbol that is missing.
    """
    symbols = table["symbol"]
    if not len(symbols):
        raise checker.make_no_rows_error()
    alone = bool((symbols == symbols[0]).all(ignore_nulls=False))  # the usual case, which needs no partition
    names = [symbols[0]] if alone else symbols.drop_nulls().unique(maintain_order=True).to_list()
    for name in wanted or ():
        if name not in names:
            raise DataError(f"{source} contains no symbol {name}; it contains {', '.join(map(str, names[:5]))}.")
    if alone:
        yield names[0], table.drop("symbol"), checker
        return
    parts = table.partition_by("symbol", maintain_order=True, as_dict=True, include_key=False)
    for name in names:
        if wanted is None or name in wanted:
            yield name, parts[(name,)], checker
            checker = checker.with_zero_counts()
