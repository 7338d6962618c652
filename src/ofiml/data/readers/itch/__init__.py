"""Nasdaq TotalView-ITCH 5.0: the messages of one day, with a book of orders rebuilt for each symbol.

This reader parses the frames itself. Parsers on PyPI end silently if a file is cut short, or invent a message if one is
too short (itchcpp 1.6.4 and itchfeed 1.6.4, tested on damaged files). Here every length is checked, and an error states
the byte. Layouts: Nasdaq TotalView-ITCH 5.0 specification, framed as BinaryFILE.

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
from ofiml.data.file_head import Recognition
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `messages.read_feeds`."""
    from ofiml.data.readers.itch import messages

    return messages.read_feeds(files, dataset)


# Lengths of the messages of ITCH 5.0 by type, without the two bytes that frame them.
_LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40,
    "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48,
}  # fmt: skip
_MIN_FRAMES = 2


def recognise(head: "FileHead") -> Recognition | None:
    """Recognise ITCH by its first frames: a length of two bytes, then a message of the type's length."""
    content, at, count = head.content, 0, 0
    while at + 3 <= len(content) and count < 20:
        length, kind = int.from_bytes(content[at : at + 2], "big"), chr(content[at + 2])
        if length == 0 and count >= _MIN_FRAMES:  # the end of the file
            break
        if _LENGTHS.get(kind) != length:
            break
        at, count = at + 2 + length, count + 1
    if count >= _MIN_FRAMES or (count and at == len(content)):
        return Recognition("Nasdaq TotalView-ITCH 5.0")
    if content[:1] == b"S" and content[12:13] in (b"R", b"S") and not head.is_text:
        return Recognition("Nasdaq TotalView-ITCH 5.0 without the length before each message")
    if content[:3] == b"\x00\x05T":
        remedy = "only version 5.0 is supported, whose messages have nanoseconds of their own"
        return Recognition("Nasdaq ITCH of a version before 5.0", remedy=remedy)
    return None


READER = Reader(
    name="itch",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Nasdaq TotalView-ITCH 5.0, the book rebuilt from its orders",
    book_from_messages=True,
    recognise=recognise,
)
