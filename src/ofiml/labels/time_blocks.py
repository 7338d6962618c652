"""The blocks of time of a table's rows, in which a bootstrap draws."""

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.labels.span import measure_label_span
from ofiml.metrics.bootstrap import assign_blocks


def number_time_blocks(rows: pl.DataFrame, length: int | None, span: int | None = None) -> Int64:
    """Number the block (n,) of each row (`session`, `bar_close`), rows in time order, as `assign_blocks` does.

    `length` is that of a block (ns), None for the default. Labels span at most `span` ns; None measures it.
    """
    span = measure_label_span(rows) if span is None else span
    return assign_blocks(_number_sessions(rows["session"]), rows["bar_close"].to_numpy(), length, span)


def _number_sessions(session: pl.Series) -> Int64:
    """Number the sessions (n,) in the order of their names. As an array, the names would be an object for each row."""
    runs = session.rle().struct.unnest()
    numbers = np.unique(runs["value"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    return np.repeat(numbers, runs["len"].to_numpy())
