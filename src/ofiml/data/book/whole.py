"""Messages that are whole books, as the level columns of events."""

import numpy as np
import polars as pl

from ofiml.data.formats.level_rows import LevelRows
from ofiml.data.schema import NO_PRICE, make_level_columns
from ofiml.errors import DataError

_MAX_LEVELS = 100  # of the event schema


def make_whole_books(books: LevelRows, wanted: int | None, source: str) -> tuple[dict[str, pl.Series], int]:
    """Return the level columns of the books, and the number of levels: `wanted`, or that of the deepest book.

    `books.rows` has the numbers of `bids` and `asks`; bids stand first, each side with its best first. A missing level
    is NO_PRICE. Raises DataError if no book has the wanted levels.
    """
    counts = {side: books.rows[f"{side}s"].to_numpy() for side in ("bid", "ask")}
    deepest = int(max(c.max(initial=0) for c in counts.values()))
    if wanted is not None and wanted > deepest:
        raise DataError(f"{source}: its books have at most {deepest} levels: set dataset.levels={max(deepest, 1)}.")
    levels = wanted or max(min(deepest, _MAX_LEVELS), 1)
    first = np.cumsum(books.pairs) - books.pairs
    starts = {"bid": first, "ask": first + counts["bid"]}
    prices, sizes = (x if len(x) else np.zeros(1, np.int64) for x in (books.prices, books.sizes))
    columns = {}
    for m in range(levels):
        for name, dtype in make_level_columns(m).items():
            side, quantity = name[:3], name[4:6]
            if quantity == "ct":
                columns[name] = pl.Series([None], dtype=dtype).new_from_index(0, books.rows.height)
                continue
            present = m < counts[side]
            at = np.where(present, starts[side] + m, 0)
            values, missing = (prices, NO_PRICE) if quantity == "px" else (sizes, 0)
            columns[name] = pl.Series(np.where(present, values[at], missing))
    return columns, levels
