"""Kill a sweep at random moments, resume it, and compare its result with that of an undisturbed sweep.

    python scripts/kill_sweep.py --kills 10

Each kill is a SIGKILL of the sweep's process, or a Ctrl-C. A sweep that has ended in spite of them, and the last one
after the last kill, is resumed to its end. Every member must then have the predictions of the undisturbed sweep, no run
of the store may count as running, and no member may have run again after it was finished.
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
    """Start or resume the sweep, end it at a random moment, and describe what happened.

    `seconds` are those of an undisturbed sweep. The moment lies within the part of them after which the first members
    of those that are missing have ended, so that some kills come before a result and some after one.
    """
    missing = 1 - len(read_digests(folder)) / MEMBERS
    process = start(folder, *COMMAND, "sweep.resume=true")
    moment = choose_moment(chance, max(0.3, 0.7 * missing) * seconds)
    how = end_after(process, moment, chance.choice([signal.SIGKILL, signal.SIGINT]))
    return f"{how}, {len(read_digests(folder))} reports"


def check_resumed(folder: Path, wanted: dict[str, str]) -> None:
    """Resume the sweep to its end, and compare it with the undisturbed one."""
    finish(folder, *COMMAND, "sweep.resume=true")
    runs = count_runs(folder, CHILDREN)
    print(f"resumed: runs by status {runs}", flush=True)
    if read_digests(folder) != wanted or len(wanted) != MEMBERS:
        raise SystemExit(f"The results differ: {wanted} undisturbed, {read_digests(folder)} after the kills.")
    if "RUNNING" in runs or runs.get("FINISHED") != MEMBERS:
        raise SystemExit(f"The store has {runs}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="(default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        calm, killed = Path(name) / "calm", Path(name) / "killed-0"
        for folder in (calm, killed):
            folder.mkdir()
        seconds = finish(calm, *COMMAND)
        wanted = read_digests(calm)
        print(f"undisturbed: {len(wanted)} members in {seconds:.0f} s", flush=True)
        for index in range(args.kills):
            if len(read_digests(killed)) == MEMBERS:
                check_resumed(killed, wanted)
                killed = Path(name) / f"killed-{index}"
                killed.mkdir()
            print(f"{index + 1}: {kill_one(killed, chance, seconds)}", flush=True)
        check_resumed(killed, wanted)
        print("the same digests, nothing running, each member finished once")


if __name__ == "__main__":
    main()
