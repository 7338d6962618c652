"""tardis.dev's CSV files: incremental_book_L2, book_snapshot_5, book_snapshot_25 and trades.

https://docs.tardis.dev/downloadable-csv-files/data-types. Times are microseconds; files are in the order of
`local_timestamp`, which is `ts_recv`, and keep it: `timestamp` (`ts_event`) may run back. The `sequence` of an event is
its place among the events, because the format numbers nothing.

The rows of an incremental file that share a `local_timestamp` are one message. A full book (`is_snapshot`) after rows
that are none discards the book: a reconnection, or a new day. It states the book and changes nothing, so no flow is
measured across it. Of full books in a row with different times the format cannot say whether they are parts of one or
several; they count as one, as its documentation has it, and a note says so.

Trades come from the trades file of the same exchange, date and symbol beside the book's, found by Tardis' own file
names, EXCHANGE_TYPE_DATE_SYMBOL.csv.gz. At equal local times a trade comes before the book that it led to.
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

_NAME = re.compile(
    r"(?P<exchange>[^_]+)_(?P<type>incremental_book_L2|book_snapshot_25|book_snapshot_5|trades)"
    r"_(?P<date>\d{4}-\d\d-\d\d)_(?P<symbol>.+)\.csv(?:\.gz|\.zst)?"
)


def group_files(paths: Sequence[Path]) -> Groups:
    """Each book's file with the trades beside it, which a glob may match as well; a file of another name alone.

    Raises DataError for trades without a book, and where two files hold the book of one day and symbol.
    """
    found: dict[tuple[str, ...], list[Path]] = {}
    trades: dict[tuple[str, ...], Path] = {}
    for path in paths:
        match = _NAME.fullmatch(path.name)
        key = (str(path),) if match is None else (str(path.parent), *match.group("exchange", "date", "symbol"))
        if match is not None and match["type"] == "trades":
            trades[key] = path
            continue
        if key in found:
            raise DataError(f"{found[key][0].name} and {path.name} contain the same book: choose one in dataset.path.")
        beside = None if match is None else _trades_beside(path, match)
        found[key] = [path] if beside is None else [path, beside]
    for key, path in trades.items():
        if key not in found:
            raise DataError(
                f"{path.name} contains only trades: add the book, …_incremental_book_L2_….csv.gz, to dataset.path."
            )
    return list(found.values())


def _trades_beside(path: Path, match: re.Match[str]) -> Path | None:
    stem = f"{match['exchange']}_trades_{match['date']}_{match['symbol']}.csv"
    there = [path.with_name(stem + suffix) for suffix in (".gz", ".zst", "")]
    return next((p for p in there if p.is_file()), None)


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """See `books.read_feeds`."""
    from ofiml.data.readers.tardis import books

    return books.read_feeds(files, dataset)


READER = Reader(
    name="tardis",
    config=FileDataset,
    read_feeds=read_feeds,
    description="tardis.dev CSV: incremental_book_L2 or book_snapshot_*, with trades",
    group_files=group_files,
    book_from_messages=True,
)
