"""Purging against brute force and against purgedcv, on labels of unequal span."""

import numpy as np
import pandas as pd
import purgedcv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofiml.errors import DataError
from ofiml.splits.purge import overlaps_any
from ofiml.splits.rows import Hours, Intervals, Rows
from ofiml.splits.walk_forward import WalkForward, build_walk_forward_folds

SECOND = 1_000_000_000
spans = st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 30)), max_size=12)


def arrays(intervals):
    start = np.array([s for s, _ in intervals], np.int64)
    return start, start + np.array([d for _, d in intervals], np.int64)


@given(spans, spans, st.integers(0, 20))
def test_meets_equals_brute_force(train, test, margin):
    start, end = arrays(train)
    test_start, test_end = arrays(test)
    expected = [
        any(a <= d + margin and c - margin <= b for c, d in zip(test_start, test_end, strict=True))
        for a, b in zip(start, end, strict=True)
    ]
    assert overlaps_any(start, end, test_start, test_end, margin).tolist() == expected


def rows_of(seed, n, shortest, longest):
    """n rows at uneven times with label spans between `shortest` and `longest` seconds."""
    rng = np.random.default_rng(seed)
    start = np.cumsum(rng.integers(1, 20, n)) * SECOND
    end = start + rng.integers(shortest, longest + 1, n) * SECOND
    return Intervals(first_used=start - 30 * SECOND, label_start=start, label_end=end)


def as_times(ns):
    return pd.Series(pd.to_datetime(ns, unit="ns"))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("window", [None, 0.2])
def test_walk_forward_keeps_what_purgedcv_keeps(seed, window):
    rows = rows_of(seed, 800, 5, 400)
    hours = Hours.of([("2024-01-01", 0, int(rows.label_start[-1]))])
    known = Rows(rows.first_used, rows.label_start, rows.label_end, rows.label_start, hours)
    for fold in WalkForward("rows", 4, 0.4, window, 0).split(known):
        candidates = np.arange(fold.train[0], fold.test[0])
        # purgedcv's intervals are half open: a closed one ends 1 ns later.
        kept = purgedcv.purge(candidates, fold.test, as_times(rows.label_start), as_times(rows.label_end + 1))
        np.testing.assert_array_equal(fold.train, kept)
        assert fold.purged == fold.test[0] - (max(0, fold.test[0] - round(window * 800)) if window else 0) - len(kept)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("embargo", [0, 1, 60, 500])
def test_no_train_interval_comes_near_a_test_interval(seed, embargo):
    rows = rows_of(seed, 500, 5, 400)
    for fold in build_walk_forward_folds(rows, folds=5, first_train=0.5, embargo=embargo * SECOND):
        first = np.minimum(rows.first_used, rows.label_start)[fold.train, None]
        last = rows.label_end[fold.train, None]
        start, end = rows.label_start[fold.test], rows.label_end[fold.test]
        near = (first <= end + embargo * SECOND) & (start - embargo * SECOND <= last)
        assert not near.any()
        candidates = fold.test[0]
        assert len(fold.train) + fold.purged + fold.embargoed == candidates


def test_test_blocks_tile_the_rows_after_the_first_train_share():
    rows = rows_of(0, 101, 5, 10)
    folds = build_walk_forward_folds(rows, folds=3, first_train=0.4, embargo=0)
    np.testing.assert_array_equal(np.concatenate([f.test for f in folds]), np.arange(40, 101))


def test_too_few_rows_are_an_error():
    with pytest.raises(DataError, match="too few"):
        build_walk_forward_folds(rows_of(0, 5, 1, 2), folds=6, first_train=0.5, embargo=0)
    with pytest.raises(DataError, match=r"inner fold 0 of split\.n_folds keeps none of"):
        build_walk_forward_folds(rows_of(0, 20, 1, 2), folds=2, first_train=0.5, embargo=10**15)
