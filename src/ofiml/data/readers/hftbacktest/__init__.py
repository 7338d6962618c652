"""Feed data of hftbacktest (version 2): an npz or npy with its structured array of events.

https://hftbacktest.readthedocs.io/en/latest/data.html. Each row is a level, a trade or a clear, with the exchange's and
the local time in ns. The local view is read: the rows with LOCAL_EVENT, in their order. Consecutive rows of levels with
the same times are one message. A snapshot restates the book, and a clear removes the levels from the best through its
price; before the first snapshot levels are unknown until they are set. The file does not state its symbol: it is
`dataset.symbols` if that names one, else the first word of the file's name. Orders (ADD_ORDER_EVENT …) and version 1
are refused; best quotes (DEPTH_BBO_EVENT) repeat the depth and are ignored.

The files of a recording, hours or days, are read as one: each begins with the book at the end of the last. A snapshot
with which a file begins replaces that book. The snapshot at the end of a day (NAME_eod.npz) begins the next day, and is
left out beside its own day.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Chain, Deferred, Groups, Reader, separate_files

__all__ = ["READER", "group_files", "recognise"]


def group_files(paths: Sequence[Path]) -> Groups:
    """Make each file a separate input, without the snapshot at the end of a day that is there itself."""
    return separate_files([path for path in paths if not _repeats_day(path, paths)])


def _repeats_day(path: Path, paths: Sequence[Path]) -> bool:
    match = re.fullmatch(r"(.+)_eod(\.np[yz])", path.name)
    return match is not None and path.with_name(match[1] + match[2]) in paths


def recognise(head: FileHead) -> Recognition | None:
    """Recognise the array of events by the names of its fields; an npz is a zip, whose first file is looked at."""
    if not head.content.startswith(b"\x93NUMPY") or b"'exch_ts'" not in head.content[:1024]:
        return None
    return Recognition("feed data of hftbacktest", ("dataset.symbols=[NAME]", "dataset.tick=TICK_SIZE"))


READER = Reader(
    name="hftbacktest",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.hftbacktest.events", "read_feeds"),
    description="feed data of hftbacktest 2 (npz)",
    group_files=group_files,
    book_from_messages=True,
    recognise=recognise,
    chain=Chain(
        Deferred("ofiml.data.readers.hftbacktest.events", "read_feeds"),
        Deferred("ofiml.data.readers.hftbacktest.arrays", "begins_with_snapshot"),
        crosses_days=True,
    ),
)
