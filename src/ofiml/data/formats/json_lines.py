"""Files of JSON messages: one message per line, optionally after the recorder's local time, or one JSON list."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.schema import LATEST
from ofiml.errors import DataError
from ofiml.units import SECOND

NO_TIME = -1

_UNITS = {10: SECOND, 13: 1_000_000, 16: 1_000, 19: 1}  # digits of a local time in this century -> ns
_STAMP = re.compile(rb"(\d{10})\.(\d{1,9})|\d{10}|\d{13}|\d{16}|\d{19}")
_SEPARATOR = re.compile(rb"[ \t,;]+")


class Unreadable(Exception):
    """The error for a message that cannot be read."""


def split_lines(blob: Blob) -> Iterator[tuple[int, int, bytes | Any]]:
    """Yield the line, the local time in ns or NO_TIME, and the message: its JSON text, or an object of a JSON list.

    A line that has no message is yielded with an Unreadable. The line number in a list is the position of the message.
    Raises DataError for an empty file and a list that is not JSON.
    """
    content = blob.content.removeprefix(b"\xef\xbb\xbf")
    start = find_start(blob)
    if start == b"[":
        entries = _read_list(content, blob.name)
        yield from ((i, NO_TIME, entry) for i, entry in enumerate(entries, start=1))
        return
    if start == b"{":
        if _is_one_object(content):
            yield 1, NO_TIME, orjson.loads(content)
            return
        for line, text in enumerate(io.BytesIO(content), start=1):
            if text[0] == 123 or text.strip():
                yield line, NO_TIME, text
        return
    for line, text in enumerate(io.BytesIO(content), start=1):
        if text.strip():
            yield (line, *split_stamp(text))


def find_start(blob: Blob) -> bytes:
    """Return the first byte of the messages: a bracket of a list, a brace, or what stands before the first message.

    Raises DataError for an empty file.
    """
    start = blob.content[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] or blob.content.strip()[:1]
    if not start:
        raise DataError(f"{blob.name} is empty: give a file with messages.")
    return start


def has_a_message_per_line(blob: Blob) -> bool:
    """Return whether the file is neither a list nor one message over several lines. Raises as `find_start`."""
    start = find_start(blob)
    return start != b"[" and not (start == b"{" and _is_one_object(blob.content.removeprefix(b"\xef\xbb\xbf")))


def split_stamp(text: bytes) -> tuple[int, bytes | Unreadable]:
    """Return the local time (ns) before a message, and the message's text, or Unreadable for no local time."""
    stamp, _, body = text.partition(b" ")
    # The usual stamp first: a pattern takes four times as long.
    if len(stamp) == 19 and stamp.isdigit() and (recv := int(stamp)) <= LATEST:
        return recv, body
    stamp, *rest = _SEPARATOR.split(text.strip(), maxsplit=1)
    match = _STAMP.fullmatch(stamp)
    recv = NO_TIME
    if match is not None:
        if match[1] is not None:
            recv = int(match[1]) * SECOND + int(match[2].ljust(9, b"0"))
        else:
            recv = int(stamp) * _UNITS[len(stamp)]
    if match is None or recv > LATEST:
        what = "is not a local time: 10, 13, 16 or 19 digits for s, ms, µs or ns since 1970"
        return NO_TIME, Unreadable(f"{stamp.decode(errors='replace')!r:.40} {what}")
    return recv, rest[0] if rest else b""


def parse_message(text: bytes) -> Any:
    """Parse the text of one message. Raises Unreadable for text that is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not a complete JSON message ({error})") from error


def handle_message(
    handle: Callable[[int, int, Any], None], line: int, recv: int, message: bytes | Any, checker: Checker
) -> None:
    """Call `handle(line, recv, message)` with a message of `split_lines`, parsed.

    One that cannot be read, also by `handle`, is dropped and counted; raises DataError if the policy does.
    """
    try:
        if isinstance(message, Unreadable):
            raise message
        handle(line, recv, parse_message(message) if type(message) is bytes else message)
    except Unreadable as error:
        checker.notice("unreadable", pl.Series([line]), str(error))


def number_symbol(name: Any, index: dict[str, int], wanted: Sequence[str] | None) -> int | None:
    """Return a symbol's number in `index`, a new one if it is new; None for one that is not wanted.

    Raises Unreadable for anything but a name.
    """
    if type(name) is not str or not name:
        raise Unreadable(f"column s: {name!r:.40} is not a symbol")
    if wanted is not None and name not in wanted:
        return None
    return index.setdefault(name, len(index))


def _read_list(content: bytes, name: str) -> list[Any]:
    try:
        entries = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{name} is not a JSON list ({error}): fix it or fetch it again.") from error
    assert isinstance(entries, list)
    return entries


def _is_one_object(content: bytes) -> bool:
    """Return whether the content is one message over several lines, instead of one message per line."""
    first = content.lstrip().partition(b"\n")[0].strip()
    if not first.startswith(b"{") or first.endswith(b"}"):
        return False
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True
