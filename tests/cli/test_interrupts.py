"""Ctrl-C and SIGTERM at moments when an exception does not get through: one sentence, and the code of shells."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ofiml.cli.exits import run_command

#: A module that waits while it is imported, and passes an interrupt on or not.
_WAITING = """
import time
from pathlib import Path
Path("reached").touch()
while True:
    try:
        time.sleep(0.05)
    except {caught}:
        pass
"""
_HANG_SECONDS = 60.0  # of what takes a moment: a loaded machine is no hang
_RUN = ["-m", "ofiml.run", "debug=tiny", "tracking=off"]
_SCRIPT = ["-c", "from ofiml.cli.main import enter; enter()"]  # as the console script does it


@pytest.fixture
def interrupted(tmp_path):
    """Interrupts a command while it imports a module: (exit code, stderr, the names of what it left)."""

    def interrupt(line: list[str], module: str, number: signal.Signals, caught: str) -> tuple[int, str, list[str]]:
        code, folder = tmp_path / "code", tmp_path / "empty"
        folder.mkdir()
        path = code.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True)
        path.write_text(_WAITING.format(caught=caught))
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(code), *sys.path])}
        process = subprocess.Popen([sys.executable, *line], cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
        try:
            while not Path(folder, "reached").exists():
                assert process.poll() is None, f"it ended before: {process.communicate()[1]}"
                time.sleep(0.02)
            process.send_signal(number)
            stderr = process.communicate(timeout=_HANG_SECONDS)[1]
        finally:
            process.kill()
        return process.returncode, stderr, sorted(path.name for path in folder.iterdir())

    return interrupt


MOMENTS = {
    "its command": (_RUN, "hydra", "()"),
    "its command, by name": (["-m", "ofiml", "run", *_RUN[2:]], "hydra", "()"),
    "its command, by script": ([*_SCRIPT, "run"], "hydra", "()"),
    "its command, of a package": (["-m", "ofiml.data", "check"], "hydra", "()"),
    "what ignores interrupts": (_RUN, "hydra", "KeyboardInterrupt"),
    "a plugin, when it composes": (_RUN, "hydra_plugins.waiting", "KeyboardInterrupt"),
    "the libraries of a study": (_RUN, "polars", "()"),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("number", "code", "cause"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")]
)
def test_a_command_that_loads_ends_with_a_sentence(interrupted, moment, number, code, cause):
    line, module, caught = MOMENTS[moment]
    ended, stderr, left = interrupted(line, module, number, caught)
    assert (ended, left) == (code, ["reached"])
    assert stderr.startswith(f"ofiml: {cause}. Run the same command")
    assert stderr.count("\n") == 1


#: Processes of joblib wait while Python starts, and tell of an interrupt.
_WAITING_PROCESS = """
import sys, time
from pathlib import Path
if any("loky" in word and "tracker" not in word for word in sys.orig_argv):
    Path("reached").touch()
    while True:
        time.sleep(0.05)
"""


@pytest.mark.slow
@pytest.mark.parametrize("line", [["-m", "seed=1,2"], ["parallel=processes", "threads=2"]])
def test_processes_that_start_are_silent_when_the_terminal_interrupts_all(tmp_path, line):
    (tmp_path / "sitecustomize.py").write_text(_WAITING_PROCESS)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, *_RUN, "features.store=null", *line],
        cwd=tmp_path,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while not (tmp_path / "reached").exists():
            assert process.poll() is None, f"it ended before: {process.communicate()[1]}"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        stderr = process.communicate(timeout=_HANG_SECONDS)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("ofiml: interrupted.")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_compiled_code_ignores_is_repeated(number, code, capsys):
    @ctypes.PYFUNCTYPE(None)
    def call_back() -> None:
        signal.raise_signal(number)

    def work() -> None:
        call_back()
        for _ in range(600):
            time.sleep(0.1)

    assert run_command(work) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_that_an_interrupt_causes_is_none_of_the_program(capsys):
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            [].pop()

    assert run_command(work) == 130
    assert capsys.readouterr().err == "ofiml: interrupted. Run the same command again.\n"
