"""Every splitter against its definition, word by word, and against purgedcv, on labels of 5 to 400 s."""

from dataclasses import replace
from itertools import pairwise
from math import comb

import numpy as np
import pandas as pd
import purgedcv
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ofiml.errors import DataError
from ofiml.splits.combinatorial import Combinatorial
from ofiml.splits.fold import build_purged_fold, count_leaks
from ofiml.splits.rows import Hours, Intervals, Rows
from ofiml.splits.session_out import LeaveOneSessionOut
from ofiml.splits.walk_forward import WalkForward

SECOND = 1_000_000_000
DAY = 24 * 3600 * SECOND
LENGTH = 2000 * SECOND  # of a session


def rows_of(seed, n, *, days=4, symbols=1, look_back=30):
    """`n` instants in `days` sessions, a row of each of `symbols` at every one, labels of 5 to 400 s."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, n))
    day[:days] = np.arange(days)
    day.sort()
    at = day * DAY + rng.integers(1, LENGTH // SECOND + 1, n) * SECOND
    at = np.unique(at).repeat(symbols)
    end = at + rng.integers(5, 401, len(at)) * SECOND
    first = at - rng.integers(0, look_back + 1, len(at)) * SECOND
    hours = Hours.of((f"2024-01-{k + 1:02d}", k * DAY, k * DAY + LENGTH) for k in range(days))
    return Rows(first, at, end, at, hours)


def removed(rows, row, test, margin):
    """By definition: whether the train row's interval comes within `margin` ns of any test row's label interval."""
    begin = min(rows.first_used[row], rows.label_start[row])
    return any(
        begin <= rows.label_end[other] + margin and rows.label_start[other] - margin <= rows.label_end[row]
        for other in test
    )


def check(rows, fold, candidates, embargo):
    purged = [i for i in candidates if removed(rows, i, fold.test, 0)]
    near = [i for i in candidates if i not in set(purged) and removed(rows, i, fold.test, embargo)]
    assert fold.purged_rows.tolist() == purged
    assert fold.embargoed_rows.tolist() == near
    assert fold.train.tolist() == [i for i in candidates if i not in {*purged, *near}]
    assert count_leaks(rows, fold) == 0
    inside = np.zeros(len(rows), bool)
    for span in fold.spans:
        held = (rows.known_at >= span.start) & (rows.known_at < span.until)
        assert not (inside & held).any()
        inside |= held
    assert np.flatnonzero(inside).tolist() == fold.test.tolist()


BY = st.sampled_from(["rows", "session", "time"])
EMBARGO = st.integers(0, 300).map(lambda s: s * SECOND)
made = st.builds(rows_of, st.integers(0, 10**6), st.integers(25, 60), symbols=st.integers(1, 2))


def split(splitter, rows):
    """Its folds; none where it says that it cannot."""
    try:
        return splitter.split(rows)
    except DataError as error:
        assert str(error).endswith(".")  # noqa: PT017
        return []


@hypothesis_settings(max_examples=60)
@given(made, BY, st.integers(1, 3), st.sampled_from([None, 0.3]), EMBARGO)
def test_walk_forward_is_its_definition(rows, by, folds, window, embargo):
    found = split(WalkForward(by, folds, 0.5, window, embargo), rows)
    for before, after in pairwise(found):
        assert before.spans[0].until == after.spans[0].start
    elapsed = rows.known_at // DAY * LENGTH + np.minimum(rows.known_at % DAY, LENGTH)  # trading time
    for fold in found:
        start = int(fold.test[0])
        border = fold.spans[0].start - 1
        assert (rows.known_at[:start] <= border).all()
        oldest = 0
        if window is not None and by == "rows":
            mark = int(np.array_split(np.arange(len(rows) // 2, len(rows)), folds)[fold.index][0])
            oldest = int(np.searchsorted(rows.known_at, rows.known_at[max(0, mark - round(window * len(rows)))]))
        elif window is not None and by == "session":
            day = border // DAY + 1  # the first that is tested
            oldest = int(np.count_nonzero(rows.known_at // DAY < day - round(window * 4)))
        elif window is not None:
            mark = border // DAY * LENGTH + min(border % DAY, LENGTH) - round(window * 4 * LENGTH)
            oldest = int(np.count_nonzero(elapsed <= mark))
        check(rows, fold, range(oldest, start), embargo)
    if found and by == "rows" and window is None:
        tiled = np.concatenate([fold.test for fold in found])
        np.testing.assert_array_equal(tiled, np.arange(tiled[0], len(rows)))


@hypothesis_settings(max_examples=60)
@given(made, BY, st.integers(2, 4), st.integers(1, 3), EMBARGO)
def test_combinatorial_is_its_definition(rows, by, groups, tested, embargo):
    if tested >= groups:
        return
    splitter = Combinatorial(by, groups, tested, embargo)
    found = split(splitter, rows)
    if not found:
        return
    assert len(found) == comb(groups, tested)
    for fold in found:
        check(rows, fold, [i for i in range(len(rows)) if i not in set(fold.test.tolist())], embargo)
    times = np.bincount(np.concatenate([fold.test for fold in found]), minlength=len(rows))
    assert (times == splitter.paths).all()
    # Each path has each group once.
    spans = sorted({(s.start, s.until) for fold in found for s in fold.spans})
    assert len(spans) == groups
    for path in range(splitter.paths):
        own = sorted((s.start, s.until) for fold in found for s in fold.spans if s.path == path)
        assert own == spans


@hypothesis_settings(max_examples=40)
@given(made, EMBARGO)
def test_leaving_one_session_out_is_its_definition(rows, embargo):
    found = split(LeaveOneSessionOut(embargo), rows)
    for day, fold in enumerate(found):
        np.testing.assert_array_equal(fold.test, np.flatnonzero(rows.known_at // DAY == day))
        check(rows, fold, np.flatnonzero(rows.known_at // DAY != day).tolist(), embargo)


def test_leaving_one_session_out_tests_each_date_once():
    rows = rows_of(3, 200, symbols=2)
    tests = [fold.test for fold in LeaveOneSessionOut(0).split(rows)]
    np.testing.assert_array_equal(np.concatenate(tests), np.arange(len(rows)))
    assert len(tests) == 4


def as_times(ns):
    return pd.Series(pd.to_datetime(ns, unit="ns"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 3), (4, 1)])
def test_combinatorial_is_that_of_purgedcv(seed, groups, tested):
    # In one session, where every border purges. Theirs counts from the label's start: no look-back here.
    rows = rows_of(seed, 1200, days=1, look_back=0)
    begins, ends = as_times(rows.label_start), as_times(rows.label_end + 1)  # their intervals are half open
    theirs = purgedcv.CombinatorialPurgedCV(groups, tested, prediction_times=begins, evaluation_times=ends)
    folds = Combinatorial("rows", groups, tested, 0).split(rows)
    expected = list(theirs.split(np.zeros((len(rows), 1))))
    assert len(folds) == len(expected)
    assert sum(fold.purged for fold in folds) > 50
    for fold, (_, test) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(fold.test, test)
        candidates = np.setdiff1d(np.arange(len(rows)), test)
        np.testing.assert_array_equal(fold.train, purgedcv.purge(candidates, test, begins, ends))
    paths = theirs.reconstruct_paths([np.full(len(fold.test), float(fold.index)) for fold in folds])
    for fold in folds:
        for span in fold.spans:
            held = (rows.known_at >= span.start) & (rows.known_at < span.until)
            assert (paths[span.path][held] == fold.index).all()


def test_what_lies_between_two_test_blocks_trains():
    rows = rows_of(0, 300, days=1)
    fold = Combinatorial("rows", 4, 2, 0).split(rows)[1]  # groups 0 and 2
    assert ((fold.train > fold.test[0]) & (fold.train < fold.test[-1])).any()


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("nearer", [0, 1])
def test_embargo_is_exact_to_the_nanosecond(side, nearer):
    """A row whose interval ends exactly one embargo from the test label goes; 1 ns farther it stays."""
    embargo = 7 * SECOND
    gap = embargo + 1 - nearer
    # The test label lasts from 1000 s to 1001 s; a row far away keeps the fold from being empty.
    if side == "before":
        end = 1000 * SECOND - gap
        start = first = end - 5
    else:  # counted from the first instant that the train row's features used
        first = 1001 * SECOND + gap
        start, end = first + 9, first + 50
    columns = [0, 1000 * SECOND, first], [0, 1000 * SECOND, start], [5, 1001 * SECOND, end]
    rows = Intervals(*(np.array(column, np.int64) for column in columns))
    test = np.array([1])
    fold = build_purged_fold(0, rows, np.array([0, 2]), test, embargo)
    assert fold.purged == 0
    assert fold.embargoed == nearer
    assert len(fold.train) == 2 - nearer


def test_look_back_is_purged_where_training_follows_testing_and_allowed_where_it_precedes():
    at = np.arange(6, dtype=np.int64) * 100 * SECOND
    rows = Intervals(at - 250 * SECOND, at, at + 10 * SECOND)
    # Rows 3 and 4 look back into the label of row 2; row 1's label ends before it, whatever row 2 looked back to.
    fold = build_purged_fold(0, rows, np.array([0, 1, 3, 4, 5]), np.array([2]), 0)
    assert fold.purged_rows.tolist() == [3, 4]
    assert fold.train.tolist() == [0, 1, 5]


@pytest.mark.parametrize(
    ("look_back", "label", "embargo", "sentence"),
    [
        (0, 10, 2000, "2 lie within split.embargo=2000s of a test row, the others closer. Use shorter bars and a "
                      "shorter horizon (such as bars.step=1s horizon=5s), a shorter split.embargo, or more data."),
        (0, 150, 2000, "1 lie within split.embargo=2000s of a test row, the others closer. Use shorter bars and a "
                       "shorter horizon (such as bars.step=1s horizon=5s), a shorter split.embargo, or more data."),
        (3000, 10, 0, "the features of all candidates look back into test labels. Use whole sessions "
                      "(split=session_out, or split.by=session), or features with a shorter look-back, or more data."),
        (3000, 250, 60, "the labels of all candidates reach into test labels. Use a shorter horizon, or more data."),
    ],
)  # fmt: skip
def test_an_empty_fold_says_why(look_back, label, embargo, sentence):
    """Row 1 is tested, from 100 s; rows 2 and 3 begin 100 and 200 s later."""
    at = np.arange(4, dtype=np.int64) * 100 * SECOND
    rows = Intervals(at - look_back * SECOND, at, at + label * SECOND)
    with pytest.raises(DataError) as error:
        build_purged_fold(4, rows, np.array([2, 3]), np.array([1]), embargo * SECOND)
    assert str(error.value) == f"Fold 4 keeps none of 2 candidate train rows: {sentence}"


def test_rows_of_one_instant_stay_together():
    at = np.repeat(np.arange(10, dtype=np.int64), 3) * 1000 * SECOND + SECOND
    rows = Rows(at, at, at + 5 * SECOND, at, Hours.of([("2024-01-01", 0, int(at[-1]))]))
    for splitter in (WalkForward("rows", 4, 0.45, None, 0), Combinatorial("rows", 4, 2, 0)):
        for fold in splitter.split(rows):
            assert not set(rows.known_at[fold.test]) & set(np.delete(rows.known_at, fold.test))


def test_borders_in_time_do_not_depend_on_how_many_bars_there_are():
    many, few = (rows_of(1, n) for n in (900, 90))
    spans = [[f.spans for f in WalkForward("time", 3, 0.4, None, 0).split(rows)] for rows in (many, few)]
    assert spans[0] == spans[1]
    # A total of 8000 s of trading, 3200 of which train first: each block has 1600.
    lengths = [many.hours.convert_to_trading_time(np.array([s.until - 1, s.start - 1])) for (s,) in spans[0]]
    assert [int(a - b) for a, b in lengths] == [1600 * SECOND] * 3


def test_trading_time_stands_still_between_sessions():
    hours = Hours.of([("b", DAY, DAY + 50), ("a", 0, 100), ("b", DAY + 10, DAY + 60)])
    assert hours.dates == ("a", "b")
    assert hours.total == 160
    at = np.array([-5, 0, 40, 100, 500, DAY, DAY + 1, DAY + 60, DAY + 99])
    assert hours.convert_to_trading_time(at).tolist() == [0, 0, 40, 100, 100, 100, 101, 160, 160]
    assert [hours.find_instant(e) for e in (1, 100, 101, 160)] == [1, 100, DAY + 1, DAY + 60]


def test_whole_dates_are_tested():
    rows = rows_of(2, 200, symbols=2)
    folds = WalkForward("session", 2, 0.5, None, 0).split(rows)
    assert [sorted(set(rows.known_at[f.test] // DAY)) for f in folds] == [[2], [3]]


@pytest.mark.parametrize(
    ("splitter", "days", "sentence"),
    [
        (LeaveOneSessionOut(0), 1, "needs labelled rows on at least 2 session dates"),
        (WalkForward("session", 5, 0.4, None, 0), 4, "4 session dates are too few for split.n_folds=5"),
        (Combinatorial("session", 6, 2, 0), 4, "4 session dates are too few for split.n_groups=6"),
        (Combinatorial("rows", 4, 2, 10**18), 2, "keeps none of"),
    ],
)
def test_what_cannot_be_divided_is_an_error(splitter, days, sentence):
    with pytest.raises(DataError, match=sentence):
        splitter.split(rows_of(0, 100, days=days))


def test_a_row_that_leaks_is_counted():
    rows = rows_of(0, 200, days=1)
    clean = WalkForward("rows", 2, 0.5, None, 0).split(rows)[0]
    leaky = replace(clean, train=np.concatenate([clean.train, clean.purged_rows]))
    assert count_leaks(rows, leaky) == clean.purged > 0
