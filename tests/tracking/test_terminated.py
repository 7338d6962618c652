"""A run that is asked to end, as a scheduler does it."""

import os
import signal
import subprocess
import sys
import threading
import time

import mlflow
import pytest

from ofiml.cli.exits import run_command
from ofiml.cli.interrupts import raise_interrupts
from ofiml.tracking.parent import SWEEP

LONG = ["debug=tiny", "model=ridge", "tuning.trials=100000", "split=cpcv", "split.n_groups=4", "split.n_test_groups=2"]


def wait_until(happened, process):
    while not happened():
        assert process.poll() is None, f"it ended before: {process.stderr.read()}"
        time.sleep(0.2)


@pytest.fixture
def ended(tmp_path, new_store):
    """Sends the signal to a study, or a sweep of them, that is tuning: (exit code, stderr, the experiment's runs).

    It must end within 5 seconds, but for what another process takes of this machine.
    """

    def end(number, *more):
        env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        client = mlflow.MlflowClient(new_store(tmp_path))

        def runs():
            experiment = client.get_experiment_by_name("ofiml-debug")
            return [] if experiment is None else client.search_runs([experiment.experiment_id])

        command = [sys.executable, "-m", "ofiml.run", *more, *LONG]
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: any("folds" in r.data.tags for r in runs()), process)
            process.send_signal(number)
            stderr = process.communicate()[1]
        finally:
            process.kill()
        return process.returncode, stderr, runs()

    return end


@pytest.mark.slow
def test_a_run_ended_by_sigterm_is_killed_and_its_plan_counted(ended):
    code, stderr, runs = ended(signal.SIGTERM)
    assert code == 143
    assert "ofiml: ended by SIGTERM. Run the same command to continue" in stderr
    assert "Traceback" not in stderr
    assert [(r.info.status, r.data.tags["error"]) for r in runs] == [("KILLED", "Terminated")]
    assert runs[0].data.tags["folds"] == "6"


@pytest.mark.slow
def test_a_sweep_ended_by_ctrl_c_ends_its_processes_and_marks_its_runs(ended):
    code, stderr, runs = ended(signal.SIGINT, "-m", "seed=1,2,3")
    assert code == 130
    assert "ofiml: interrupted. Run the same command with sweep.resume=true to continue." in stderr
    assert "Traceback" not in stderr
    parent = [r for r in runs if r.data.tags["kind"] == SWEEP]
    children = [r for r in runs if r.data.tags["kind"] != SWEEP]
    assert [r.info.status for r in parent] == ["KILLED"]
    assert 1 <= len(children) <= 2, "none is begun after it"
    assert {(r.info.status, r.data.tags["error"]) for r in children} == {("KILLED", "interrupted")}


def test_a_second_sigterm_does_not_cut_the_end_short():
    closed = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            closed.append(True)

    before = signal.getsignal(signal.SIGTERM)
    with raise_interrupts():
        assert run_command(work) == 143
    assert closed
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_may_run_studies_too():
    codes = []

    def work():
        with raise_interrupts():
            codes.append(run_command(lambda: 0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [0]
