"""Kill a sweep at random moments, resume it, and compare its result with that of an undisturbed sweep.

    python scripts/kill_sweep.py --kills 10

Each kill is a SIGKILL of the sweep's process, or a Ctrl-C. After the last kill the sweep is resumed to its end. Every
member must then have the predictions of the undisturbed sweep, no run of the store may count as running, and no member
may have run again after it was finished.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = (sys.executable, "-m", "ofiml.run", "-m", "debug=tiny", "model=ols,ridge,lasso", "ofi=best_level,mlofi")
MEMBERS = 6


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the sweep in `folder`, with its output in a file."""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    log = (folder / "log.txt").open("ab")
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdout=log, stderr=log, env=environment)


def read_digests(folder: Path) -> dict[str, str]:
    """Read the digest of each finished member's predictions, by its number."""
    reports = sorted(folder.glob("outputs/sweeps/*/*/*/report.json"))
    return {path.parent.name: json.loads(path.read_text())["predictions"]["sha256"] for path in reports}


def count_runs(folder: Path) -> dict[str, int]:
    """Count the runs of the store by status, without the sweep's own."""
    query = (
        "select status, count(*) from runs where run_uuid in "
        "(select run_uuid from tags where key = 'mlflow.parentRunId') group by status"
    )
    with sqlite3.connect(folder / "mlflow.db") as store:
        return dict(store.execute(query))


def kill_one(folder: Path, chance: random.Random, seconds: float) -> str:
    """Start or resume the sweep, end it after a random part of `seconds`, and describe what happened.

    A kill that comes after the end of the sweep is none: make the part shorter.
    """
    process = start(folder, "sweep.resume=true")
    time.sleep(chance.uniform(0.05, 1.0) * seconds)
    number = chance.choice([signal.SIGKILL, signal.SIGINT])
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait()
    return (
        f"{number.name}: exit code {code} after {time.monotonic() - began:.1f} s, {len(read_digests(folder))} reports"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="(default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        calm, killed = Path(name) / "calm", Path(name) / "killed"
        for folder in (calm, killed):
            folder.mkdir()
        began = time.monotonic()
        if start(calm).wait():
            raise SystemExit((calm / "log.txt").read_text())
        seconds = time.monotonic() - began
        wanted = read_digests(calm)
        print(f"undisturbed: {len(wanted)} members in {seconds:.0f} s", flush=True)
        for index in range(args.kills):
            # Each start has to import and to look at what is there before it goes on.
            print(f"{index + 1}: {kill_one(killed, chance, 0.3 * seconds)}", flush=True)
        if start(killed, "sweep.resume=true").wait():
            raise SystemExit((killed / "log.txt").read_text())
        runs = count_runs(killed)
        print(f"resumed: runs by status {runs}")
        if read_digests(killed) != wanted or len(wanted) != MEMBERS:
            raise SystemExit(f"The results differ: {wanted} undisturbed, {read_digests(killed)} after the kills.")
        if "RUNNING" in runs or runs.get("FINISHED") != MEMBERS:
            raise SystemExit(f"The store has {runs}.")
        print("the same digests, nothing running, each member finished once")


if __name__ == "__main__":
    main()
