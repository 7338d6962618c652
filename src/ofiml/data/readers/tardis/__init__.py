"""tardis.dev's CSV files: incremental_book_L2, book_snapshot_5, book_snapshot_25, quotes, book_ticker and trades.

https://docs.tardis.dev/downloadable-csv-files/data-types. Times are microseconds. Rows keep the file's order, that of
`local_timestamp` (`ts_recv`); `timestamp` (`ts_event`) may decrease. The format has no sequence numbers, so the
`sequence` of an event is its position among the events.

The rows of an incremental file with the same `local_timestamp` are one message. A full book (`is_snapshot`) after other
rows replaces the book: a reconnection, or a new day. It states the book without changing it, so no flow is measured
across it. Consecutive full books with different times may be parts of one or several books; the format does not tell.
They count as one, as in its documentation, and a note reports it.

Trades come from the trades file of the same exchange, date and symbol in the same folder, by Tardis' file names,
EXCHANGE_TYPE_DATE_SYMBOL.csv.gz. At equal local times a trade comes before the resulting book.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Chain, Deferred, Groups, Reader
from ofiml.errors import DataError

__all__ = ["READER", "group_files", "recognise"]

_NAME = re.compile(
    r"(?P<exchange>[^_]+)_(?P<type>incremental_book_L2|book_snapshot_25|book_snapshot_5|quotes|book_ticker|trades)"
    r"_(?P<date>\d{4}-\d\d-\d\d)_(?P<symbol>.+)\.csv(?:\.gz|\.zst)?"
)


def group_files(paths: Sequence[Path]) -> Groups:
    """Group each book's file with the trades file beside it; a file with another name is a separate input.

    The paths may include the trades files. Raises DataError for trades without a book, and for two files with the book
    of the same day and symbol.
    """
    groups: dict[tuple[str, ...], list[Path]] = {}
    trades: dict[tuple[str, ...], Path] = {}
    for path in paths:
        match = _NAME.fullmatch(path.name)
        key = (str(path),) if match is None else (str(path.parent), *match.group("exchange", "date", "symbol"))
        if match is not None and match["type"] == "trades":
            trades[key] = path
            continue
        if key in groups:
            raise DataError(f"{groups[key][0].name} and {path.name} contain the same book: choose one in dataset.path.")
        trades_path = None if match is None else _find_trades(path, match)
        groups[key] = [path] if trades_path is None else [path, trades_path]
    for key, path in trades.items():
        if key not in groups:
            raise DataError(
                f"{path.name} contains only trades: add the book of the same day to dataset.path, "
                "…_incremental_book_L2_….csv.gz, …_book_snapshot_25_… or …_quotes_…."
            )
    return list(groups.values())


def _find_trades(path: Path, match: re.Match[str]) -> Path | None:
    stem = f"{match['exchange']}_trades_{match['date']}_{match['symbol']}.csv"
    candidates = [path.with_name(stem + suffix) for suffix in (".gz", ".zst", "")]
    return next((p for p in candidates if p.is_file()), None)


_SYMBOL_SETTINGS = ("dataset.tick=TICK_SIZE", "dataset.size_unit=STEP_SIZE")
_CLOCKS = {"exchange", "symbol", "timestamp", "local_timestamp"}


def recognise(head: FileHead) -> Recognition | None:
    """Recognise the CSV files of tardis.dev by their columns."""
    columns = set(head.header)
    if not columns >= _CLOCKS:
        return None
    if columns >= {"is_snapshot", "side", "price", "amount"}:
        return Recognition(f"tardis.dev's incremental_book_L2 ({head.form})", _SYMBOL_SETTINGS)
    levels = sum(column.startswith("asks[") and column.endswith("].price") for column in columns)
    if levels:
        return Recognition(f"tardis.dev's book snapshots of {levels} levels ({head.form})", _SYMBOL_SETTINGS)
    if columns >= {"ask_amount", "ask_price", "bid_price", "bid_amount"}:
        return Recognition(f"tardis.dev's best quotes ({head.form})", _SYMBOL_SETTINGS)
    if columns >= {"id", "side", "price", "amount"}:
        remedy = "give the book, EXCHANGE_incremental_book_L2_DATE_SYMBOL.csv.gz; trades beside it are read too"
        return Recognition(f"tardis.dev's trades ({head.form})", remedy=remedy)
    return None


READER = Reader(
    name="tardis",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.tardis.books", "read_feeds"),
    description="tardis.dev CSV: incremental_book_L2, book_snapshot_* or quotes, with trades",
    group_files=group_files,
    book_from_messages=True,
    recognise=recognise,
    chain=Chain(Deferred("ofiml.data.readers.tardis.books", "read_chain"), by_input=True),
)
