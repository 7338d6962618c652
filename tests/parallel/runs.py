"""Runs of the command line in a process of their own, for tests of what other processes do for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT

TINY = "806756f947013ad8"  # the first digits of the digest of the predictions of debug=tiny

#: What takes long and does not concern where sessions, folds and controls run.
QUICK = ("debug=tiny", "tracking=off", "report.html=false", "report.figures=[]", "evaluation.leak_check=false")


_HANG_SECONDS = 1200.0  # of what takes seconds: a loaded machine is no hang


#: A run that waits once the store has the number of its folds, before it fits, until the file `go` is there.
_HELD = """
import os, sys, time
from pathlib import Path
from ofiml.cli.run import main
from ofiml.tracking import log

log_folds = log.log_folds

def hold(*arguments):
    log_folds(*arguments)
    Path("held").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    # What fails from now on fails soon; before it, a busy machine may take its time.
    os.environ.update(MLFLOW_HTTP_REQUEST_TIMEOUT="2", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")

log.log_folds = hold
sys.exit(main())
"""


def start_held(folder: Path, *overrides: str) -> subprocess.Popen:
    """Starts a run, and waits until the store has the number of its folds. It goes on when the file `go` is there."""
    process = _start(folder, ["-c", _HELD, *overrides])
    while not (folder / "held").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def start(folder: Path, *overrides: str, **environment: str) -> subprocess.Popen:
    """Starts a run in a session of its own, which all its processes belong to."""
    return _start(folder, ["-m", "ofiml.run", *overrides], **environment)


def _start(folder: Path, arguments: Sequence[str], **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}", **environment},
        start_new_session=True,
    )


def complete(process: subprocess.Popen) -> tuple[int, str, str]:
    """The exit code and the output of a run, which is ended with its processes if it hangs."""
    try:
        out, err = process.communicate(timeout=_HANG_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, out, err


def read_report(folder: Path) -> dict:
    """The only report below a folder."""
    (path,) = folder.glob("outputs/**/report.json")
    return json.loads(path.read_text())


def without_place(report: dict) -> dict:
    """A report without what depends on where and when it was made."""
    return {key: value for key, value in report.items() if key not in ("runtime", "provenance")}


def list_processes(session: int) -> list[str]:
    """The command lines of the processes of a session that live."""
    living = []
    for folder in Path("/proc").iterdir():
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session and stat[0] != "Z":
                living.append((folder / "cmdline").read_text().replace("\0", " "))
        except (OSError, IndexError):
            continue
    return living


def wait_until_gone(session: int) -> list[str]:
    """The processes of a session that live on, long after they should have ended."""
    end = time.monotonic() + 120
    while (living := list_processes(session)) and time.monotonic() < end:
        time.sleep(0.1)
    return living


#: How `write_days` writes: days that are not continued, so that each file is a piece of work.
QUOTES = ("dataset=quotes", "dataset.calendar=XNYS")


def write_days(folder: Path, bad: Sequence[int] = ()) -> None:
    """Four files of quotes, one a day; those in `bad` have a price that is none."""
    folder.mkdir()
    for day in range(4):
        rows = ["DT,SYMBOL,BID,BIDSIZ,OFR,OFRSIZ"]
        for k in range(600):
            price = "x" if day in bad and k == 7 else f"{100 + (k % 5) / 100:.2f}"
            rows.append(f"2024-01-0{day + 2}T15:{k // 60:02d}:{k % 60:02d}Z,AB,{price},3,101.00,4")
        (folder / f"day{day}.csv").write_text("\n".join(rows) + "\n")
