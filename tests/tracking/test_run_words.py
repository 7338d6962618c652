"""Which run a word of the command line means, and which words are refused."""

import json
from dataclasses import replace

import pytest

from ofiml.errors import ConfigError
from ofiml.tracking.read import ListedRun
from ofiml.tracking.run_words import choose_run, find_run, find_runs

A, B, C, GONE, AGAIN = ("1234567" + "0" * 25, "1234568" + "0" * 25, "c" * 32, "d" * 32, "e" * 32)


def listed(run_id, name, started, status="FINISHED", *, deleted=False, **tags):
    tags = {"dataset.digest": "x", "predictions.sha256": run_id} | tags
    return ListedRun(run_id, name, status, deleted, {}, tags, {}, started)


RUNS = [
    listed(A, "lgbm·mlofi·10s", 1000),
    listed(B, "cpcv·ridge·mlofi·10s", 3000),
    listed(C, "lgbm·mlofi·10s", 2000, **{"predictions.sha256": A}),
    listed(GONE, "gone", 9000, deleted=True),
    listed(AGAIN, "cpcv·ridge·mlofi·10s\x1b[31m", 8000, reproduces=B),
    listed("f" * 32, "failed", 9500, "FAILED"),
]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        (A, A),
        (A[:8], A),
        (B[:7], B),
        ("cpcv·ridge·mlofi·10s", B),
        ("cpcv-ridge-mlofi-10s", B),
        ("latest", B),
        ("failed", "f" * 32),
    ],
)
def test_a_word_means_one_run(word, meant):
    assert choose_run(word, RUNS, "the store") == meant


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("123456", "'123456' means 2 runs: give the first 8 digits of one (12345670 lgbm·mlofi·10s of 1970-01-01 "),
        ("lgbm·mlofi·10s", "means 2 runs: give the first 8 digits of one"),
        ("gone", "'gone' is no run of the store: give the first 8 digits of a run's id, its name, latest, or its"),
        (GONE, "is no run of the store"),
        ("12345", "is no run of the store"),
        ("nothing", "The latest is 12345680 cpcv·ridge·mlofi·10s of 1970-01-01"),
        ("../../etc/passwd", "is no run of the store"),
        ("", "is no run of the store"),
    ],
)
def test_a_word_that_means_none_or_several_is_refused(word, sentence):
    with pytest.raises(ConfigError) as error:
        choose_run(word, RUNS, "the store")
    assert sentence in str(error.value)
    assert "\x1b" not in str(error.value)


def test_the_latest_of_a_sweep_is_refused_with_its_members_unless_it_has_one():
    sweep = {"mlflow.parentRunId": "9" * 32}
    members = [listed(letter * 32, f"{letter}-member", 4000, **sweep) for letter in "ab"]
    failed = listed("c" * 32, "failed", 4000, "FAILED", **sweep)
    other = listed("d" * 32, "of another", 3500, **{"mlflow.parentRunId": "8" * 32})
    with pytest.raises(ConfigError) as error:
        choose_run("latest", [*RUNS, other, *members, failed], "the store")
    assert str(error.value).startswith(
        "'latest' means 2 runs: give the first 8 digits of one (aaaaaaaa a-member of 1970-01-01 00:00 UTC, bbbbbbbb"
    )
    assert choose_run("latest", [*RUNS, other, members[1], failed], "the store") == "b" * 32
    later = listed("e" * 32, "later", 5000)
    assert choose_run("latest", [*RUNS, *members, later], "the store") == "e" * 32


def test_a_folder_means_the_run_that_wrote_it(tmp_path):
    (tmp_path / "run_id").write_text(f"{C}\n")
    assert choose_run(str(tmp_path), RUNS, "the store") == C
    (tmp_path / "run_id").unlink()
    with pytest.raises(ConfigError, match=r"it has no report\.json"):
        choose_run(str(tmp_path), RUNS, "the store")
    (tmp_path / "report.json").write_text(json.dumps({"predictions": {"sha256": B}}))
    assert choose_run(str(tmp_path), RUNS, "the store") == B, "a folder of an earlier version, by its predictions"
    (tmp_path / "report.json").write_text(json.dumps({"predictions": {"sha256": A}}))
    with pytest.raises(ConfigError, match="means 2 runs"):
        choose_run(str(tmp_path), RUNS, "the store")
    (tmp_path / "run_id").write_text("../../etc/passwd")
    with pytest.raises(ConfigError, match="is no run"):
        choose_run(str(tmp_path), RUNS, "the store")


def test_a_whole_id_needs_no_search():
    assert find_run(A, "sqlite:///nowhere/absent.db") == A


def test_an_empty_store_says_so():
    with pytest.raises(ConfigError, match="It has no finished study"):
        choose_run("latest", [], "the store")


@pytest.fixture
def known(monkeypatch):
    """A store with the runs in the experiment `ofiml`, but for one in `other`."""
    runs = [replace(run, experiment="other" if run.run_id == C else "ofiml") for run in RUNS]
    monkeypatch.setattr("ofiml.tracking.run_words.list_experiments", lambda uri: ["ofiml", "other\x1b"])
    monkeypatch.setattr(
        "ofiml.tracking.run_words.list_runs",
        lambda experiment, uri: [run for run in runs if experiment in (None, run.experiment)],
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["ofiml"], ("ofiml", [])),
        (["ofiml", A[:8], "latest"], ("ofiml", [A, B])),
        ([A[:8], "latest"], ("ofiml", [A, B])),
        ([C], ("other", [C])),
    ],
)
def test_words_mean_an_experiment_or_runs_of_one(known, words, meant):
    assert find_runs(words, "uri") == meant


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["oofiml"], r"no run of the store, and no experiment \(there are ofiml, other\?\): give the first 8 digits"),
        (["ofiml", C], "is no run of the experiment"),
        ([A, C], "are of the experiments ofiml, other: compare those of one"),
    ],
)
def test_words_of_no_experiment_and_of_several_are_refused(known, words, sentence):
    with pytest.raises(ConfigError, match=sentence):
        find_runs(words, "uri")
