"""Runs whose process died: the next command marks them as killed, and leaves alone all whose process may live."""

import subprocess
import sys
import time
from dataclasses import replace

import mlflow
import pytest

from ofiml.config import Tracking
from ofiml.study.json_border import write_json
from ofiml.tracking import processes
from ofiml.tracking.parent import open_parent, reopen_parent
from ofiml.tracking.processes import PROCESS, describe_process, identify_process, is_alive, is_dead, mark_dead_runs
from ofiml.tracking.read import list_runs
from ofiml.tracking.server import list_pages
from ofiml.tracking.store import open_store

HERE = identify_process()
GONE = replace(HERE, started=HERE.started - 1)  # the same number, which another process had before


def test_a_process_is_dead_once_it_has_ended():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = identify_process(child.pid)
        assert (is_alive(process), is_dead(process)) == (True, False)
        child.stdin.close()
        child.wait()
        assert (is_alive(process), is_dead(process)) == (False, True)


def test_a_process_nobody_has_waited_for_is_dead_too():
    with subprocess.Popen(
        [sys.executable, "-c", "input(); print(1)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        process = identify_process(child.pid)
        child.stdin.close()
        child.stdout.read()
        deaths = (time.sleep(0.01) or is_dead(process) for _ in range(30_000))
        assert any(deaths), "the system keeps its number until somebody asks how it ended"


@pytest.mark.parametrize(
    ("process", "dead"),
    [
        (HERE, False),
        (GONE, True),
        (replace(HERE, boot="before"), True),
        (replace(GONE, host="elsewhere"), False),
        (replace(GONE, machine="elsewhere"), False),
        (replace(GONE, namespace="pid:[1]"), False),
        (replace(GONE, started=0), False),
        (replace(HERE, boot="before", machine="elsewhere"), False),
    ],
)
def test_only_a_process_of_this_machine_is_judged(process, dead):
    assert is_dead(process) is dead


def test_a_machine_that_cannot_be_told_from_others_judges_no_earlier_start(monkeypatch):
    here = ("host", "", "now", "pid:[1]")
    monkeypatch.setattr(processes, "_identify_place", lambda: here)
    assert not is_dead(replace(HERE, host="host", machine="", boot="before", namespace="pid:[1]"))
    assert is_dead(replace(GONE, host="host", machine="", boot="now", namespace="pid:[1]"))


@pytest.fixture
def store(tmp_path, new_store):
    """A store with a run of each kind: (tracking, client, {name: run id})."""
    tracking = Tracking(True, new_store(tmp_path), "e", "")
    client = mlflow.MlflowClient(tracking.uri)
    experiment = open_store(tracking)
    named = {
        "live": write_json(HERE),
        "dead": write_json(GONE),
        "remote": write_json(replace(GONE, host="elsewhere")),
        "foreign": '{"host": 3}',
        "long": write_json(replace(GONE, host="x" * 2000)),
    }
    runs = {name: client.create_run(experiment, run_name=name, tags={PROCESS: text}) for name, text in named.items()}
    runs["earlier"] = client.create_run(experiment, run_name="earlier")
    runs["ended"] = client.create_run(experiment, run_name="ended", tags={PROCESS: write_json(GONE)})
    client.set_terminated(runs["ended"].info.run_id)
    return tracking, client, {name: run.info.run_id for name, run in runs.items()}


def read_states(client, ids):
    return {name: client.get_run(run_id).info.status for name, run_id in ids.items()}


@pytest.mark.parametrize("command", ["run", "compare", "ui"])
def test_the_next_command_marks_what_died(store, command):
    tracking, client, ids = store
    before = read_states(client, ids)
    assert set(before.values()) == {"RUNNING", "FINISHED"}
    if command == "run":
        open_store(tracking)
    elif command == "compare":
        listed = {run.name: run.status for run in list_runs("e", tracking.uri)}
        assert listed["dead"] == "KILLED", "it is listed as what it is"
    else:
        list_pages(tracking.uri, 0)
    assert read_states(client, ids) == before | {"dead": "KILLED"}
    assert client.get_run(ids["dead"]).data.tags["error"].startswith("Its process ended without a word")


def test_a_run_that_ends_while_one_looks_stays_as_it_ended(store, monkeypatch):
    _, client, ids = store
    judge = processes.is_dead

    def end_first(process):
        client.set_terminated(ids["dead"], "FINISHED")
        return judge(process)

    monkeypatch.setattr(processes, "is_dead", end_first)
    experiment = client.get_experiment_by_name("e").experiment_id
    assert mark_dead_runs(client, [experiment]) == []
    assert read_states(client, ids)["dead"] == "FINISHED"


def test_a_store_that_takes_no_marks_can_be_read(store, monkeypatch):
    tracking, _, _ = store

    def refuse(*_):
        raise mlflow.MlflowException("attempt to write a readonly database")

    monkeypatch.setattr(mlflow.MlflowClient, "set_tag", refuse)
    assert {run.name: run.status for run in list_runs("e", tracking.uri)}["dead"] == "RUNNING"


def test_a_sweep_that_was_killed_before_its_first_member_is_marked_and_can_be_opened_again(tmp_path, new_store):
    tracking = Tracking(True, new_store(tmp_path), "e", "")
    client = mlflow.MlflowClient(tracking.uri)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "identify_process", lambda: GONE)
        parent = open_parent(tracking, "sweep of 2", {})
    open_store(tracking)
    assert client.get_run(parent).info.status == "KILLED"
    assert reopen_parent(tracking, parent)
    open_store(tracking)
    assert client.get_run(parent).info.status == "RUNNING", "it has another process now"
    assert client.get_run(parent).data.tags[PROCESS] == describe_process()[PROCESS]
