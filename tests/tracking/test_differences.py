"""What differs between a run and its repetition is named, and how much."""

from dataclasses import asdict, replace

import polars as pl
import pytest

from ofiml.provenance import Provenance
from ofiml.tracking.differences import TOLERANCE, compare_predictions, list_changes, measure_gap
from ofiml.tracking.logged_report import read_place

HERE = Provenance("c" * 40, False, {"python": "3.11.7", "numpy": "2.4.6"}, "Linux x86_64", "A processor", 2, 2)


def test_nothing_differs_at_the_same_place():
    assert list_changes(read_place(asdict(HERE)), HERE) == []
    assert list_changes(read_place(asdict(replace(HERE, cores=64))), HERE) == []


@pytest.mark.parametrize(
    ("was", "line"),
    [
        (replace(HERE, commit="a" * 40), "commit: was aaaaaaaaaaaa, now cccccccccccc"),
        (replace(HERE, dirty=True), "uncommitted changes: then, in git.diff"),
        (replace(HERE, versions=HERE.versions | {"numpy": "2.3.0"}), "numpy: was 2.3.0, now 2.4.6"),
        (replace(HERE, versions={"python": "3.11.7"}), "numpy: was ?, now 2.4.6"),
        (replace(HERE, system="Darwin arm64"), "system: was Darwin arm64, now Linux x86_64"),
        (replace(HERE, processor="M9"), "processor: was M9, now A processor"),
        (replace(HERE, threads=8), "threads: was 8, now 2 (no effect on results)"),
    ],
)
def test_each_difference_is_one_line(was, line):
    assert list_changes(read_place(asdict(was)), HERE) == [line]


def test_a_strangers_values_are_shown_as_text_only():
    was = asdict(HERE) | {"processor": "\x1b[31m" + "x" * 500, "threads": {"a": 1}, "versions": 3, "system": None}
    lines = list_changes(read_place(was), HERE)
    assert all(line.isprintable() and len(line) < 120 for line in lines)
    assert any(line.startswith("threads: was ?") for line in lines)
    for missing in (None, [], "x", 3):
        assert "earlier version" in list_changes(read_place(missing), HERE)[0]


@pytest.fixture
def compared(tmp_path):
    """Compares predictions of which the second table is changed."""

    def compare(change):
        table = pl.DataFrame(
            {
                "symbol": ["A"] * 4,
                "session": ["2024-01-02"] * 4,
                "bar_close": pl.Series([10**18 + k * 10**10 for k in range(4)]).cast(pl.Datetime("ns", "UTC")),
                "fold": pl.Series([0, 0, 1, 1], dtype=pl.Int32),
                "y": [1.0, -1.0, 2.0, 0.0],
                "y_hat": [0.5, -0.5, 0.5, -0.5],
            }
        )
        table.write_parquet(tmp_path / "a.parquet")
        change(table).write_parquet(tmp_path / "b.parquet")
        return compare_predictions(tmp_path / "a.parquet", tmp_path / "b.parquet", "r")

    return compare


def test_equal_predictions_have_no_difference(compared):
    found = compared(lambda table: table)
    assert (found.rows, found.compared, found.largest, found.first) == (0, 4, 0.0, "")


@pytest.mark.parametrize(("gap", "within"), [(0.4 * TOLERANCE, True), (0.6 * TOLERANCE, False), (0.1, False)])
def test_the_distance_is_a_share_of_their_standard_deviation(compared, gap, within):
    """It is 0.5 here."""
    found = compared(lambda table: table.with_columns(y_hat=pl.Series([0.5, -0.5, 0.5 + gap, -0.5])))
    assert found.rows == 1
    assert found.largest == pytest.approx(2 * gap, rel=1e-6)
    assert found.within is within
    assert found.first.startswith("row 2, A 2024-01-02 2001-09-09 01:47:00")
    assert "y_hat was 0.5, now" in found.first
    assert "fold" not in found.first


def test_a_nan_is_beyond_every_tolerance(compared):
    found = compared(lambda table: table.with_columns(y_hat=pl.Series([0.5, -0.5, float("nan"), -0.5])))
    assert (found.rows, found.largest, found.within) == (1, float("inf"), False)


def test_another_fold_is_a_difference(compared):
    found = compared(lambda table: table.with_columns(fold=pl.Series([0, 0, 0, 1], dtype=pl.Int32)))
    assert (found.rows, found.within) == (1, False)
    assert "fold was 1, now 0" in found.first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table[:3], "4 rows were predicted, now 3"),
        (lambda table: table[1:], "row 0: was A 2024-01-02 2001-09-09 01:46:40"),
    ],
)
def test_other_rows_are_named(compared, change, words):
    found = compared(change)
    assert words in found.first
    assert found.rows == 4
    assert not found.within


@pytest.mark.parametrize(
    ("was", "now", "gap"),
    [
        (2.0, -2.0, 2.0),
        (0.0, 1e-30, 1.0),
        (4.0, 3.0, 0.25),
        (1.5, 10**400, float("inf")),
        (float("inf"), 1.0, float("inf")),
        (float("nan"), 1.0, float("inf")),
    ],
)
def test_numbers_are_apart_by_a_share_of_the_larger_one(was, now, gap):
    assert measure_gap(was, now) == gap
