"""Binance: recorded messages of its streams, or a full book with its depth updates.

A stream is one JSON message per line, bare or as {"stream": …, "data": …}, optionally after the recorder's time in
nanoseconds. Full books (REST responses) may stand between. A pair is two files, NAME_update.json and
NAME_snapshot.json. `ts_event` is the exchange's transaction time `T`, or else its sending time `E`; without the
recorder's time both clocks are `E`. The recorder's clock may be behind the exchange's: see the policy `clock`.

The book is built from depthUpdate. For a symbol without it, bookTicker gives a book of one level; otherwise bookTicker
is ignored, because it repeats the depth. Trades are `trade`, or `aggTrade` if there is none. All other messages are
ignored and counted in a note. A bare depth message must be a difference: only the name of a stream identifies a partial
book (depth5, depth10, depth20).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.file_head import Recognition
from ofiml.data.readers import Groups, Reader
from ofiml.errors import DataError

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead

_PART = re.compile(r"(?P<name>.+)_(?P<part>snapshot|update)s?\.json(?:\.gz|\.zst)?")

# Both belong to the symbol; the YAML has those of one.
_SYMBOL_SETTINGS = ("dataset.tick=TICK_SIZE", "dataset.size_unit=STEP_SIZE")


def group_files(paths: Sequence[Path]) -> Groups:
    """Group each full book with its updates; a stream is a separate input. The paths may include both files of a pair.

    Raises DataError for a full book without its updates.
    """
    groups: list[list[Path]] = []
    for path in paths:
        match = _PART.fullmatch(path.name)
        other = None if match is None else _find_counterpart(path, match)
        if match is None or (match["part"] == "update" and other is None):
            groups.append([path])
            continue
        if other is None:
            raise DataError(f"{path.name}: its update file {match['name']}_update.json is not in the same folder.")
        pair = [path, other] if match["part"] == "snapshot" else [other, path]
        if pair not in groups:
            groups.append(pair)
    return groups


def _find_counterpart(path: Path, match: re.Match[str]) -> Path | None:
    """Find the other file of the pair in the same folder."""
    for candidate in sorted(path.parent.iterdir()):
        other = _PART.fullmatch(candidate.name)
        if other and other["name"] == match["name"] and other["part"] != match["part"] and candidate.is_file():
            return candidate
    return None


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `streams.read_feeds`."""
    from ofiml.data.readers.binance import streams

    return streams.read_feeds(files, dataset)


_EVENT = re.compile(r'"e"\s*:\s*"(depthUpdate|bookTicker|trade|aggTrade)"')
_FULL_BOOK = re.compile(r'"lastUpdateId"\s*:\s*\d+')
_BARE_TICKER = re.compile(r'"u"\s*:\s*\d+\s*,\s*"s"\s*:\s*"[^"]+"\s*,\s*"b"\s*:')
_UPDATE = re.compile(r'"U"\s*:\s*\d+\s*,\s*"u"\s*:\s*\d+')
_JSON_LINE = re.compile(r"(\d{13,19}\s+)?[\[{]")


def recognise(head: "FileHead") -> Recognition | None:
    """Recognise recorded streams, full books and depth updates by the keys of messages, T_DEPTH by its columns."""
    if {"first_update_id", "last_update_id", "side", "update_type", "price", "qty"} <= set(head.header):
        return Recognition(f"Binance's T_DEPTH ({head.form})", _SYMBOL_SETTINGS)
    if not head.lines or _JSON_LINE.match(head.lines[0]) is None:
        return None
    text = "\n".join(head.lines)
    part = _PART.fullmatch(head.name)
    kinds = list(dict.fromkeys(_EVENT.findall(text)))
    if part and (kinds or _FULL_BOOK.search(text) or _UPDATE.search(text)):
        return Recognition("Binance's full book with its depth updates", _SYMBOL_SETTINGS)
    if kinds or _BARE_TICKER.search(text):
        names = ", ".join(kinds or ["bookTicker"])
        return Recognition(f"a recorded stream of Binance ({names})", _SYMBOL_SETTINGS)
    if _FULL_BOOK.search(text):
        return Recognition("full books of Binance", _SYMBOL_SETTINGS)
    return None


READER = Reader(
    name="binance",
    config=FileDataset,
    read_feeds=read_feeds,
    description="recorded Binance streams, or a full book with its depth updates",
    group_files=group_files,
    recognise=recognise,
)
