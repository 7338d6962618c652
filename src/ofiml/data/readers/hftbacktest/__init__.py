"""Feed data of hftbacktest (version 2): an npz or npy with its structured array of events.

https://hftbacktest.readthedocs.io/en/latest/data.html. Each row is a level, a trade or a clear, with the exchange's and
the local time in ns. The local view is read: the rows with LOCAL_EVENT, in their order. Consecutive rows of levels with
the same times are one message. A snapshot restates the book, and a clear removes the levels from the best through its
price; before the first snapshot levels are unknown until they are set. The file does not state its symbol: it is
`dataset.symbols` if that names one, else the first word of the file's name. Orders (ADD_ORDER_EVENT …) and version 1
are refused; best quotes (DEPTH_BBO_EVENT) repeat the depth and are ignored.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.file_head import Recognition
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield the events of the file; see `events.read_feeds`."""
    from ofiml.data.readers.hftbacktest import events

    return events.read_feeds(files, dataset)


def recognise(head: "FileHead") -> Recognition | None:
    """Recognise the array of events by the names of its fields; an npz is a zip, whose first file is looked at."""
    if not head.content.startswith(b"\x93NUMPY") or b"'exch_ts'" not in head.content[:1024]:
        return None
    return Recognition("feed data of hftbacktest", ("dataset.symbols=[NAME]", "dataset.tick=TICK_SIZE"))


READER = Reader(
    name="hftbacktest",
    config=FileDataset,
    read_feeds=read_feeds,
    description="feed data of hftbacktest 2 (npz)",
    book_from_messages=True,
    recognise=recognise,
)
