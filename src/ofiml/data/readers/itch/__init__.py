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

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Deferred, Reader

__all__ = ["READER", "recognise"]

# Lengths of the messages of ITCH 5.0 by type, without the two bytes that frame them.
_LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40,
    "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48,
}  # fmt: skip
_MIN_MESSAGES, _MAX_MESSAGES = 3, 50  # that must be sound, and that are looked at


def recognise(head: FileHead) -> Recognition | None:
    """Recognise ITCH by its first messages: each has the length of its type, which two bytes before it state."""
    if _are_messages(head.content, framed=True):
        return Recognition("Nasdaq TotalView-ITCH 5.0")
    if not head.is_text and _are_messages(head.content, framed=False):
        return Recognition("Nasdaq TotalView-ITCH 5.0 without the length before each message")
    if head.content[:3] == b"\x00\x05T":  # only older versions have messages of seconds, type T
        remedy = "only version 5.0 is supported, whose messages have nanoseconds of their own"
        return Recognition("Nasdaq ITCH of a version before 5.0", remedy=remedy)
    return None


def _are_messages(content: bytes, *, framed: bool) -> bool:
    """Return whether the first messages have known types and their lengths; fewer than three only in a whole file."""
    at, count, prefix = 0, 0, 2 if framed else 0
    while at + prefix < len(content) and count < _MAX_MESSAGES:
        length = _LENGTHS.get(chr(content[at + prefix]))
        stated = int.from_bytes(content[at : at + 2], "big") if framed else length
        if length is None or stated != length:
            return count >= _MIN_MESSAGES and framed and stated == 0  # the end of the file
        at, count = at + prefix + length, count + 1
    return count >= _MIN_MESSAGES or (framed and count > 0 and at == len(content))


READER = Reader(
    name="itch",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.itch.messages", "read_feeds"),
    description="Nasdaq TotalView-ITCH 5.0, the book rebuilt from its orders",
    book_from_messages=True,
    whole_days=True,
    recognise=recognise,
)
