"""What the beginning of a file says: ITCH 5.0 in frames or without them, or another version, framing or format.

Each form is tried on the whole beginning: all of its messages must have the lengths that their types have in the form.
"""

from collections.abc import Callable, Iterator
from typing import Literal

from ofiml.data.formats.foreign import describe_foreign
from ofiml.data.readers.itch import kernel as itch
from ofiml.errors import DataError

HEAD_BYTES = 1 << 20  # of the beginning; a shorter file counts whole

_MIN_MESSAGES = 3  # a form that fits so many messages of a damaged beginning may name it

_V50 = {chr(kind): int(length) for kind, length in enumerate(itch.LENGTHS) if length}
# Versions 4.0 and 4.1 have a message T with the seconds; the others have only nanoseconds, and no stock locate code.
_V41 = {"T": 5, "S": 6, "R": 20, "H": 19, "Y": 14, "L": 20, "A": 30, "F": 34, "E": 25, "C": 30, "X": 17, "D": 13,
        "U": 29, "P": 38, "Q": 34, "B": 13, "I": 44, "N": 14}  # fmt: skip
# 4.0 writes a stock in 6 characters, 4.1 in 8.
_V40 = _V41 | {kind: _V41[kind] - 2 for kind in "RHYLAFPQIN"}
_OLD = "this reader reads ITCH 5.0: give the file of 5.0 (…NASDAQ_ITCH50, …-v50)"

_CONTROLS = {(b"H", 1), (b"Z", 1), (b"A", 31)}  # packets of SoupBinTCP between those with messages
_Walk = Callable[[bytes], Iterator[bool]]
"""Yields for each message of a file's beginning whether it fits; a message that the beginning cuts is left out."""

_MAGIC = {
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"PAR1": "Parquet: use dataset=parquet or databento",
    b"DBN": "DBN: use dataset=databento or databento_mbo",
}


def is_framed(head: bytes, source: str) -> bool:
    """Return whether the messages of ITCH 5.0 stand in frames, 2 bytes of length before each, or follow each other.

    Raises DataError for another version of ITCH, another framing, and another format. A damaged beginning of 5.0 counts
    as the form that fits it longer.
    """
    foreign = describe_foreign(source, head)
    for magic, what in _MAGIC.items():
        foreign = what if head.startswith(magic) else foreign
    if foreign is not None:
        raise DataError(f"{source} is {foreign}.")
    fits = {name: _count_fitting(messages(head)) for name, messages in _FORMS.items()}
    form = next((name for name, (count, complete) in fits.items() if complete and count), None)
    if form is None and not fits[_FRAMED][0]:
        best = max(fits, key=lambda name: fits[name][0])
        form = best if fits[best][0] >= _MIN_MESSAGES else None
    if form is None:
        _refuse_text(head, source)
    elif form not in (_FRAMED, _BARE):
        raise DataError(f"{source} has {form}.")
    return form != _BARE


def _refuse_text(head: bytes, source: str) -> None:
    """Raise DataError if the beginning is text."""
    sample = head[:4096]
    if sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in sample) > 0.98 * len(sample) and len(sample) > 20:
        raise DataError(f"{source} is text; ITCH 2 and 3 are text, and {_OLD}.")


def _count_fitting(messages: Iterator[bool]) -> tuple[int, bool]:
    """Count the messages that fit, up to the first that does not; return also whether all do."""
    count = 0
    for fit in messages:
        if not fit:
            return count, False
        count += 1
    return count, True


def _walk_frames(lengths: dict[str, int], skip: int = 0, order: Literal["big", "little"] = "big") -> _Walk:
    """Walk frames of 2 bytes of length and the message, which stands after `skip` bytes that the length counts too."""

    def walk(head: bytes) -> Iterator[bool]:
        p = 0
        while p + 2 + skip < len(head):
            length = int.from_bytes(head[p : p + 2], order)
            message = head[p + 2 : p + 2 + length]
            if 0 < length == len(message) or length == 0:
                control = bool(skip) and (message[:1], length) in _CONTROLS
                yield control or (length > skip and lengths.get(chr(message[skip])) == length - skip)
            p += 2 + length

    return walk


def _walk_bare(lengths: dict[str, int]) -> _Walk:
    """Walk messages that follow each other."""

    def walk(head: bytes) -> Iterator[bool]:
        p = 0
        while p < len(head):
            length = lengths.get(chr(head[p]), 0)
            if p + length <= len(head):
                yield length > 0
            p += length or 1

    return walk


def _walk_text(head: bytes) -> Iterator[bool]:
    """Walk frames of text, as of ITCH 2 and 3."""
    p = 0
    while p + 2 < len(head):
        length = int.from_bytes(head[p : p + 2], "big")
        message = head[p + 2 : p + 2 + length]
        if len(message) == length:
            yield 0 < length < 100 and all(32 <= byte < 127 for byte in message)
        p += 2 + length


def _walk_packets(head: bytes) -> Iterator[bool]:
    """Walk packets of MoldUDP64: session (10), sequence (8), count (2), and so many frames."""
    p = 0
    while p + 20 < len(head):
        count = int.from_bytes(head[p + 18 : p + 20], "big")
        yield all(32 <= byte < 127 for byte in head[p : p + 10])
        p += 20
        for _ in range(count if count < 65_535 else 0):
            if p + 2 >= len(head):
                return
            length = int.from_bytes(head[p : p + 2], "big")
            yield _V50.get(chr(head[p + 2])) == length
            p += 2 + length


_FRAMED, _BARE = "messages of ITCH 5.0 in frames", "messages of ITCH 5.0 without frames"
_PACKETS = "packets around its messages of ITCH 5.0 ({}): remove the headers of the packets"
_T = "T with the seconds, A of {} bytes"
_FORMS: dict[str, _Walk] = {
    _FRAMED: _walk_frames(_V50),
    _BARE: _walk_bare(_V50),
    f"messages of ITCH 4.1 ({_T.format(30)}); {_OLD}": _walk_frames(_V41),
    f"messages of ITCH 4.0 ({_T.format(28)}); {_OLD}": _walk_frames(_V40),
    f"messages of ITCH 4.1 ({_T.format(30)}) without frames; {_OLD}": _walk_bare(_V41),
    f"messages of ITCH 4.0 ({_T.format(28)}) without frames; {_OLD}": _walk_bare(_V40),
    f"messages of ITCH 3 or older, which are text; {_OLD}": _walk_text,
    _PACKETS.format("SoupBinTCP"): _walk_frames(_V50, skip=1),
    _PACKETS.format("MoldUDP64"): _walk_packets,
    "messages of ITCH 5.0 with little-endian lengths: write the 2 bytes of length in big-endian order": _walk_frames(
        _V50, order="little"
    ),
}
