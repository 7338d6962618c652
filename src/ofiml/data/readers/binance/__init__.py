"""Binance: the messages of its streams as recorded, or a list of depth updates with the full book they build on.

A stream is one JSON message a line, bare or as {"stream": …, "data": …}, with or without the recorder's time in
nanoseconds before it; full books (REST answers) may stand between. A pair is two files, NAME_update.json and
NAME_snapshot.json. `ts_event` is the exchange's transaction time, `T`, or else its sending, `E`; without the recorder's
time both clocks are `E`. The recorder's clock may stand before the exchange's: see the policy `clock`.

The book is built from depthUpdate. Where a symbol has none, bookTicker gives a book of one level; else it is left
aside, because it says what the depth says. Trades are `trade`, or `aggTrade` where there is none. All other messages
are left aside and counted in a note. A bare message must be a difference: one of a partial book (depth5, depth10,
depth20) can be recognised by the name of its stream alone.
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
    """Streams alone, updates with the full book beside them, which a glob may match as well.

    Raises DataError for a full book without its updates.
    """
    found: list[list[Path]] = []
    for path in paths:
        match = _PART.fullmatch(path.name)
        other = None if match is None else _beside(path, match)
        if match is None or (match["part"] == "update" and other is None):
            found.append([path])
            continue
        if other is None:
            raise DataError(f"{path.name}: its update file {match['name']}_update.json is not in the same folder.")
        pair = [path, other] if match["part"] == "snapshot" else [other, path]
        if pair not in found:
            found.append(pair)
    return found


def _beside(path: Path, match: re.Match[str]) -> Path | None:
    """The other file of the pair."""
    for candidate in sorted(path.parent.iterdir()):
        other = _PART.fullmatch(candidate.name)
        if other and other["name"] == match["name"] and other["part"] != match["part"] and candidate.is_file():
            return candidate
    return None


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """See `streams.read_feeds`."""
    from ofiml.data.readers.binance import streams

    return streams.read_feeds(files, dataset)


READER = Reader(
    name="binance",
    config=FileDataset,
    read_feeds=read_feeds,
    description="recorded Binance streams, or a full book with its depth updates",
    group_files=group_files,
)
