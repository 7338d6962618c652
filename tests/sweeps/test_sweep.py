"""Whole sweeps: the parent run and its children, a member that fails, a process that dies, and what is done again."""

import json
import re
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from ofiml.cli import sweep as command
from ofiml.cli.sync import main as sync
from ofiml.config import Tracking
from ofiml.errors import ConfigError, StoreError
from ofiml.sweeps.later import finish_members
from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import advance_member, finish_member, read_status, start_member
from ofiml.tracking.sync import Synced
from tests.conftest import command_line, in_process
from tests.reporting.pages import check_page

QUICK = ["debug=tiny", "evaluation.controls=false", "evaluation.leak_check=false", "tuning=off"]


def find_runs(uri):
    import mlflow

    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parents = [run for run in runs if run.data.tags["kind"] == "sweep"]
    children = [run for run in runs if run.data.tags["kind"] != "sweep"]
    return parents, children


@pytest.mark.slow
def test_a_failed_member_is_named_and_the_others_go_on(tmp_path, new_store):
    uri = new_store(tmp_path)
    line = ["-m", "hydra/launcher=basic", "dataset.max_events=60000,300", "model=ols", *QUICK]
    done = command_line(tmp_path, *line, uri=uri)
    assert done.returncode == 1
    assert "failed: debug=tiny" not in done.stdout
    (folder,) = tmp_path.glob("outputs/sweeps/*/*")
    states = [read_status(folder / name) for name in ("0", "1")]
    assert [status.state for status in states] == ["finished", "failed"]
    assert states[1].reason in done.stdout
    document = check_page((folder / "sweep.html").read_text())
    assert states[0].run_id[:8] in document.text.partition("Members")[2].partition("Leaderboard")[2]
    assert states[1].reason in document.text
    assert "Trials: 1 = " in document.text, "the parent is no trial, nor is a member that failed before its first"
    (parent,), children = find_runs(uri)
    assert parent.info.status == "FAILED"
    assert parent.data.metrics == {"members": 2, "failed": 1}
    assert parent.info.run_name == "max_events=60000,300"
    tags = {"overrides": " ".join(line[2:]), "dataset": "synthetic", "symbol": "SYN"}
    assert tags.items() <= parent.data.tags.items()
    assert states[1].reason in parent.data.tags["mlflow.note.content"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted(run.info.status for run in children) == ["FAILED", "FINISHED"]

    again = command_line(tmp_path, *line, "sweep.resume=true", uri=uri)
    assert again.returncode == 1
    assert "sweep of 2, 1 finished earlier" in again.stderr
    assert read_status(folder / "0") == states[0]
    assert len(find_runs(uri)[0]) == 1
    assert len(find_runs(uri)[1]) == 3


@pytest.mark.slow
def test_two_processes_give_the_results_of_one(tmp_path):
    digests = []
    for name, launcher in (("one", "basic"), ("two", "joblib")):
        (tmp_path / name).mkdir()
        line = ["-m", f"hydra/launcher={launcher}", "model=ols,ridge", "tracking=off", *QUICK]
        done = command_line(tmp_path / name, *line)
        assert done.returncode == 0, done.stderr
        assert "Trials: 2 = 2 runs" in done.stdout, "the leaderboard needs no store"
        (document,) = (tmp_path / name).glob("outputs/sweeps/*/*/sweep.html")
        assert {"no 0", "no 1"} <= set(re.findall(r"no \d", check_page(document.read_text()).text))
        reports = sorted((tmp_path / name).glob("outputs/sweeps/*/*/*/report.json"))
        digests.append([json.loads(path.read_text())["predictions"]["sha256"] for path in reports])
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 2


def test_no_member_runs_if_one_of_them_cannot(tmp_path):
    done = command_line(tmp_path, "-m", "debug=tiny", "horizon=10s,1s", "model=zero", "tracking=off")
    assert done.returncode == 2
    assert done.stderr.startswith("ofiml: debug=tiny horizon=1s model=zero tracking=off: horizon.length=1s is shorter")
    assert done.stderr.endswith("None of the 2 members was run.\n")
    assert not list(tmp_path.iterdir())


def test_members_draw_figures_only_if_asked():
    bare, asked = (command._complete(Member(3, o, ""), Path("a'b"), 1) for o in (["seed=3"], ["report=print"]))
    assert bare[:4] == ["seed=3", "report.html=false", "report.figures=[]", "threads=1"]
    assert asked[:2] == ["report=print", "threads=1"]
    assert asked[2:] == [r"hydra.sweep.dir='a\'b'", "hydra.sweep.subdir='3'"]


# --- processes that die ----------------------------------------------------------------------------------------------

MEMBERS = [Member(number, [f"seed={number}"], str(number)) for number in range(3)]


class Launcher:
    """Finishes each member that it launches, in order; the process dies at those that `dies` has a number of deaths
    for.
    """

    def __init__(self, folder: Path, dies: dict[int, int]) -> None:
        self.folder, self.dies, self.batches = folder, dies, []

    def launch(self, overrides, initial_job_idx):
        numbers = [int(each[0].removeprefix("seed=")) for each in overrides]
        self.batches.append(numbers)
        for number in numbers:
            place = name_folder(self.folder, number)
            status = start_member(place)
            if self.dies.get(number):
                self.dies[number] -= 1
                raise RuntimeError("a worker was terminated")
            finish_member(place, status, None, "")


@pytest.fixture
def launch(tmp_path, monkeypatch):
    def run(dies):
        launcher = Launcher(tmp_path, dies)
        monkeypatch.setattr(command, "_make_launcher", lambda plan, jobs: launcher)
        monkeypatch.setattr(command, "_share_cores", lambda plan, members: (2, 1))
        command._launch_all(SimpleNamespace(members=MEMBERS, launcher="joblib"), tmp_path, MEMBERS, Console(quiet=True))
        return launcher.batches, [read_status(name_folder(tmp_path, m.number)).state for m in MEMBERS]

    return run


def test_a_member_whose_process_died_is_tried_once_more_by_itself(launch):
    assert launch({1: 1}) == ([[0, 1, 2], [1], [2]], ["finished"] * 3)


def test_a_member_whose_process_dies_again_has_failed(launch):
    assert launch({1: 2}) == ([[0, 1, 2], [1], [2]], ["finished", "failed", "finished"])


@pytest.mark.parametrize(
    ("launcher", "kind", "words"),
    [
        ("joblib", RuntimeError, "^no cluster here"),
        ("submitit_slurm", ConfigError, "^hydra/launcher=submitit_slurm launches nothing here: no cluster here$"),
    ],
)
def test_a_launcher_that_launches_nothing_is_an_error(launcher, kind, words, tmp_path, monkeypatch):
    def refuse(overrides, initial_job_idx):
        raise RuntimeError("no cluster here")

    monkeypatch.setattr(command, "_make_launcher", lambda plan, jobs: SimpleNamespace(launch=refuse))
    monkeypatch.setattr(command, "_share_cores", lambda plan, members: (2, 1))
    with pytest.raises(kind, match=words):
        command._launch_all(SimpleNamespace(members=MEMBERS, launcher=launcher), tmp_path, MEMBERS, Console(quiet=True))


@pytest.mark.parametrize(
    ("launcher", "n_jobs", "typed", "members", "expected"),
    [
        ("joblib", -1, "", 12, (4, 1)),
        ("joblib", 2, "", 12, (2, 2)),
        ("joblib", -1, "", 1, (1, 4)),
        ("joblib", -1, "threads=3", 12, (1, None)),
        ("joblib", -1, "threads=2", 12, (2, None)),
        ("joblib", 8, "", 12, (4, 1)),
        ("joblib", -1, "threads=9", 12, (1, None)),
        ("basic", None, "", 12, (4, None)),
    ],
)
def test_processes_times_threads_are_at_most_the_cores(launcher, n_jobs, typed, members, expected, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4), raising=False)
    own = {} if n_jobs is None else {"n_jobs": n_jobs}
    plan = SimpleNamespace(
        launcher=launcher,
        members=[Member(0, [typed] if typed else [], "")],
        master=SimpleNamespace(hydra=SimpleNamespace(launcher=own)),
    )
    assert command._share_cores(plan, members) == expected


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_a_store_that_fails_costs_no_member(tmp_path, new_store, monkeypatch, killed):
    """The members have their results, the sweep says what is not logged, and the same command logs it.

    So it does for a member whose process was killed while it logged: its status then says that it runs.
    """
    uri = new_store(tmp_path)
    away = tmp_path / "away.db"
    path = tmp_path / "mlflow.db"
    study = sys.modules["ofiml.study.run"]
    original, computed = study.run, []

    def compute(*args):
        computed.append(original(*args))
        if len(computed) == 2:
            path.rename(away)
        return computed[-1]

    monkeypatch.setattr(study, "run", compute)
    line = ["-m", "hydra/launcher=basic", "model=ols,ridge", *QUICK]
    done = command_line(tmp_path, *line, uri=uri)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "not logged: debug=tiny" not in done.stdout.partition("model=ridge")[0]
    assert "model=ridge" in done.stdout.partition("not logged:")[2]
    assert "the same command with sweep.resume=true logs what is missing" in done.stdout
    assert not path.exists()
    (folder,) = tmp_path.glob("outputs/sweeps/*/*")
    states = [read_status(folder / name) for name in ("0", "1")]
    assert [status.state for status in states] == ["finished", "finished"]
    assert states[0].run_id
    assert not states[0].unlogged
    assert states[1].run_id is None
    assert "ofiml sync" in states[1].unlogged

    if killed:
        gone = replace(states[1].process, started=1)
        advance_member(folder / "1", replace(states[1], state="running", unlogged="", process=gone), "logging", 3, 9)
    away.rename(path)
    again = command_line(tmp_path, *line, "sweep.resume=true", uri=uri)
    assert again.returncode == 0, again.stderr
    assert len(computed) == 2, "nothing is computed again"
    (parent,), children = find_runs(uri)
    assert parent.info.status == "FINISHED"
    assert [run.info.status for run in children] == ["FINISHED", "FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    after = [read_status(folder / name) for name in ("0", "1")]
    assert {status.run_id for status in after} == {run.info.run_id for run in children}
    assert [status.state for status in after] == ["finished", "finished"]
    assert [status.result for status in after] == [status.result for status in states]
    synced = in_process(lambda: sync([str(folder), "--uri", uri]))
    assert [line.rpartition(" ")[2] for line in synced.stdout.splitlines()] == [f"{status.run_id}." for status in after]
    assert synced.stdout.count("was already logged") == 2


def test_a_member_that_was_logged_meanwhile_is_not_run_again(tmp_path, monkeypatch):
    place = name_folder(tmp_path, 0)
    finish_member(place, start_member(place), None, "IC 0.1", "The store was away.")
    asked = []
    monkeypatch.setattr(
        "ofiml.tracking.sync.sync_folder", lambda *args: asked.append(args) or iter([Synced(place, "a" * 32, False)])
    )
    finish_members(tmp_path, [Member(0, [], "0"), Member(1, [], "1")], Tracking(True, "sqlite:///a.db", "mine"))
    status = read_status(place)
    assert (status.run_id, status.unlogged, status.result) == ("a" * 32, "", "IC 0.1")
    assert asked == [(place, "sqlite:///a.db", "sqlite:///a.db")]
    finish_members(tmp_path, [Member(0, [], "0")], Tracking(True, "sqlite:///a.db", "mine"))
    assert len(asked) == 1


def test_a_member_whose_run_was_deleted_stays_as_it_is_and_a_fault_of_the_store_is_none(tmp_path, monkeypatch):
    place = name_folder(tmp_path, 0)
    before = finish_member(place, start_member(place), None, "IC 0.1", "The store was away.")
    tracking = Tracking(True, "sqlite:///a.db", "mine")
    for error, raised in ((ConfigError("It was deleted."), nullcontext()), (StoreError("it is", "locked"), None)):
        monkeypatch.setattr("ofiml.tracking.sync.sync_folder", lambda *_, error=error: (_ for _ in ()).throw(error))
        with raised or pytest.raises(StoreError):
            finish_members(tmp_path, [Member(0, [], "0")], tracking)
        assert read_status(place) == replace(before, until=read_status(place).until)
