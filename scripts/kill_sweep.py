"""Kill a sweep at random moments, resume it, and compare its result with that of an undisturbed sweep.

    python scripts/kill_sweep.py --kills 10

Each kill is a SIGKILL of the sweep's process, or a Ctrl-C. After the last kill the sweep is resumed to its end. Every
member must then have the predictions of the undisturbed sweep, no run of the store may count as running, and no member
may have run again after it was finished.
"""

import argparse
import random
import signal
import tempfile
from pathlib import Path

from killing import choose_moment, count_runs, end_after, finish, read_digest, start

COMMAND = ("run", "-m", "debug=tiny", "model=ols,ridge,lasso", "ofi=best_level,mlofi")
MEMBERS = 6
CHILDREN = "run_uuid in (select run_uuid from tags where key = 'mlflow.parentRunId')"  # without the sweep's own run


def read_digests(folder: Path) -> dict[str, str]:
    """Read the digest of each finished member's predictions, by its number."""
    reports = sorted(folder.glob("outputs/sweeps/*/*/*/report.json"))
    return {path.parent.name: read_digest(path.parent) for path in reports}


def kill_one(folder: Path, chance: random.Random, seconds: float) -> str:
    """Start or resume the sweep, end it after a random part of `seconds`, and describe what happened.

    A kill that comes after the end of the sweep is none: make the part shorter.
    """
    process = start(folder, *COMMAND, "sweep.resume=true")
    how = end_after(process, choose_moment(chance, seconds), chance.choice([signal.SIGKILL, signal.SIGINT]))
    return f"{how}, {len(read_digests(folder))} reports"


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
        seconds = finish(calm, *COMMAND)
        wanted = read_digests(calm)
        print(f"undisturbed: {len(wanted)} members in {seconds:.0f} s", flush=True)
        for index in range(args.kills):
            # Each start has to import and to look at what is there before it goes on.
            print(f"{index + 1}: {kill_one(killed, chance, 0.3 * seconds)}", flush=True)
        finish(killed, *COMMAND, "sweep.resume=true")
        runs = count_runs(killed, CHILDREN)
        print(f"resumed: runs by status {runs}")
        if read_digests(killed) != wanted or len(wanted) != MEMBERS:
            raise SystemExit(f"The results differ: {wanted} undisturbed, {read_digests(killed)} after the kills.")
        if "RUNNING" in runs or runs.get("FINISHED") != MEMBERS:
            raise SystemExit(f"The store has {runs}.")
        print("the same digests, nothing running, each member finished once")


if __name__ == "__main__":
    main()
