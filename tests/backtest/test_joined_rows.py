"""The rows of sessions become one table."""

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.columns import divide_chunks, join_columns, name_rows
from ofiml.strategy.build import TradedSession

PARTS = [{"lots": np.array([1, 2])}, {"lots": np.array([], np.int64)}, {"lots": np.array([3])}]
COUNTS = [2, 0, 1]


@pytest.mark.parametrize("paths", [(None, None, None), (0, 1, 1)])
def test_each_row_is_named_by_its_session(paths):
    keys = [TradedSession(s, d, p) for s, d, p in zip("ABA", ("d1", "d1", "d2"), paths, strict=True)]
    table = name_rows(join_columns(PARTS), keys, COUNTS)
    names = [key[: 2 if paths[0] is None else 3] for key in (keys[0], keys[0], keys[2])]
    assert table.drop("lots").rows() == names
    assert table["lots"].to_list() == [1, 2, 3]


def test_chunks_are_views_of_the_same_rows():
    table = join_columns(PARTS)
    divided = divide_chunks(table, COUNTS)
    assert divided.equals(table)
    assert divided.n_chunks() == 2
    assert isinstance(divided, pl.DataFrame)
