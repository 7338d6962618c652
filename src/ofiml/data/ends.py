"""The first and last events of an input, without reading all of it: by them the files of a session find each other.

A small file of the same format is made of the input's first or last rows, and its reader reads it. Text has its first
line before its last ones, DBN its metadata, Parquet its schema, a NumPy array its type. A packed file is unpacked to
its end, as only that leads to its last rows; nothing of it is kept in memory. (The metadata of DBN state the times that
were asked for, not those of the records.)
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ofiml.config import FileDataset, Policy
from ofiml.config.dataset import AUTO
from ofiml.data import calendar
from ofiml.data.feed import Blob, Feed, read_pieces
from ofiml.data.readers import READERS
from ofiml.data.schema import extract_times
from ofiml.errors import DataError

_END_BYTES = (1 << 16, 1 << 20)  # enough for a file's first or last events; the second if the first is too little
_END_ROWS = 1000  # of a Parquet file
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")
_DBN, _PARQUET, _NUMPY = b"DBN", b"PAR1", b"\x93NUMPY"

_ends: dict[str, "End | None"] = {}  # by input


class End(NamedTuple):
    """The receipt of an input's first or last event (ns), the calendar of its symbol, and the symbols at that end.

    There are none if the input does not say whose events they are.
    """

    stamp: int
    calendar: str
    symbols: frozenset[str]


def find_end(group: Sequence[Path], dataset: FileDataset, *, last: bool) -> End | None:
    """Return the first or last end of an input, None where it cannot be read; a study asks for it several times."""
    try:
        stats = [path.stat() for path in group]
    except OSError:
        return None
    key = repr((dataset, group, last, [(stat.st_mtime_ns, stat.st_size) for stat in stats]))
    if key not in _ends:
        known = (end for size in _END_BYTES if (end := _parse_end(group, dataset, size, last=last)) is not None)
        _ends[key] = next(known, None)
    return _ends[key]


def read_beginning(path: Path) -> Blob | None:
    """Read a file of the first rows of a text, DBN, Parquet or NumPy file, packed or not; None for any other."""
    return _read_end(path, _END_BYTES[0], last=False)


def _parse_end(group: Sequence[Path], dataset: FileDataset, size: int, *, last: bool) -> End | None:
    """Parse the first or last rows of an input's files; None where that fails."""
    lenient = replace(dataset, policy=_make_lenient_policy())
    ends = [blob for path in group if (blob := _read_end(path, size, last=last)) is not None]
    if len(ends) < len(group):
        return None
    try:
        feeds = READERS[dataset.name].read_feeds(ends, lenient)
        parts = [
            (extract_times(feed.events), _find_calendar(feed, dataset), feed.symbol if feed.names_symbol else None)
            for feed in feeds
            if feed.events.height
        ]
    except (DataError, ValueError):  # too little of the file, or damaged: reading all of it will tell
        return None
    if not parts:
        return None
    times = [(int(stamps.max() if last else stamps.min()), name) for stamps, name, _ in parts]
    return End(*(max(times) if last else min(times)), frozenset(symbol for _, _, symbol in parts if symbol is not None))


def _make_lenient_policy() -> Policy:
    """Make the policy that refuses nothing: only times are asked for."""
    strict = Policy()
    choices = {f.name: strict.choices(f.name) for f in fields(Policy)}
    return Policy(**{cause: "keep" if "keep" in allowed else "drop" for cause, allowed in choices.items()})


def _find_calendar(feed: Feed, dataset: FileDataset) -> str:
    own = dataset.find_instrument(feed.symbol).calendar
    return feed.calendar or calendar.ALWAYS if own == AUTO else own


def _read_end(path: Path, size: int, *, last: bool) -> Blob | None:
    """Read a small file of the first or last rows; None for a format that has no such part, and for a damaged file."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == _PARQUET:
            return _read_parquet_end(path, last=last)
        head, tail, total = _read_both_ends(path, size, packed=magic.startswith(_PACKED), last=last)
    except (OSError, EOFError, DataError):
        return None
    if head.startswith(_DBN):
        content = _cut_dbn(head, tail, total, last=last)
        return None if content is None else Blob(path.name, content)
    if head.startswith(_NUMPY):
        content = _cut_array(head, tail, total, last=last)
        return None if content is None else Blob(path.name, content)
    if b"\0" in head[:4096] or b"\n" not in head:
        return None
    if total == len(head):
        return Blob(path.name, head)
    if not last:
        return Blob(path.name, head[: head.rindex(b"\n") + 1])
    return Blob(path.name, head[: head.index(b"\n") + 1] + tail[tail.find(b"\n") + 1 :])


def _read_both_ends(path: Path, size: int, *, packed: bool, last: bool) -> tuple[bytes, bytes, int]:
    """Return the first and last `size` unpacked bytes and their total number; without `last`, of a part of the file."""
    blob = Blob(path.name, path=path)
    if not packed:
        total = blob.size
        with path.open("rb") as file:
            head = file.read(size)
            file.seek(max(total - size, 0))
            return head, file.read(size) if last else b"", total
    head, tail, total = b"", b"", 0
    for piece in read_pieces(blob):
        head += piece[: size - len(head)]
        tail = (tail + piece)[-size:]
        total += len(piece)
        if not last and total > size:
            break
    return head, tail, total


def _cut_dbn(head: bytes, tail: bytes, total: int, *, last: bool) -> bytes | None:
    """Make a DBN file of the metadata and the first or last whole records; None where records do not line up.

    The first byte of a record is its length in words of 4 bytes. Seen from the end of a file, records must be of one
    length, as all but those of live recordings are.
    """
    start = 8 + int.from_bytes(head[4:8], "little")
    if len(head) <= start:
        return None
    if not last or total == len(head):
        end = start
        for at in _find_records(head, start):
            end = at
        return head[:end]
    length = 4 * head[start]
    count = min(len(tail), total - start) // length if length else 0
    records = tail[len(tail) - count * length :] if count else b""
    if not count or (total - start) % length or any(byte != head[start] for byte in records[::length]):
        return None
    return head[:start] + records


def _find_records(content: bytes, start: int) -> Iterator[int]:
    """Yield the ends of the whole records from `start` on."""
    while start < len(content) and content[start] and start + 4 * content[start] <= len(content):
        start += 4 * content[start]
        yield start


def _cut_array(head: bytes, tail: bytes, total: int, *, last: bool) -> bytes | None:
    """Make a NumPy file of the first or last rows of an array; None for one that is not a list of whole records."""
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except ValueError:
        return None
    start, length = stream.tell(), dtype.itemsize
    if len(shape) != 1 or dtype.hasobject or not length or total < start + length:
        return None
    if last and total > len(head):
        if total != start + shape[0] * length:
            return None
        records = tail[len(tail) - min(len(tail), total - start) // length * length :]
    else:
        records = head[start : start + (len(head) - start) // length * length]
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(records, dtype), allow_pickle=False)
    return buffer.getvalue()


def _read_parquet_end(path: Path, *, last: bool) -> Blob | None:
    """Make a Parquet file of the first or last rows; only their row group is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = [k for k in range(file.num_row_groups) if file.metadata.row_group(k).num_rows]
            if not groups:
                return None
            batches = file.iter_batches(_END_ROWS, row_groups=[groups[-1 if last else 0]])
            kept = [next(batches)]
            for batch in batches if last else ():
                kept = [*kept[-1:], batch]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_batches(kept), buffer)
    except (pa.ArrowException, OSError, ValueError):
        return None
    return Blob(path.name, buffer.getvalue())
