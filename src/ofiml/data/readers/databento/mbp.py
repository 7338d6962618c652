"""From rows of Databento's MBP schemas to events; each row states the book."""

import re
from collections.abc import Iterator, Sequence

from ofiml.config import FileDataset
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
)
from ofiml.data.formats.dbn_records import LEVELS
from ofiml.data.readers.databento.columns import list_level_columns
from ofiml.data.readers.databento.files import check_one_book, read_rows
from ofiml.data.readers.databento.schemas import (
    BEFORE_TRADES,
    is_consolidated,
    list_needed,
    list_notes,
    split_quotes_from_trades,
)
from ofiml.data.readers.databento.venues import find_venue
from ofiml.errors import DataError


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in file order.

    Raises DataError for a missing column, a missing symbol of `dataset.symbols`, a symbol with rows of several books,
    and rows that the policy refuses.
    """
    names: list[str] = []

    def count_levels(columns: list[str], source: str) -> int:
        names.extend(columns)
        return _count_levels(columns, source, dataset.levels)

    rows, levels, checker = read_rows(list(files), dataset, tuple(LEVELS), count_levels)
    before_trades = BEFORE_TRADES in rows.columns
    notes = list_notes(names, before_trades=before_trades)
    for symbol, events, its_checker in split_by_symbol(rows, checker.source, dataset.symbols, checker):
        n_dropped = sum(its_checker.dropped.values())
        events = check_one_book(events, symbol, its_checker, consolidated=is_consolidated(names))
        venue, calendar = find_venue(events)
        if before_trades:
            events = split_quotes_from_trades(events, levels)
        rows_read = events.height + n_dropped
        yield Feed(symbol, events, levels, rows_read, its_checker, notes=notes, calendar=calendar, venue=venue)


def _count_levels(names: list[str], source: str, wanted: int | None) -> int:
    numbered = [int(m[1]) for c in names if (m := re.fullmatch(r"(?:bid|ask)_(?:px|sz)_(\d\d)", c))]
    n_levels = max(numbered, default=-1) + 1
    count = wanted or max(n_levels, 1)
    needed = [*list_needed(names), *list_level_columns(count, "px"), *list_level_columns(count, "sz")]
    absent = [c for c in needed if c not in names]
    if absent:
        remedy = f"the file has {n_levels} levels; see dataset.levels" if n_levels else "give an MBP-10 CSV"
        if "order_id" in names and not n_levels:
            remedy = "if it is MBO, use dataset=databento_mbo"
        if absent == ["action"]:
            remedy = "give the file with all columns; of BBO and CBBO, keep rtype"
        raise DataError(f"{source}: the column {absent[0]} is missing ({len(absent)} in all); {remedy}.")
    return count
