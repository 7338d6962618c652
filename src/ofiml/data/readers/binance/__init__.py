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
from ofiml.data.readers import Groups, Reader
from ofiml.errors import DataError

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed

_PART = re.compile(r"(?P<name>.+)_(?P<part>snapshot|update)s?\.json(?:\.gz|\.zst)?")


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


READER = Reader(
    name="binance",
    config=FileDataset,
    read_feeds=read_feeds,
    description="recorded Binance streams, or a full book with its depth updates",
    group_files=group_files,
)
