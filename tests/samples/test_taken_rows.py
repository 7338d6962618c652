"""Rows that are taken as views."""

import numpy as np
import polars as pl
import pytest

from ofiml.samples import table as samples_table
from ofiml.samples.scratch import Scratch
from ofiml.samples.table import take_rows
from ofiml.splits.fold import Fold, Span
from ofiml.training.folds import locate_tested_bars, select_tested_bars
from tests.mapped import list_columns_in_memory

TABLE = pl.DataFrame({"a": np.arange(12), "b": [f"row {i}" for i in range(12)]})


@pytest.mark.parametrize("positions", [[], [0], [11], [3, 4, 5], [0, 1, 5, 7, 8, 9, 11], list(range(12))])
@pytest.mark.parametrize("most", [0, 4096])
def test_rows_taken_are_those_of_an_index(positions, most, monkeypatch, tmp_path):
    monkeypatch.setattr(samples_table, "_MAX_VIEWS", most)
    at = np.array(positions, np.int64)
    assert take_rows(TABLE, at).equals(TABLE[at])
    assert take_rows(TABLE, at, Scratch(tmp_path)).equals(TABLE[at])


def test_many_rows_that_are_no_neighbours_lie_in_the_scratch_file(tmp_path):
    table = pl.DataFrame({"a": np.arange(20_000)})
    at = np.arange(0, 20_000, 2)
    assert list_columns_in_memory(take_rows(table, at)) == ["a"]
    assert list_columns_in_memory(take_rows(table, at, Scratch(tmp_path))) == []


def test_neighbours_are_not_copied():
    whole = TABLE["a"].to_numpy()
    assert np.shares_memory(take_rows(TABLE, np.arange(3, 9))["a"].to_numpy(), whole)
    assert not np.shares_memory(TABLE[np.arange(3, 9)]["a"].to_numpy(), whole)


def test_tested_bars_are_where_they_are_located():
    """Spans include their start and exclude their end; bars of one time stay together; an empty span has none."""
    close = np.array([1, 1, 2, 3, 3, 5, 8])
    rows = pl.DataFrame({"bar_close": close, "x": np.arange(7)})
    none = np.empty(0, np.int64)
    fold = Fold(0, none, none, none, none, (Span(1, 3, 0), Span(4, 4, 1), Span(5, 9, 2)))
    tested = select_tested_bars(rows, fold)
    assert tested["x"].to_list() == locate_tested_bars(rows, fold).tolist() == [0, 1, 2, 5, 6]
    assert tested["path"].to_list() == [0, 0, 0, 2, 2]
