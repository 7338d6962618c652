"""Measure how time and memory of a study grow with its sessions, on the embedded market.

    python scripts/scale_study.py --sessions 2 4 8 --length 30m                   one symbol, small
    python scripts/scale_study.py --sessions 16 64 252 --length 390m             a year of one symbol
    python scripts/scale_study.py --sessions 1 2 --symbols 50 --length 10m        days of 50 symbols
    python scripts/scale_study.py --sessions 8 --backends threads processes dask ray     what each backend adds

Each study runs in a process of its own with empty caches. The table has its wall time, CPU time and peak memory (of the
largest process), and the seconds of its stages. The last lines fit a line through CPU time and memory, and say what it
gives for --target sessions: on paper, not measured. `--out FOLDER --name NAME` adds the studies to scale_study.json
there, and draws all that it has in scale_study.png.

`--backends` runs one study on each backend instead, in turns (`--rounds`), and compares its predictions with those of
the first. The least of wall time and CPU time of all processes count, those of the cluster included. Dask starts its
own processes; for Ray a cluster of this machine's cores is started. It needs `ofiml[dask]` and `ofiml[ray]`, and /proc.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from ports import find_port, wait_for_port

from ofiml.ui.figure import BLUE, DARK, GREY, RED, save_figure, style_figure

_STAGES = ("sessions", "folds", "leak_check", "evaluation", "controls", "backtest", "importance")
_STYLES = (BLUE, "o"), (RED, "s"), (DARK, "^"), (GREY, "D")  # of the studies in the figure


@dataclass(frozen=True)
class Measured:
    """A measured study. `rows` are its bars, `wall` and `cpu` are in seconds, `memory` is in GB, `stages` are the
    seconds of each by the clock. `predictions` is their digest.
    """

    sessions: int
    events: int
    rows: int
    wall: float
    cpu: float
    memory: float
    stages: dict[str, float]
    predictions: str = ""


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
        predictions=report["predictions"]["sha256"],
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


# --- backends --------------------------------------------------------------------------------------------------------

BACKENDS = ("threads", "processes", "dask", "ray")
_RAY_HOST = "127.0.0.2"  # Ray takes 127.0.0.1 for the address of the machine in its network


def measure_backends(
    names: Sequence[str], days: int, symbols: int, length: str, overrides: Sequence[str], rounds: int
) -> dict[str, Measured]:
    """Run the study on each backend in turns and return the least times of each, with the CPU time of all processes."""
    best: dict[str, Measured] = {}
    for name in [name for _ in range(rounds) for name in names]:
        with open_cluster(name) as own, count_cpu() as seen:
            one = measure_study(days, symbols, length, [f"parallel={name}", *own, *overrides])
        one = replace(one, cpu=sum(seen.values()))
        before = best.get(name, one)
        best[name] = replace(one, wall=min(one.wall, before.wall), cpu=min(one.cpu, before.cpu))
    return best


@contextmanager
def open_cluster(name: str) -> Iterator[list[str]]:
    """Start what a backend needs beside the run, give the overrides that name it, and end it."""
    if name != "ray":
        yield []
        return
    port = find_port()
    line = [
        *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--include-dashboard=false"),
        *(f"--node-ip-address={_RAY_HOST}", f"--port={port}", f"--num-cpus={os.cpu_count()}"),
        *("--disable-usage-stats", f"--object-store-memory={100 * 2**20}"),
    ]
    environment = os.environ | {"RAY_raylet_start_wait_time_s": "180"}  # a loaded machine takes longer than 30 s
    ray = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, ray, host=_RAY_HOST)
        yield [f"parallel.address={_RAY_HOST}:{port}"]
    finally:
        ray.terminate()
        ray.wait()


@contextmanager
def count_cpu() -> Iterator[dict[int, float]]:
    """Give the CPU seconds that each process below this one takes meanwhile, by its number. What a process takes in its
    last quarter of a second is not seen.
    """
    seen: dict[int, float] = {}
    before = read_cpu_below(os.getpid())
    done = threading.Event()

    def look() -> None:
        for number, seconds in read_cpu_below(os.getpid()).items():
            seen[number] = seconds - before.get(number, 0.0)

    def watch() -> None:
        while not done.wait(0.25):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
        look()


def read_cpu_below(root: int) -> dict[int, float]:
    """Read the CPU seconds of each process below a process, by its number."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        number = int(path.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    below, before = {root}, 0
    while len(below) > before:
        before = len(below)
        below |= {number for number, parent in parents.items() if parent in below}
    return {number: seconds[number] for number in below - {root}}


def print_backends(measured: Mapping[str, Measured]) -> None:
    """Print one line a backend: its times, and what it adds to those of the first."""
    first = next(iter(measured.values()))
    print("| backend | wall s | CPU s | CPU s more | predictions |")
    print("|---|--:|--:|--:|---|")
    for name, m in measured.items():
        same = "the same" if m.predictions == first.predictions else "others"
        print(f"| {name} | {m.wall:.0f} | {m.cpu:.1f} | {m.cpu - first.cpu:+.1f} | {same} |")


# --- growth ----------------------------------------------------------------------------------------------------------


def fit_line(measured: Sequence[Measured], field: str) -> tuple[float, float]:
    """Fit a line through a field of the studies; return its slope (per session) and its base."""
    slope, base = np.polyfit([m.sessions for m in measured], [getattr(m, field) for m in measured], 1)
    return float(slope), float(base)


def extrapolate(measured: Sequence[Measured], target: int) -> str:
    """Describe what a line through the measured studies gives for `target` sessions."""
    (cpu, cpu_base), (memory, memory_base) = (fit_line(measured, field) for field in ("cpu", "memory"))
    return (
        f"CPU time: {cpu_base:.0f} s and {cpu:.2f} s a session. Memory: {memory_base:.2f} GB and "
        f"{1000 * memory:.2f} MB a session. For {target:,} sessions a line gives {(cpu_base + target * cpu) / 60:.0f} "
        f"CPU minutes and {memory_base + target * memory:.1f} GB."
    )


def write_results(name: str, measured: Sequence[Measured], folder: Path) -> None:
    """Add the studies to scale_study.json in the folder under `name`, and draw all that it has in scale_study.png."""
    path = folder / "scale_study.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[name] = {"command": shlex.join(["python", *sys.argv]), "studies": [asdict(m) for m in measured]}
    path.write_text(json.dumps(results, indent=1) + "\n")
    series = {name: [Measured(**study) for study in each["studies"]] for name, each in results.items()}
    figure = style_figure(lambda figure: draw_growth(figure, series), legend_columns=2)
    save_figure(figure, folder / "scale_study.png", form="png", dpi=110)


def draw_growth(figure: Figure, series: Mapping[str, Sequence[Measured]]) -> None:
    """Draw wall time, CPU time and peak memory against the number of sessions, with a line through several studies."""
    texts = {"wall": "wall time (s)", "cpu": "CPU time (s)", "memory": "peak memory (GB)"}
    for axis, (field, text) in zip(figure.subplots(1, 3), texts.items(), strict=True):
        for (name, measured), (colour, marker) in zip(series.items(), cycle(_STYLES), strict=False):
            at = np.array([m.sessions for m in measured])
            axis.plot(at, [getattr(m, field) for m in measured], marker, color=colour, markersize=7, label=name)
            if len(measured) > 1:
                slope, base = fit_line(measured, field)
                axis.plot([0, at.max()], [base, base + slope * at.max()], color=colour, linewidth=1)
        axis.set_ylim(0, 1.1 * max(getattr(m, field) for measured in series.values() for m in measured))
        axis.set_xlim(left=0)
        axis.set_xlabel("sessions", fontsize=13)
        axis.set_ylabel(text, fontsize=13)
        axis.tick_params(labelsize=12)


def main() -> None:
    """Measure the studies of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[2, 4, 8], help="days of each study, in order")
    parser.add_argument("--symbols", type=int, default=1, help="symbols of the market, at most 64")
    parser.add_argument("--length", default="30m", help="length of a session; 390m is a whole one")
    parser.add_argument("--target", type=int, default=252, help="sessions to extrapolate to")
    parser.add_argument("overrides", nargs="*", help="further overrides, such as parallel=processes threads=8")
    parser.add_argument("--out", type=Path, help="folder of scale_study.json and scale_study.png")
    parser.add_argument("--name", default="studies", help="what the studies are called there")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, help="run the first study on each of them instead")
    parser.add_argument("--rounds", type=int, default=2, help="turns of the backends (default: 2)")
    options = parser.parse_args()
    if options.backends:
        study = options.sessions[0], options.symbols, options.length, options.overrides
        print_backends(measure_backends(options.backends, *study, options.rounds))
        return
    measured = [measure_study(n, options.symbols, options.length, options.overrides) for n in options.sessions]
    print_table(measured)
    if len(measured) > 1:
        print(extrapolate(measured, options.target))
    if options.out:
        write_results(options.name, measured, options.out)


if __name__ == "__main__":
    main()
