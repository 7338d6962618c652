"""Binance: recorded messages of its streams, a full book with its depth updates, or its T_DEPTH files.

A stream is one JSON message per line, bare or as {"stream": …, "data": …}, optionally after the recorder's time in s,
ms, µs or ns. Full books (REST responses) may stand between. A pair is two files, NAME_update.json and
NAME_snapshot.json, or NAME_depth_update.csv and NAME_depth_snap.csv (T_DEPTH; also as one zip or tar.gz). `ts_event` is
the exchange's transaction time `T`, or else its sending time `E`, in ms or µs; without the recorder's time both clocks
are `E`. The recorder's clock may be behind the exchange's: see the policy `clock`.

A file of one full book beside those of a stream belongs to it: it stands before the first update that it does not
contain (see `lone_books`).

The book is built from depthUpdate; levels that no message has stated yet are missing (see `joining`). Without
differences, partial books (depth5, depth10, depth20) are whole books, and bookTicker gives a book of one level; beside
differences both repeat the depth and are ignored. Trades are `trade`, or `aggTrade` if there is none. All other
messages are ignored and counted in a note.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Chain, Deferred, Groups, Reader
from ofiml.errors import DataError

if TYPE_CHECKING:
    from ofiml.data.feed import Blob

__all__ = ["READER", "group_files", "recognise"]

_PART = re.compile(
    r"(?P<name>.+)_(?:(?P<json>snapshot|update)s?\.json|depth_(?P<csv>snap|update)\.csv)(?:\.gz|\.zst|\.zip)?"
)

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
        part = match and (match["json"] or match["csv"])
        if match is None or (part == "update" and other is None):
            groups.append([path])
            continue
        if other is None:
            update = f"{match['name']}_update.json" if match["json"] else f"{match['name']}_depth_update.csv"
            raise DataError(f"{path.name}: its update file {update} is not in the same folder.")
        pair = [other, path] if part == "update" else [path, other]
        if pair not in groups:
            groups.append(pair)
    return groups


def _find_counterpart(path: Path, match: re.Match[str]) -> Path | None:
    """Find the other file of the pair in the same folder."""
    for candidate in sorted(path.parent.iterdir()):
        other = _PART.fullmatch(candidate.name)
        if other is None or other["name"] != match["name"] or not candidate.is_file():
            continue
        if any(other[k] and match[k] and other[k] != match[k] for k in ("json", "csv")):
            return candidate
    return None


def _begins_anew(files: Sequence["Blob"], _: FileDataset) -> bool:
    """Return whether files are no stream: a full book with its updates, or T_DEPTH."""
    return len(files) > 1 or re.match(rb"\s*[\[{0-9\xef]", files[0].content) is None


_EVENT = re.compile(r'"e"\s*:\s*"(depthUpdate|bookTicker|trade|aggTrade)"')
_FULL_BOOK = re.compile(r'"lastUpdateId"\s*:\s*\d+')
_BARE_TICKER = re.compile(r'"u"\s*:\s*\d+\s*,\s*"s"\s*:\s*"[^"]+"\s*,\s*"b"\s*:')
_UPDATE = re.compile(r'"U"\s*:\s*\d+\s*,\s*"u"\s*:\s*\d+')
_JSON_LINE = re.compile(r"(\d{13,19}\s+)?[\[{]")


def recognise(head: FileHead) -> Recognition | None:
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
    read_feeds=Deferred("ofiml.data.readers.binance.files", "read_feeds"),
    description="recorded Binance streams, or a full book with its depth updates (also T_DEPTH)",
    group_files=group_files,
    recognise=recognise,
    chain=Chain(Deferred("ofiml.data.readers.binance.streams", "read_chain"), _begins_anew, drops_overlap=True),
)
