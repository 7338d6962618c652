"""Tuning: inside the train rows, the same to the bit whoever works on it, and ended by nothing."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ofiml.errors import DataError
from ofiml.splits.inner import Inner
from ofiml.tuning import inner, parameter_importance, study
from ofiml.tuning.inner import Outcome
from ofiml.tuning.journal import JournalSlots
from ofiml.tuning.suggest import Generation, build_distributions
from tests.conftest import slow_but_each
from tests.tuning.searches import SHARED_TRIALS, rows, settled, share_search, tuned, watch_trials


def test_the_first_trial_is_the_config_and_the_best_wins(configure, train, tmp_path):
    result = tuned(configure, train, tmp_path, name="lgbm")
    config = configure("model=lgbm").model
    assert result.trials[0].params == {k: getattr(config, k) for k in config.space}
    best = max((t for t in result.trials if t.state == "complete"), key=lambda t: t.score)
    assert {k: getattr(result.model, k) for k in config.space} == best.params
    for trial in result.trials:
        assert len(trial.scores) == 3 if trial.state == "complete" else len(trial.scores) < 3
        assert trial.score == (np.mean(trial.scores) if trial.state == "complete" else None)


def test_scores_are_those_of_the_inner_folds(configure, train, tmp_path):
    """By hand: R² of the ridge on each inner fold, against the mean of its inner train rows."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    config = configure("model=ridge")
    (trial,) = tuned(configure, train, tmp_path, trials=1).trials
    folds = Inner(train.rows, config.split.embargo_ns).folds(3, key="folds")
    for fold, score in zip(folds, trial.scores, strict=True):
        scaler = StandardScaler().fit(train.flow[fold.train])
        model = Ridge(alpha=config.model.alpha).fit(scaler.transform(train.flow[fold.train]), train.y[fold.train])
        error = train.y[fold.test] - model.predict(scaler.transform(train.flow[fold.test]))
        total = train.y[fold.test] - train.y[fold.train].mean()
        assert score == pytest.approx(1 - (error @ error) / (total @ total), abs=1e-9)


@pytest.mark.parametrize("place", ["{}", "sqlite:///{}/trials.db"])
def test_a_killed_study_goes_on_as_if_it_had_not_been(configure, train, tmp_path, monkeypatch, place):
    whole = tuned(configure, train, tmp_path / "whole")

    def kill(number):
        if number == 6:
            raise KeyboardInterrupt

    calls = watch_trials(monkeypatch, kill)
    with pytest.raises(KeyboardInterrupt):
        tuned(configure, train, place.format(tmp_path))
    assert tuned(configure, train, place.format(tmp_path)) == whole
    assert len(calls) == 6 + 5  # five were done, the sixth was killed: it and the last four are run


@pytest.mark.slow
def test_finished_trials_are_not_run_again_and_more_are_added(configure, train, tmp_path, monkeypatch):
    few = tuned(configure, train, tmp_path, trials=3)
    more = tuned(configure, train, tmp_path, trials=10)
    assert more.trials[:3] == few.trials
    assert more.trials == tuned(configure, train, tmp_path / "other", trials=10).trials
    monkeypatch.setattr(study, "evaluate", lambda *_, **__: pytest.fail("a finished trial was run again"))
    assert tuned(configure, train, tmp_path, trials=10).model == more.model
    assert tuned(configure, train, tmp_path, trials=3).model == few.model


@pytest.mark.parametrize("place", ["{}", "sqlite:///{}/trials.db"])
def test_the_importance_of_the_same_trials_is_measured_once(configure, train, tmp_path, place, monkeypatch):
    counts, measure = [], parameter_importance.measure_parameter_importance

    def count(trials, seed):
        counts.append(len(trials))
        return measure(trials, seed)

    def find(trials):
        return list(tuned(configure, train, place.format(tmp_path), trials=trials, name="lgbm").importance.items())

    monkeypatch.setattr(parameter_importance, "measure_parameter_importance", count)
    few, again, more = find(6), find(6), find(8)
    assert few == again != more, "other trials have other shares"
    assert (find(8), find(6)) == (more, few)
    assert counts == [6, 8, 6]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shares", {"alpha": 0.5}),
        ("shares", {"beta": 1.0}),
        ("shares", ["alpha"]),
        ("shares", {"alpha": "1.0"}),
        ("source", "0" * 64),
        ("sha256", None),
    ],
)
def test_an_altered_note_counts_for_nothing(configure, train, tmp_path, key, value):
    expected = tuned(configure, train, tmp_path, trials=5)
    (folder,) = tmp_path.iterdir()
    slots = JournalSlots(folder, 4, build_distributions(configure("model=ridge").model), 3)
    note = slots.read_note()
    assert note["shares"] == expected.importance
    slots.write_note(note | {key: value})
    assert tuned(configure, train, tmp_path, trials=5) == expected
    assert slots.read_note() == note
    slots.write_note("a stranger's")
    assert tuned(configure, train, tmp_path, trials=5) == expected


def test_a_finished_study_is_read_without_a_write(configure, train, tmp_path):
    tuned(configure, train, tmp_path)
    (journal,) = tmp_path.glob("*/journal")
    content = journal.read_bytes()
    tuned(configure, train, tmp_path)
    assert journal.read_bytes() == content


def test_a_place_knows_earlier_generations_alone(configure, train, tmp_path):
    """Whatever its own generation finds, and however its journal is ordered, a place has the same parameters."""
    config = configure("model=lgbm")
    settings = settled(config, tmp_path, 8)
    first = [Generation(config.model, [], settings, 7, 0).suggest(place) for place in range(4)]
    before = [
        Generation(config.model, [], settings, 7, 0).build_record(place, params, Outcome("complete", [0.1 * place] * 3))
        for place, params in enumerate(first)
    ]
    expected = [Generation(config.model, before, settings, 7, 0).suggest(place) for place in range(4, 8)]
    slots = JournalSlots(tmp_path / "study", 4, build_distributions(config.model), 3)
    for trial in reversed(before):
        slots.add(trial)
    read = list(slots.read_finished().values())
    again = Generation(config.model, read, settings, 7, 0)
    assert [again.suggest(place) for place in (7, 6, 5, 4)] == expected[::-1]
    other = Generation(config.model, before[:3], settings, 7, 0)
    assert [other.suggest(place) for place in range(4, 8)] != expected, "what is known must matter"


@pytest.mark.parametrize("threads", slow_but_each(2, [2, 4]))
def test_threads_change_nothing(configure, train, tmp_path, threads):
    alone = tuned(configure, train, tmp_path / "alone")
    assert tuned(configure, train, tmp_path / "together", threads=threads).trials == alone.trials


@pytest.mark.slow
@pytest.mark.parametrize("place", ["{}", "sqlite:///{}/trials.db"])
def test_processes_share_a_study_and_one_may_be_killed(configure, train, tmp_path, place):
    storage = place.format(tmp_path)
    share_search(tmp_path, storage)
    together = tuned(configure, train, storage, trials=SHARED_TRIALS)
    assert len((tmp_path / "tried").read_text().splitlines()) == SHARED_TRIALS + 1, "all were there"
    assert together.trials == tuned(configure, train, tmp_path / "alone", trials=SHARED_TRIALS).trials


@pytest.mark.slow
def test_a_place_that_is_held_is_waited_for(configure, train, tmp_path, monkeypatch):
    """What another process is at is neither done twice nor left out: it is taken over when its lock comes free."""
    tuned(configure, train, tmp_path, trials=4)
    (folder,) = tmp_path.glob("*/journal")
    slots, sleeps = JournalSlots(folder.parent, 4, build_distributions(configure("model=ridge").model), 3), []
    held = slots.claim(5)
    assert held.__enter__()

    def slept(seconds):
        sleeps.append(len(slots.read_finished()))
        if len(sleeps) == 3:
            held.__exit__(None, None, None)

    monkeypatch.setattr(study.time, "sleep", slept)
    result = tuned(configure, train, tmp_path, trials=9)
    assert sleeps == [7, 7, 7], "all but the held one of the generation were done first, and none of the next"
    assert result.trials == tuned(configure, train, tmp_path / "alone", trials=9).trials


def test_other_rows_or_settings_have_another_journal(configure, train, tmp_path, monkeypatch):
    tuned(configure, train, tmp_path, trials=1)
    tuned(configure, replace(train, y=train.y + 1), tmp_path, trials=1)
    tuned(configure, train, tmp_path, trials=1, pruning="off")
    tuned(configure, train, tmp_path, trials=1, generation=1)
    tuned(configure, train, tmp_path, trials=1, seed=8)
    tuned(configure, train, tmp_path, trials=1, fold=1)
    monkeypatch.setattr(study, "identify_code", lambda *packages: ["other code", *packages])
    tuned(configure, train, tmp_path, trials=1)
    assert len(list(tmp_path.glob("*/journal"))) == 7
    tuned(configure, train, tmp_path, trials=2)
    assert len(list(tmp_path.glob("*/journal"))) == 7


def test_what_makes_a_trial_is_all_the_code_and_what_it_asks(monkeypatch, tmp_path):
    from importlib.metadata import version

    import ofiml
    from ofiml import provenance

    first = provenance.identify_code("scipy")
    assert first[1] == version("scipy")
    copy = tmp_path / "ofiml"
    shutil.copytree(Path(ofiml.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "__file__", str(copy / "provenance.py"))
    digests = {first[0], provenance.identify_code.__wrapped__()[0]}
    assert len(digests) == 1
    for part in ("units.py", "config/model.py", "tuning/inner.py", "splits/fold.py"):
        with (copy / part).open("a") as file:
            file.write("# other\n")
        digests.add(provenance.identify_code.__wrapped__()[0])
    assert len(digests) == 5

    def identify_reading():
        return provenance.identify_code.__wrapped__(parts=("config", "units.py"))[0]

    before = identify_reading()
    for part, other in (("tuning/inner.py", False), ("units.py", True), ("config/model.py", True)):
        with (copy / part).open("a") as file:
            file.write("# other\n")
        assert (identify_reading() != before) == other, part
        before = identify_reading()


def test_a_score_that_is_not_a_number_ends_nothing(configure, train, tmp_path, monkeypatch):
    r2, calls = inner.r2, []

    def sometimes(*arguments):
        calls.append(1)
        return float("nan") if len(calls) == 5 else r2(*arguments)

    monkeypatch.setattr(inner, "r2", sometimes)
    result = tuned(configure, train, tmp_path)
    assert len(result.trials) == 10
    assert [t.state for t in result.trials].count("failed") == 1
    assert (result.trials[1].state, result.trials[1].score) == ("failed", None)
    assert len(result.trials[1].scores) == 1  # that of the fold before
    monkeypatch.setattr(inner, "r2", lambda *_: float("nan"))
    with pytest.raises(DataError, match="tuning trials failed"):
        tuned(configure, train, tmp_path / "all", trials=2)


def test_a_model_that_cannot_learn_fails_its_trial(configure, train, tmp_path, monkeypatch):
    class Refusing:
        def fit(self, *_):
            raise DataError("nothing to learn")

    build, calls = inner.build_model, []

    def built(*arguments, **others):
        calls.append(1)
        return Refusing() if len(calls) == 1 else build(*arguments, **others)

    monkeypatch.setattr(inner, "build_model", built)
    result = tuned(configure, train, tmp_path, trials=3)
    assert result.trials[0] == replace(result.trials[0], state="failed", score=None, scores=[])


@pytest.mark.slow
def test_pruned_trials_are_below_the_median_and_cannot_win(configure, train, tmp_path):
    pruned = tuned(configure, train, tmp_path, trials=24, name="lgbm")
    whole = tuned(configure, train, tmp_path, trials=24, name="lgbm", pruning="off")
    assert {t.state for t in whole.trials} == {"complete"}
    given_up = [i for i, t in enumerate(pruned.trials) if t.state == "pruned"]
    assert given_up
    assert min(given_up) >= 4, "the first generation has nothing to be held against"
    for place, trial in enumerate(pruned.trials):
        first = place - place % 4
        complete = [t.scores for t in pruned.trials[:first] if t.state == "complete"]
        for k in range(1, 3):
            if len(complete) < 4 or len(trial.scores) < k:
                continue
            median = np.median([np.mean(scores[:k]) for scores in complete])
            below = np.mean(trial.scores[:k]) < median
            assert below == (trial.state == "pruned" and len(trial.scores) == k)


@pytest.mark.slow
def test_a_torn_journal_is_read_up_to_the_tear(configure, train, tmp_path):
    whole = tuned(configure, train, tmp_path)
    (journal,) = tmp_path.glob("*/journal")
    content = journal.read_bytes()
    for cut in (20, 400, len(content) - 10, len(content)):
        journal.write_bytes(content[: len(content) - cut])
        assert tuned(configure, train, tmp_path).trials == whole.trials


def test_a_journal_that_is_none_is_named(configure, train, tmp_path):
    tuned(configure, train, tmp_path, trials=2)
    (journal,) = tmp_path.glob("*/journal")
    journal.write_text("somebody's notes\nin two lines\n")
    with pytest.raises(DataError, match="journal is damaged or belongs to another study: delete it"):
        tuned(configure, train, tmp_path, trials=2)


@pytest.mark.parametrize(
    ("was", "now"),
    slow_but_each(
        4,
        [
            ('"place":1', '"place":-1'),
            ('"place":1', '"place":"1"'),
            ('"place":1', '"plaice":1'),
            ('"place":1', '"place":[1]'),
            ('"state":"complete"', '"state":"pruned"'),
            ('"state":"complete"', '"state":["complete"]'),
            ('"state":"complete"', '"state":"splendid"'),
            ('"scores":[', '"scores":[NaN, '),
            ('"scores":[', '"scores":["0.9", '),
            ('"scores":[', '"scores":[0.5, '),
            ('"scores":[', '"scores":[[], '),
            ('"params":{"alpha":', '"params":{"beta":1.0, "alpha":'),
            ('"params":{"alpha":', '"params":{"beta":'),
            ('"params":{"alpha":', '"params":{"alpha":-'),
            ('"params":{"alpha":', '"params":{"alpha":1e300, "was":'),
            ('"distributions":{"alpha":', '"distributions":{"alpha":3, "was":'),
            ('"op_code":4', '"op_code":99'),
            ('"op_code":4', '"op_code":5'),
            ('"op_code":4', '"code":4'),
            ('"state":1', '"state":77'),
        ],
    ),
)
def test_an_altered_journal_ends_in_a_sentence(configure, train, journal, tmp_path, was, now):
    name, content = journal
    assert was in content
    (tmp_path / name).mkdir()
    (tmp_path / name / "journal").write_text(content.replace(was, now))
    with pytest.raises(DataError, match=r"journal is damaged or belongs to another study: delete it") as error:
        tuned(configure, train, tmp_path, trials=2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 41])
def test_a_journal_flipped_anywhere_gives_its_trials_or_a_sentence(configure, journal, tmp_path, step):
    """One bit of a score, of a parameter or of a place: nothing but the trials as they were, or fewer, comes out."""
    _, text = journal
    content = text.encode()
    path = tmp_path / "study" / "journal"
    path.parent.mkdir()
    config = configure("model=ridge")

    def read(flipped):
        path.write_bytes(flipped)
        slots = JournalSlots(
            path.parent, 4, build_distributions(config.model), settled(config, tmp_path, 2).inner_folds
        )
        return {place: (t.params, t.value, t.user_attrs) for place, t in slots.read_finished().items()}

    whole = read(content)
    assert len(whole) == 2
    refused = 0
    for place in range(0, len(content), step):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        try:
            trials = read(bytes(flipped))
        except DataError as error:
            assert "journal is damaged or belongs to another study: delete it" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert trials.items() <= whole.items()
    assert refused > len(content) // step // 3


def test_a_journal_gives_back_what_went_into_it(configure, tmp_path):
    """To the bit, whatever became of the trial: what is suggested rests on it."""
    model = configure("model=lgbm").model
    settings = settled(configure("model=lgbm"), tmp_path, 8)
    generation = Generation(model, [], settings, 7, 0)
    outcomes = [("complete", [0.1, 1 / 3, -0.7]), ("pruned", [0.1, 1e-17]), ("failed", []), ("failed", [0.25])]
    slots, made = JournalSlots(tmp_path / "study", 4, build_distributions(model), 3), []
    for place, (state, scores) in enumerate(outcomes):
        made.append(generation.build_record(place, generation.suggest(place), Outcome(state, scores)))
        slots.add(made[-1])
    for before, after in zip(made, slots.read_finished().values(), strict=True):
        for what in ("params", "distributions", "state", "values", "intermediate_values", "user_attrs"):
            assert getattr(after, what) == getattr(before, what)
        assert [type(v) for v in after.params.values()] == [type(v) for v in before.params.values()]


@pytest.fixture(scope="module")
def journal(configure, tmp_path_factory):
    """(name of the folder, text) of the journal of two trials."""
    folder = tmp_path_factory.mktemp("journal")
    tuned(configure, rows(), folder, trials=2)
    (path,) = folder.glob("*/journal")
    return path.parent.name, path.read_text()


@pytest.mark.slow
def test_optuna_is_silent_whoever_asks_it_first():
    """In a process of its own: nothing else has set its loggers."""
    code = (
        "from optuna import logging, create_study\n"
        "from ofiml.tuning.library import import_optuna\n"
        "assert logging.get_verbosity() == logging.INFO\n"
        "import_optuna().create_study()\n"
        "assert logging.get_verbosity() == logging.WARNING\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_of_two_results_counts(configure, train, tmp_path):
    """Two results of one place are the same, where locks lock; where they do not, all read the same one."""
    config = configure("model=ridge")
    slots = JournalSlots(tmp_path / "study", 4, build_distributions(config.model), 3)
    generation = Generation(config.model, [], settled(config, tmp_path, 8), 7, 0)
    for score in (0.5, 0.7):
        slots.add(generation.build_record(0, {"alpha": 1.0}, Outcome("complete", [score] * 3)))
    assert [t.value for t in slots.read_finished().values()] == [0.5]
    with slots.claim(0) as ours:
        assert not ours


@pytest.mark.slow
def test_trials_differ(configure, train, tmp_path):
    trials = tuned(configure, train, tmp_path, name="lgbm").trials
    assert len({repr(t.params) for t in trials}) == len(trials)


def test_no_two_seeds_folds_or_places_draw_the_same(configure, tmp_path):
    """Not even where their sums are the same: seed 7 at place 2 and seed 8 at place 1."""
    config = configure("model=ridge")
    settings = settled(config, tmp_path, 8)
    drawn = {
        (seed, fold, place): Generation(config.model, [], settings, seed, fold).suggest(place)["alpha"]
        for seed in (7, 8, 9, 10)
        for fold in range(3)
        for place in range(1, 4)
    }
    assert len(set(drawn.values())) == len(drawn) == 36
    assert Generation(config.model, [], settings, 9, 2).suggest(3)["alpha"] == drawn[9, 2, 3]


def test_folds_of_a_study_search_apart(run):
    """Their first place is the config's own; what is drawn after it differs."""
    first, second = run("debug=tiny", "model=ridge", "tuning.trials=2").report.tuning
    assert first.trials[0].params == second.trials[0].params
    assert first.trials[1].params != second.trials[1].params


def test_what_is_fitted_for_an_inner_fold_has_seen_its_train_rows_only(configure, train, tmp_path, monkeypatch):
    config = configure("model=ridge")
    seen, reducer = [], inner.build_reducer

    def watched(*arguments):
        fitted = reducer(*arguments)
        fit = fitted.fit
        fitted.fit = lambda flow, y: seen.append((flow, y)) or fit(flow, y)
        return fitted

    monkeypatch.setattr(inner, "build_reducer", watched)
    tuned(configure, train, tmp_path, trials=1)
    folds = Inner(train.rows, config.split.embargo_ns).folds(3, key="folds")
    assert len(seen) == 3
    for fold, (flow, y) in zip(folds, seen, strict=True):
        np.testing.assert_array_equal(flow, train.flow[fold.train])
        np.testing.assert_array_equal(y, train.y[fold.train])
        assert fold.train[-1] < fold.test[0]


def test_tuning_never_reads_a_test_row(run, monkeypatch):
    """Test rows that are noise from the first to the last leave what was tuned for their fold as it was."""
    import polars as pl

    from ofiml.study import run as experiment

    overrides = ["debug=tiny", "ofi=mlofi_ridge", "tuning.trials=3"]
    clean = run(*overrides).report
    fit_folds = experiment.fit_folds

    def corrupted(rows, judged, folds, *others):
        rng, test = np.random.default_rng(1), folds[-1].test
        position = pl.int_range(pl.len()).is_in(test.tolist())
        spoiled = [c for c in judged.columns if c == "y" or c.startswith("ofi")]
        assert len(spoiled) > 1
        noise = {c: pl.Series(c, rng.standard_normal(judged.height) * 100) for c in spoiled}
        judged = judged.with_columns(pl.when(position).then(noise[c]).otherwise(pl.col(c)).alias(c) for c in spoiled)
        return fit_folds(rows, judged, folds, *others)

    monkeypatch.setattr(experiment, "fit_folds", corrupted)
    report = run(*overrides).report
    assert report.tuning == clean.tuning
    assert report.importance != clean.importance, "the noise was there"


def test_a_trial_is_held_against_the_median_of_means_so_far(configure, tmp_path):
    """By hand: after two inner folds the trials before have means 1.5, 2.5, 3.5, 4.5, the median 3."""
    config = configure("model=ridge")
    settings = settled(config, tmp_path, 8)
    empty = Generation(config.model, [], settings, 7, 0)
    before = [
        empty.build_record(place, {"alpha": 1.0 + place}, Outcome("complete", [1.0 + place, 2.0 + place, 0.0]))
        for place in range(4)
    ]
    generation = Generation(config.model, before, settings, 7, 0)
    assert not generation.should_prune([6.0, 0.1])
    assert generation.should_prune([0.0, 5.9])
    assert not Generation(config.model, before[:3], settings, 7, 0).should_prune([-9.0])
    assert not Generation(config.model, before, replace(settings, pruning="off"), 7, 0).should_prune([-9.0])
