"""LOBSTER: message and orderbook files (https://lobsterdata.com/info/DataStructure.php), in archives or as CSV files.

The CSV files may be packed with gzip or zstd, and may have header lines, which LOBSTER's own files do not have.
Without an orderbook file the book is built from the messages, which do not include orders below the file's levels; with
an orderbook file of one row, the state after the first message, it starts from that row.
Symbol, date and hours come from the file name. Times are seconds after exchange midnight, prices dollars times 10,000.
LOBSTER has one clock: `ts_recv` equals `ts_event`. Each row is one message.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Deferred, Groups, Reader
from ofiml.errors import DataError

__all__ = ["READER", "group_files", "recognise"]

_FILE_NAME = re.compile(r"_(?P<kind>message|orderbook)_\d+\.csv", re.IGNORECASE)
_TIME = re.compile(r"\d{4,5}\.\d+")  # seconds after midnight


def group_files(paths: Sequence[Path]) -> Groups:
    """Group each message file with its orderbook file, if there is one; an archive is a separate input.

    The paths may include the orderbook files; other files are ignored. Raises DataError if no input remains, and for an
    orderbook file without its messages.
    """
    from ofiml.data.formats.archives import SUFFIXES

    groups = []
    for path in paths:
        if "_message_" in path.name:
            book = _find_partner(path, "_message_", "_orderbook_")
            groups.append([path, book] if book.is_file() else [path])
        elif "_orderbook_" in path.name:
            message = _find_partner(path, "_orderbook_", "_message_")
            if message not in paths and path.suffix.lower() in SUFFIXES:
                groups.append([path])  # it may hold whole days
            elif message not in paths:
                raise DataError(f"{path.name}: add its message file, {message.name}.")
        elif path.suffix.lower() in SUFFIXES:
            groups.append([path])
    if not groups:
        raise DataError(
            f"{paths[0].name}: give the zip, the 7z, the message file (…_message_N.csv, packed or not), or a folder of "
            "them. Databento's CSV: dataset=databento."
        )
    return groups


def _find_partner(path: Path, kind: str, other: str) -> Path:
    """Return the file beside it with the other name: packed in the same way, or else in another; it may be missing."""
    same = path.with_name(path.name.replace(kind, other))
    base = re.sub(r"(\.csv)?(\.gz|\.zst|\.zip|\.7z)?$", "", same.name, flags=re.IGNORECASE)
    candidates = [path.with_name(base + suffix) for suffix in (".csv", ".csv.gz", ".csv.zst", ".csv.zip", ".zip")]
    return next((p for p in (same, *candidates) if p.is_file()), same)


def recognise(head: FileHead) -> Recognition | None:
    """Recognise LOBSTER by the names of its files, or messages by the form of their first lines."""
    names = head.members or (head.name,)
    kinds = {match["kind"] for name in names if (match := _FILE_NAME.search(name))}
    if kinds:
        whole = "message and orderbook files" if len(kinds) == 2 else f"{kinds.pop()} file"
        place = f" in a {head.packing}" if head.members else ""
        return Recognition(f"LOBSTER's {whole}{place}")
    rows = [row for row in head.cells[:10] if row and _TIME.fullmatch(row[0])]
    if len(rows) > 1 and all(_is_message(row) for row in rows[:-1]):
        remedy = "name it as LOBSTER does, SYMBOL_DATE_OPENms_CLOSEms_message_LEVELS.csv"
        return Recognition("messages of LOBSTER under another name", remedy=remedy)
    return None


def _is_message(row: Sequence[str]) -> bool:
    return len(row) >= 6 and row[1] in "1234567" and row[5] in ("1", "-1")


READER = Reader(
    name="lobster",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.lobster.days", "read_feeds"),
    description="LOBSTER message and orderbook files: zip, 7z, folder or CSV, packed or not",
    group_files=group_files,
    whole_days=True,
    recognise=recognise,
)
