"""Nasdaq TotalView-ITCH 5.0: the messages of one day, with a book of orders rebuilt for each symbol.

This reader parses the frames itself. Parsers on PyPI end silently if a file is cut short, or invent a message if one is
too short (itchcpp 1.6.4 and itchfeed 1.6.4, tested on damaged files). Here every length is checked, and an error states
the byte. Layouts: Nasdaq TotalView-ITCH 5.0 specification, framed as BinaryFILE, or without frames, as taken from the
packets of a feed: then the type of a message implies its length. The whole beginning of the file decides which, and
names older versions. The file is read in pieces, so memory grows with the messages of the chosen symbols only.

Only the file's name states the day. ITCH has one clock: `ts_recv` equals `ts_event`. Each message is one exchange
message; a replacement (U) is a removal and an addition in one. An execution reduces the resting order, at the order's
price (E) or at another (C). A non-printable execution (C) is not a trade; the cross (Q) that it belongs to is. Trades
with hidden orders (P) and crosses have no aggressor and do not change the book. A halt, pause or quoting period, and
its end, interrupt the book: no flow is measured across them. Broken trades (B) make no event. A `line` in a message is
the number of the frame.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `messages.read_feeds`."""
    from ofiml.data.readers.itch import messages

    return messages.read_feeds(files, dataset)


READER = Reader(
    name="itch",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Nasdaq TotalView-ITCH 5.0, the book rebuilt from its orders",
    book_from_messages=True,
    whole_days=True,
)
