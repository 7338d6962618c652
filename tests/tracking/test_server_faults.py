"""An MLflow server that goes away, or stops answering, while a study is computed."""

import os
import signal
import subprocess
import sys

import mlflow
import pytest

from tests.conftest import ROOT
from tests.parallel.runs import QUICK, TINY, complete, read_report, start, start_held
from tests.tracking.servers import serve_store

STUDY = [text for text in QUICK if text != "tracking=off"]
#: For commands that are to fail: a server that is slow, as on a loaded machine, would fail others.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve_store(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def calm(server, tmp_path_factory):
    """The folder of an undisturbed run, which the experiment calm-debug has."""
    folder = tmp_path_factory.mktemp("calm")
    code, out, err = complete(start(folder, *STUDY, f"tracking.uri={server.uri}", "tracking.experiment=calm"))
    assert code == 0, out + err
    (run_folder,) = folder.glob("outputs/*/*")
    return run_folder


def list_runs(server, experiment):
    client = mlflow.MlflowClient(server.uri)
    known = client.get_experiment_by_name(experiment)
    return [] if known is None else client.search_runs([known.experiment_id])


def sync(folder, server, **patience):
    environment = {**os.environ, **patience, "PYTHONPATH": str(ROOT / "src"), "MLFLOW_TRACKING_URI": server.uri}
    (run_folder,) = {path.parent for path in folder.glob("outputs/**/report.json")}
    line = [sys.executable, "-m", "ofiml.sync", str(run_folder)]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True), run_folder


def list_files(client, run_id, place=None):
    for item in client.list_artifacts(run_id, place):
        yield from list_files(client, run_id, item.path) if item.is_dir else [item.path]


def describe(server, run):
    """What the store has of a run that a calm one has, too."""
    client = mlflow.MlflowClient(server.uri)
    metrics = {
        name: sorted((m.value, m.step) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
        if not name.startswith("seconds")
    }
    files = sorted(list_files(client, run.info.run_id))
    models = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'")
    return metrics, files, len(models), len(run.inputs.dataset_inputs), run.data.params.keys(), run.data.tags.keys()


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_a_server_that_fails_while_a_study_trains(server, calm, tmp_path, fault):
    """The run goes on and says so; the folder is complete; the run arrives later, once."""
    words = {"killed": "nothing answers at its address", "frozen": "it does not answer in time"}[fault]
    line = (*STUDY, f"tracking.uri={server.uri}", f"tracking.experiment={fault}")
    process = start_held(tmp_path, *line)
    if fault == "killed":
        server.kill()
    else:
        server.send(signal.SIGSTOP)
    (tmp_path / "go").touch()
    try:
        code, out, err = complete(process)
        failed, run_folder = sync(tmp_path, server, **IMPATIENT)
    finally:
        if fault == "killed":
            server.start()
        else:
            server.send(signal.SIGCONT)
    assert code == 3, out + err
    assert "Traceback" not in err
    (sentence,) = [text for text in (out + err).splitlines() if "is not logged" in text]
    assert words in sentence
    assert f"ofiml sync {run_folder.relative_to(tmp_path)}" in sentence
    assert read_report(tmp_path)["predictions"]["sha256"].startswith(TINY)
    assert {path.name for path in run_folder.iterdir()} == {path.name for path in calm.iterdir()} - {"run_id"} | {
        "unlogged"
    }
    assert failed.returncode == 2, failed
    assert words in failed.stderr
    assert "Traceback" not in failed.stderr

    done, _ = sync(tmp_path, server)
    assert done.returncode == 0, done.stderr
    (run,) = list_runs(server, f"{fault}-debug")
    assert done.stdout.endswith(f"is now logged as run {run.info.run_id}.\n")
    assert run.info.status == "FINISHED"
    (wanted,) = list_runs(server, "calm-debug")
    assert describe(server, run) == describe(server, wanted)
    assert (run_folder / "run_id").read_text().strip() == run.info.run_id
    before = describe(server, run)
    again, _ = sync(tmp_path, server)
    assert again.stdout.endswith(f"was already logged as run {run.info.run_id}.\n"), again
    (run,) = list_runs(server, f"{fault}-debug")
    assert describe(server, run) == before


def test_a_server_that_is_frozen_when_a_run_starts(server, tmp_path):
    server.send(signal.SIGSTOP)
    try:
        code, out, err = complete(start(tmp_path, *STUDY, f"tracking.uri={server.uri}", **IMPATIENT))
    finally:
        server.send(signal.SIGCONT)
    assert code == 2, out + err
    assert err.endswith(
        f"ofiml: tracking.uri={server.uri} cannot be used, because it does not answer in time: check that the server "
        "runs and can be reached, or use tracking=off.\n"
    )
    assert "sessions" not in err, "it was computed"
