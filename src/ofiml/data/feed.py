"""Input and output of readers: the bytes of an input's files, and one symbol's rows in feed order."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from ofiml.data.checks import Checker
from ofiml.errors import DataError

MAX_BYTES = 16 << 30  # of one unpacked file; a larger one is a bomb or must be split
_CHUNK_BYTES = 1 << 24  # bytes unpacked at a time
_MIN_BOMB_BYTES, _MAX_RATIO = 1 << 30, 200  # bytes that anything may unpack to; how many times its size a file may
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's name, for messages, and its bytes."""

    name: str
    content: bytes


@dataclass(slots=True)
class Feed:
    """One symbol's rows of one input, in feed order.

    `events` has the event schema but for `symbol`, and `line`; a price that stands for none is NO_PRICE. `checker` has
    counted what was dropped so far, of `rows` read. `date`, `open` and `close` (UTC ns) are set where the input names
    them; `digest` where what the rows were made from is less than the whole input. `notes` are for the report.
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


def unpack_file(blob: Blob) -> Blob:
    """Decompress a file that is gzip or zstd; return any other as it is. Raises DataError for a damaged or huge one."""
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
    """Read a stream to its end, in pieces: read at once it would reserve all the memory that it might need.

    Raises DataError where that is more than `limit` bytes, or so much more than `packed` that it is a bomb.
    """
    size, parts = 0, []
    while piece := read(_CHUNK_BYTES):
        size += len(piece)
        if size > limit:
            raise DataError(f"{packed.name} unpacks to more than {limit >> 30} GiB: split it.")
        if size > _MIN_BOMB_BYTES and size > _MAX_RATIO * len(packed.content):
            raise DataError(
                f"{packed.name} unpacks to more than {_MAX_RATIO} times its {len(packed.content)} bytes, which market "
                "data never does: fetch it again, or unpack it first."
            )
        parts.append(piece)
    return b"".join(parts)


def split_by_symbol(
    table: pl.DataFrame, source: str, wanted: list[str] | None, checker: Checker
) -> Iterator[tuple[str, pl.DataFrame, Checker]]:
    """Yield each symbol, its rows (without `symbol`) and a checker; what `checker` has counted stays with the first.

    Raises DataError for a table without rows, and for a wanted symbol that is not there.
    """
    symbols = table["symbol"]
    if not len(symbols):
        raise checker.no_rows_error()
    alone = bool((symbols == symbols[0]).all(ignore_nulls=False))  # the usual case, and the quick one
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
