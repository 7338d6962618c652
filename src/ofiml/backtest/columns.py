"""The rows of a session as arrays, and the tables over all sessions that are made of them.

A table of a few rows takes as long to make as one of many thousands. So each session hands its rows over as arrays, and
a table is made of them once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.strategy.build import KEY_SCHEMA, TradedSession

#: The columns of a table by name, (n,) each.
Columns = dict[str, NDArray[Any]]


def join_columns(parts: Sequence[Columns]) -> pl.DataFrame:
    """Join the rows of sessions, at least one, to a table."""
    return pl.DataFrame([pl.Series(name, np.concatenate([part[name] for part in parts])) for name in parts[0]])


def divide_chunks(table: pl.DataFrame, counts: Sequence[int]) -> pl.DataFrame:
    """Divide a table into chunks of `counts` rows, views of it: a sum of floats is that of the sums of chunks."""
    starts = np.cumsum(counts) - counts
    return pl.concat([table.slice(start, count) for start, count in zip(starts.tolist(), counts, strict=True)])


def name_rows(table: pl.DataFrame, keys: Sequence[TradedSession], counts: Sequence[int]) -> pl.DataFrame:
    """Put the symbol, the session and, if there are several, the path before the columns of a table, which has `counts`
    rows of each of the `keys`.
    """
    names = pl.DataFrame(list(keys), schema=KEY_SCHEMA, orient="row")
    if keys[0].path is None:
        names = names.drop("path")
    return names[np.repeat(np.arange(len(keys)), counts)].hstack(table)
