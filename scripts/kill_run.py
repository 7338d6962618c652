"""Kill a run at random moments, start it again after each, and compare its result with that of an undisturbed run.

    python scripts/kill_run.py --kills 20 [--signals KILL,TERM,INT]

After each kill the same command runs to its end and must have the predictions of the undisturbed run. A folder that has
a report is whole, and what a killed run had not logged yet is logged by `ofiml sync`. After SIGTERM and SIGINT the
process must end within five seconds of the machine's time, and leave none of its own.
"""

import argparse
import random
import signal
import tempfile
from pathlib import Path

from killing import choose_moment, count_runs, end_after, finish, list_alive, read_digest, start

COMMAND = ("run", "debug=tiny", "model=ridge", "tuning.trials=20")


def check_folders(folder: Path, wanted: str) -> int:
    """Check every run folder that has a report, log what is unlogged, and return the number of those logged so."""
    for report in folder.glob("outputs/*/*/report.json"):
        if read_digest(report.parent) != wanted:
            raise SystemExit(f"{report} has another result.")
    waiting = [path.parent.parent for path in folder.glob("outputs/*/*/unlogged/entry.json")]
    for one in waiting:
        finish(folder, "sync", str(one))
    return len(waiting)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="(default: 20)")
    parser.add_argument("--signals", default="KILL", help="one of them each time (default: KILL)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    signals = [signal.Signals[f"SIG{name}"] for name in args.signals.split(",")]
    with tempfile.TemporaryDirectory() as name:
        calm, killed = Path(name) / "calm", Path(name) / "killed"
        for folder in (calm, killed):
            folder.mkdir()
        seconds = finish(calm, *COMMAND)
        (report,) = calm.glob("outputs/*/*/report.json")
        wanted, synced = read_digest(report.parent), 0
        print(f"undisturbed: {seconds:.0f} s, predictions {wanted[:8]}", flush=True)
        for index in range(args.kills):
            process = start(killed, *COMMAND)
            how = end_after(process, choose_moment(chance, seconds), chance.choice(signals))
            if orphans := list_alive(process.pid):
                raise SystemExit(f"{how}, but {orphans} still work.")
            again = finish(killed, *COMMAND)
            synced += check_folders(killed, wanted)
            print(f"{index + 1}: {how}; again in {again:.0f} s, the same predictions", flush=True)
            seconds = again  # caches are warm now
        print(f"runs by status {count_runs(killed)}, {synced} of them logged by ofiml sync")
        ended = count_runs(killed).get("FINISHED", 0)
        if ended < args.kills:
            raise SystemExit(f"Only {ended} runs are finished.")
        print("the same digest after each kill, no half file taken for whole")


if __name__ == "__main__":
    main()
