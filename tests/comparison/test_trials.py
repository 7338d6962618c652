"""How many things were tried, whatever runs say of themselves."""

import math
from itertools import count

import pytest

from ofiml.comparison.trials import count_trials
from ofiml.tracking.read import ListedRun

TUNED = {"tuning.enabled": "True", "tuning.trials": "12", "model.space.alpha": "[1, 2]"}
CPCV = TUNED | {"split.name": "cpcv", "split.n_groups": "6", "split.n_test_groups": "2"}
EXPANDING = TUNED | {"split.name": "expanding", "split.n_folds": "5"}
DATES = TUNED | {"split.name": "session_out"}


RUN_IDS = (f"aaaaaaaa{k:024x}" for k in count())


def run(params, status="RUNNING", tags=(), **metrics):
    return ListedRun(next(RUN_IDS), "", status, False, params, dict(tags), metrics)


@pytest.mark.parametrize(
    ("params", "metrics", "planned"),
    [
        (EXPANDING, {}, 60),
        (CPCV, {}, 180),  # 15 folds
        (CPCV | {"split.n_groups": "999", "split.n_test_groups": "1"}, {}, 11988),
        (CPCV, {"folds": 15.0}, 180),
        (DATES, {}, 12),
        (DATES, {"folds": 20.0}, 240),
        (EXPANDING, {"folds": math.nan}, 60),
        (EXPANDING, {"folds": -1.0}, 60),
        (EXPANDING, {"folds": 1e300}, 60),
        (EXPANDING | {"tuning.enabled": "False"}, {"folds": 5.0}, 0),
        (CPCV | {"split.n_groups": "9999999", "split.n_test_groups": "4999999"}, {}, 12),
        (CPCV | {"split.n_groups": "1000", "split.n_test_groups": "500"}, {}, 10**7),
    ],
)
def test_what_a_run_without_a_count_had_planned(params, metrics, planned):
    assert count_trials([run(params, **metrics)]).planned == planned


def test_an_unknown_number_of_folds_is_reported():
    assert "Number of folds unknown in run aaaaaaaa: one is used." in count_trials([run(DATES)]).describe()
    assert "unknown" not in count_trials([run(DATES, folds=3.0), run(CPCV), run({})]).describe()


@pytest.mark.parametrize("count", [math.nan, math.inf, -math.inf, -1.0, 1e300, 1.8e308, 10**7 + 1.0])
def test_a_count_that_is_none_falls_back_to_what_was_planned(count):
    trials = count_trials([run(EXPANDING, "FINISHED", trials=count), run(EXPANDING, "FINISHED", trials=7.0)])
    assert (trials.tuned, trials.planned, trials.total) == (7, 60, 69)
    assert "No valid count in run aaaaaaaa: planned trials are used." in trials.describe()


def test_the_parent_of_a_sweep_is_no_trial():
    parent = run({}, "FINISHED", {"kind": "sweep"})
    assert count_trials([parent, run(EXPANDING, "FINISHED", trials=7.0)]).total == 8


def test_many_odd_runs_are_not_all_named():
    words = count_trials([run(EXPANDING, trials=math.nan) for _ in range(15)]).describe()
    assert words.count("aaaaaaaa") == 10
    assert "and 5 more" in words


def test_a_run_that_failed_before_its_first_trial_tried_nothing():
    earlier, later = run(EXPANDING, "FAILED", folds=5.0), run(EXPANDING, "KILLED", {"folds": "7"})
    trials = count_trials([run(EXPANDING, "FAILED"), run(EXPANDING, "KILLED"), earlier, later])
    assert (trials.total, trials.fates, trials.planned) == (2 + 60 + 84, {"failed": 1, "killed": 1}, 60 + 84)
    assert trials.unstarted == 2
    assert "Not counted: 2 runs that failed before the first trial." in trials.describe()


def test_repetitions_of_one_digest_count_once():
    def finished(digest, trials, **params):
        return run(EXPANDING | params, "FINISHED", {"predictions.sha256": digest}, folds=5.0, trials=trials)

    one = finished("d", 60.0)
    same = finished("d", 60.0, **{"tuning.storage": "elsewhere", "threads": "7"})
    trials = count_trials([one, same])
    assert (trials.total, trials.tuned, trials.repeated) == (61, 60, 1)
    assert "Not counted: 1 repetition." in trials.describe()
    traded_otherwise = finished("d", 60.0, **{"strategy.edge_multiple": "2.0"})
    assert count_trials([one, traded_otherwise]).total == 62, "another strategy, with the same models"
    searched_longer = finished("d", 250.0, **{"tuning.trials": "50"})
    assert count_trials([one, searched_longer]).total == 311, "the same predictions after a longer search"
    assert count_trials([one, finished("e", 60.0)]).total == 122


def test_reproductions_are_no_trials():
    again = run(EXPANDING, "FINISHED", {"predictions.sha256": "e", "reproduces": "a" * 32}, trials=4.0)
    assert count_trials([run(EXPANDING, "FINISHED", trials=60.0), again]).total == 61
