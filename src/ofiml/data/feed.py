"""Input and output of a reader: the bytes of an input's files, and one symbol's rows in feed order."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from ofiml.data.checks import Checker
from ofiml.errors import DataError

MAX_BYTES = 16 << 30  # of one unpacked file; a larger one is a decompression bomb or must be split
_CHUNK_BYTES = 1 << 24  # unpacked at a time
# A file that unpacks to more than both this many bytes and this multiple of its size is a decompression bomb.
_MIN_BOMB_BYTES, _MAX_RATIO = 1 << 30, 200
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file: its name, for messages, and its bytes."""

    name: str
    content: bytes


@dataclass(slots=True)
class Feed:
    """One symbol's rows of one input, in feed order.

    `events` has the columns of the event schema except `symbol`, and `line`; a placeholder for no price is NO_PRICE.
    `rows` is the number of rows read; `checker` counts those dropped so far. `date`, `open` and `close` (UTC ns) are
    set if the input states them, `digest` if the rows come from only a part of the input. `notes` go to the report.
    `calendar` is that of the exchange, and `venue` its name, where the input states it.
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
