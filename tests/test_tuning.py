"""Tuning: inside the train rows, resumable to the bit, and ended by nothing."""

from dataclasses import replace

import numpy as np
import pytest

from ofiml import tuning
from ofiml.errors import DataError
from ofiml.splits.inner import Inner
from ofiml.splits.walk_forward import Intervals
from ofiml.tuning import Train, tune

SECOND = 1_000_000_000


@pytest.fixture
def train():
    rng = np.random.default_rng(0)
    flow = rng.standard_normal((400, 3))
    t = np.arange(400) * 10 * SECOND
    y = flow @ [1.0, 0.5, 0.0] + rng.standard_normal(400)
    return Train(flow, np.empty((400, 0)), y, Intervals(t - 10 * SECOND, t, t + 10 * SECOND))


def tuned(configure, train, tmp_path, trials=6, name="lgbm", **changes):
    config = configure(f"model={name}", *(["model.n_estimators=10"] if name == "lgbm" else []))
    settings = replace(config.tuning, trials=trials, storage=str(tmp_path), **changes)
    steps = []
    result = tune(train, config.ofi, config.model, config.split, settings, form="return", seed=7,
                  step=lambda: steps.append(1))  # fmt: skip
    assert len(steps) == trials
    return result


def test_the_first_trial_is_the_config_and_the_best_wins(configure, train, tmp_path):
    result = tuned(configure, train, tmp_path)
    config = configure("model=lgbm").model
    assert result.trials[0]["params"] == {k: getattr(config, k) for k in config.space}
    best = max(result.trials, key=lambda t: t["score"])
    assert {k: getattr(result.model, k) for k in config.space} == best["params"]
    assert all(len(t["scores"]) == 3 for t in result.trials)


def test_a_killed_study_goes_on_as_if_it_had_not_been(configure, train, tmp_path, monkeypatch):
    whole = tuned(configure, train, tmp_path / "whole")
    scores, calls = tuning._scores, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return scores(*arguments)

    monkeypatch.setattr(tuning, "_scores", killed)
    with pytest.raises(KeyboardInterrupt):
        tuned(configure, train, tmp_path / "resumed")
    resumed = tuned(configure, train, tmp_path / "resumed")
    assert resumed.trials == whole.trials
    assert resumed.model == whole.model
    assert len(calls) == 4 + 3  # three were done, the fourth was killed: it and the last two are run


def test_finished_trials_are_not_run_again_and_more_are_added(configure, train, tmp_path, monkeypatch):
    few = tuned(configure, train, tmp_path, trials=3)
    more = tuned(configure, train, tmp_path, trials=6)
    assert more.trials[:3] == few.trials
    assert more.trials == tuned(configure, train, tmp_path / "other", trials=6).trials
    monkeypatch.setattr(tuning, "_scores", lambda *_: pytest.fail("a finished trial was run again"))
    assert tuned(configure, train, tmp_path, trials=6).model == more.model
    assert tuned(configure, train, tmp_path, trials=3).model == few.model


def test_other_rows_have_another_journal(configure, train, tmp_path):
    tuned(configure, train, tmp_path, trials=1)
    tuned(configure, replace(train, y=train.y + 1), tmp_path, trials=1)
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_a_score_that_is_not_a_number_ends_nothing(configure, train, tmp_path, monkeypatch):
    scores, calls = tuning._scores, []

    def sometimes(*arguments):
        calls.append(1)
        return [float("nan")] if len(calls) == 2 else scores(*arguments)

    monkeypatch.setattr(tuning, "_scores", sometimes)
    result = tuned(configure, train, tmp_path, name="ridge")
    assert len(result.trials) == 6
    assert result.trials[1]["score"] is None
    monkeypatch.setattr(tuning, "_scores", lambda *_: [float("nan")])
    with pytest.raises(DataError, match="tuning trials failed"):
        tuned(configure, train, tmp_path / "all", name="ridge", trials=2)


def test_a_torn_journal_is_read_up_to_the_tear(configure, train, tmp_path):
    whole = tuned(configure, train, tmp_path)
    (journal,) = tmp_path.glob("*.journal")
    journal.write_bytes(journal.read_bytes()[:-20])
    assert tuned(configure, train, tmp_path).trials == whole.trials


def test_trials_differ(configure, train, tmp_path):
    trials = tuned(configure, train, tmp_path).trials
    assert len({repr(t["params"]) for t in trials}) == len(trials)


def test_what_is_fitted_for_an_inner_fold_has_seen_its_train_rows_only(configure, train, tmp_path, monkeypatch):
    config = configure("model=ridge")
    seen, reducer = [], tuning.reducer

    def watched(*arguments):
        fitted = reducer(*arguments)
        fit = fitted.fit
        fitted.fit = lambda flow, y: seen.append((flow, y)) or fit(flow, y)
        return fitted

    monkeypatch.setattr(tuning, "reducer", watched)
    tuned(configure, train, tmp_path, trials=1, name="ridge")
    folds = Inner(train.rows, config.split.embargo_ns).folds(3, key="folds")
    assert len(seen) == 3
    for fold, (flow, y) in zip(folds, seen, strict=True):
        np.testing.assert_array_equal(flow, train.flow[fold.train])
        np.testing.assert_array_equal(y, train.y[fold.train])
        assert fold.train[-1] < fold.test[0]
