"""Measure how time and memory of a study grow with its sessions, on the embedded market.

    python scripts/scale_study.py --sessions 2 4 8 --length 30m                   one symbol, small
    python scripts/scale_study.py --sessions 16 64 252 --length 6h30m             a year of one symbol
    python scripts/scale_study.py --sessions 1 2 --symbols 25 --length 6h30m      days of 25 symbols

Each study runs in a process of its own with empty caches. The table has its wall time, CPU time and peak memory (of the
largest process), and the seconds of its stages. The last lines fit a line through wall time and memory, and say what it
gives for --target sessions: on paper, not measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_STAGES = ("sessions", "folds", "leak_check", "evaluation", "controls", "backtest", "importance")


@dataclass(frozen=True)
class Measured:
    """A measured study. `rows` are its bars, `memory` is in GB, `stages` are the seconds of each."""

    sessions: int
    events: int
    rows: int
    wall: float
    cpu: float
    memory: float
    stages: dict[str, float]


def measure_study(days: int, symbols: int, length: str, overrides: Sequence[str]) -> Measured:
    """Run the study of `days` days of a market of `symbols` symbols, and measure it."""
    impact = [[0.01 if i == j else 0.0 for j in range(symbols)] for i in range(symbols)]
    with tempfile.TemporaryDirectory(prefix="ofiml-scale-") as folder:
        line = [
            *(sys.executable, "-m", "ofiml.run", "tracking=off", "report.html=false", "report.figures=[]"),
            *(f"dataset.sessions={days}", f"dataset.impact={impact}", f"dataset.session_length={length}"),
            f"hydra.run.dir={folder}/out",
            *overrides,
        ]
        start = time.perf_counter()
        process = subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise SystemExit(errors)
        report = json.loads((Path(folder) / "out" / "report.json").read_text())
    return Measured(
        sessions=days * symbols,
        events=report["dataset"]["events"],
        rows=report["rows"]["bars"],
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss / 1e6,
        stages=report["runtime"]["seconds"],
    )


def print_table(measured: Sequence[Measured]) -> None:
    """Print one line a study."""
    print("| sessions | events | bars | wall s | CPU s | memory GB | " + " | ".join(_STAGES) + " |")
    print("|" + "--:|" * (6 + len(_STAGES)))
    for m in measured:
        stages = " | ".join(f"{m.stages.get(name, 0.0):.1f}" for name in _STAGES)
        print(
            f"| {m.sessions} | {m.events:,} | {m.rows:,} | {m.wall:.0f} | {m.cpu:.0f} | {m.memory:.2f} | {stages} |",
            flush=True,
        )


def extrapolate(measured: Sequence[Measured], target: int) -> str:
    """Describe what a line through the measured studies gives for `target` sessions."""
    at = [m.sessions for m in measured]
    wall, memory = (np.polynomial.Polynomial.fit(at, values, 1) for values in (
        [m.wall for m in measured], [m.memory for m in measured]
    ))  # fmt: skip
    exponent = np.polyfit(np.log(at), np.log([m.wall for m in measured]), 1)[0]
    return (
        f"Wall time grows as sessions^{exponent:.2f}. A line gives {wall(target) / 60:.0f} min and "
        f"{memory(target):.1f} GB for {target} sessions."
    )


def main() -> None:
    """Measure the studies of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[2, 4, 8], help="days of each study, in order")
    parser.add_argument("--symbols", type=int, default=1, help="symbols of the market, at most 32")
    parser.add_argument("--length", default="30m", help="length of a session; 6h30m is a whole one")
    parser.add_argument("--target", type=int, default=252, help="sessions to extrapolate to")
    parser.add_argument("overrides", nargs="*", help="further overrides, such as parallel=processes threads=8")
    options = parser.parse_args()
    measured = [measure_study(n, options.symbols, options.length, options.overrides) for n in options.sessions]
    print_table(measured)
    if len(measured) > 1:
        print(extrapolate(measured, options.target))


if __name__ == "__main__":
    main()
