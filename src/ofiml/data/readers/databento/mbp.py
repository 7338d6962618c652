"""From rows of Databento's MBP schemas to events; each row states the book."""

import re
from collections.abc import Iterator, Sequence

from ofiml.config import FileDataset
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
)
from ofiml.data.formats import dbn
from ofiml.data.readers.databento.files import (
    NEEDED,
    check_one_book,
    list_level_columns,
    read_rows,
)
from ofiml.errors import DataError


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in file order.

    Raises DataError for a missing column, a missing symbol of `dataset.symbols`, a symbol with rows of several books,
    and rows that the policy refuses.
    """

    def count_levels(names: list[str], source: str) -> int:
        return _count_levels(names, source, dataset.levels)

    rows, levels, checker = read_rows(list(files), dataset, (dbn.MBP_1, dbn.MBP_10), count_levels)
    for symbol, events, its_checker in split_by_symbol(rows, checker.source, dataset.symbols, checker):
        n_read = events.height + sum(its_checker.dropped.values())
        yield Feed(symbol, check_one_book(events, symbol, its_checker), levels, n_read, its_checker)


def _count_levels(names: list[str], source: str, wanted: int | None) -> int:
    numbered = [int(m[1]) for c in names if (m := re.fullmatch(r"(?:bid|ask)_(?:px|sz)_(\d\d)", c))]
    n_levels = max(numbered, default=-1) + 1
    count = wanted or max(n_levels, 1)
    absent = [
        c for c in [*NEEDED, *list_level_columns(count, "px"), *list_level_columns(count, "sz")] if c not in names
    ]
    if absent:
        remedy = f"the file has {n_levels} levels; see dataset.levels" if n_levels else "give an MBP-10 CSV"
        if "order_id" in names and not n_levels:
            remedy = "if it is MBO, use dataset=databento_mbo"
        raise DataError(f"{source}: the column {absent[0]} is missing ({len(absent)} in all); {remedy}.")
    return count
