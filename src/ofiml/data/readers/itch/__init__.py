"""Nasdaq TotalView-ITCH 5.0: the frames of a day's file, a book of orders rebuilt for each symbol.

The frames are walked here, because parsers on PyPI end in silence where a file is cut short, or invent a message where
one is too short (itchcpp 1.6.4 and itchfeed 1.6.4, tried on damaged files); a walk of our own checks every length and
says at which byte it broke. Layouts: Nasdaq TotalView-ITCH 5.0 specification, framed as BinaryFILE.

The day stands in the file's name alone. ITCH has one clock: `ts_recv` equals `ts_event`. Each message is one exchange
message; a replacement (U) is a removal and an addition in one. An execution takes from the resting order, at the
order's price (E) or its own (C); one that does not print (C) is no trade, the cross (Q) that it belongs to is. Trades
with hidden orders (P) and crosses have no aggressor and leave the book as it is. A halt, pause or quoting period, and
its end, break the book: no flow is measured across them. Broken trades (B) make no event. A `line` in a message is the
number of the frame.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """See `messages.read_feeds`."""
    from ofiml.data.readers.itch import messages

    return messages.read_feeds(files, dataset)


READER = Reader(
    name="itch",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Nasdaq TotalView-ITCH 5.0, the book rebuilt from its orders",
    book_from_messages=True,
)
