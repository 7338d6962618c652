"""Start several runs at the same time into one fresh SQLite store, and count those that arrive.

python scripts/runs_at_once.py --rounds 20 --runs 2,4
"""

import argparse
import tempfile
from pathlib import Path

from killing import count_runs, start

COMMAND = (
    *("run", "debug=tiny", "model=zero", "tuning=off", "evaluation.controls=false", "evaluation.leak_check=false"),
    *("backtest.enabled=false", "report.html=false", "report.figures=[]"),
)


def run_round(folder: Path, runs: int) -> None:
    """Run so many studies at once in an empty folder. Ends this program if one of them does not arrive whole."""
    processes = [start(folder, *COMMAND) for _ in range(runs)]
    codes = [process.wait() for process in processes]
    counts = count_runs(folder)
    logged = len(list(folder.glob("outputs/*/*/run_id")))
    if any(codes) or counts != {"FINISHED": runs} or logged != runs:
        raise SystemExit(f"exit codes {codes}, runs {counts}, {logged} logged:\n{(folder / 'log.txt').read_text()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="(default: 20)")
    parser.add_argument("--runs", default="2,4", help="how many at once (default: 2,4)")
    args = parser.parse_args()
    for runs in map(int, args.runs.split(",")):
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as name:
                run_round(Path(name), runs)
        print(
            f"{args.rounds} times {runs} runs at once into a fresh store: all {args.rounds * runs} arrived", flush=True
        )


if __name__ == "__main__":
    main()
