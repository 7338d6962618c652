"""From rows of Databento's MBP schemas to events: the book stands in each row."""

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
    level_names,
    read_rows,
)
from ofiml.errors import DataError


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Each symbol's events in file order.

    Raises DataError for a missing column, a symbol that is wanted and not there, a symbol with rows of several books,
    and whatever the policy refuses.
    """

    def levels_of(names: list[str], source: str) -> int:
        return _levels(names, source, dataset.levels)

    rows, levels, checker = read_rows(list(files), dataset, (dbn.MBP_1, dbn.MBP_10), levels_of)
    for symbol, events, its_checker in split_by_symbol(rows, checker.source, dataset.symbols, checker):
        n_read = events.height + sum(its_checker.dropped.values())
        yield Feed(symbol, check_one_book(events, symbol, its_checker), levels, n_read, its_checker)


def _levels(names: list[str], source: str, wanted: int | None) -> int:
    numbered = [int(m[1]) for c in names if (m := re.fullmatch(r"(?:bid|ask)_(?:px|sz)_(\d\d)", c))]
    found = max(numbered, default=-1) + 1
    count = wanted or max(found, 1)
    absent = [c for c in [*NEEDED, *level_names(count, "px"), *level_names(count, "sz")] if c not in names]
    if absent:
        remedy = f"the file has {found} levels; see dataset.levels" if found else "give an MBP-10 CSV"
        if "order_id" in names and not found:
            remedy = "if it is MBO, use dataset=databento_mbo"
        raise DataError(f"{source}: the column {absent[0]} is missing ({len(absent)} in all); {remedy}.")
    return count
