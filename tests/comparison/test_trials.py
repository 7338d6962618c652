"""How many things were tried, whatever runs say of themselves."""

import math

import pytest

from ofiml.comparison.trials import count_trials
from ofiml.tracking.read import ListedRun

TUNED = {"tuning.enabled": "True", "tuning.trials": "12", "model.space.alpha": "[1, 2]"}
CPCV = TUNED | {"split.name": "cpcv", "split.n_groups": "6", "split.n_test_groups": "2"}
EXPANDING = TUNED | {"split.name": "expanding", "split.n_folds": "5"}
DATES = TUNED | {"split.name": "session_out"}


def run(params, status="FAILED", **metrics):
    return ListedRun("a" * 32, "", status, False, params, {}, {k.replace("_", "/"): v for k, v in metrics.items()})


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
    trials = count_trials(
        [run(EXPANDING, "FINISHED", tuning_trials=count), run(EXPANDING, "FINISHED", tuning_trials=7.0)]
    )
    assert (trials.tuned, trials.planned, trials.total) == (7, 60, 69)
    assert "No valid count in run aaaaaaaa: planned trials are used." in trials.describe()


def test_many_odd_runs_are_not_all_named():
    words = count_trials([run(EXPANDING, tuning_trials=math.nan)] * 15).describe()
    assert words.count("aaaaaaaa") == 10
    assert "and 5 more" in words
