"""Start a command of ofiml in a folder of its own, end it at a random moment, and look at what it left."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ofiml.study.report import predictions_sha256


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `python -m ofiml …` in `folder`, as the first of a group of processes, with its output in log.txt."""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ofiml", *arguments],
            cwd=folder,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def finish(folder: Path, *arguments: str) -> float:
    """Run the command to its end and return its seconds. Ends this program with its output if it fails."""
    began = time.monotonic()
    if start(folder, *arguments).wait():
        raise SystemExit((folder / "log.txt").read_text())
    return time.monotonic() - began


def end_after(process: subprocess.Popen[bytes], seconds: float, number: signal.Signals) -> str:
    """Send the signal after `seconds`, and describe how the process ended."""
    time.sleep(seconds)
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait()
    return f"{number.name} after {seconds:.1f} s: exit code {code} after {time.monotonic() - began:.1f} s"


def choose_moment(chance: random.Random, seconds: float) -> float:
    """Choose a moment of a command that takes so many seconds."""
    return chance.uniform(0.02, 1.0) * seconds


def read_digest(folder: Path) -> str:
    """Read the digest of the predictions from the report of a run folder, and compare the predictions with it."""
    digest = str(json.loads((folder / "report.json").read_text())["predictions"]["sha256"])
    if predictions_sha256(pl.read_parquet(folder / "predictions.parquet")) != digest:
        raise SystemExit(f"{folder} has a report, but other predictions.")
    return digest


def count_runs(folder: Path, condition: str = "1") -> dict[str, int]:
    """Count the runs of the store by status, those that meet the condition in SQL."""
    query = f"select status, count(*) from runs where {condition} group by status"
    with sqlite3.connect(folder / "mlflow.db") as store:
        return dict(store.execute(query))


def list_alive(group: int) -> Sequence[int]:
    """List the processes of a group that still work."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended meanwhile
        if int(own) == group and state != "Z":
            found.append(int(status.parent.name))
    return found
