"""CPU time and memory of a study against its number of rows, stage by stage:

    python benchmarks/scale.py --rows 250000 500000 1000000 2000000

The market is not simulated: sessions of the embedded one are repeated for many symbols and dates (`tiled.py`). Each
size runs in a process of its own. Peaks are of anonymous memory, which must fit into the machine; views of files are
left out, as the system drops them when it needs their room. The last lines fit the peaks to a base and bytes a row.
Overrides of the study, such as `model=lgbm` or `evaluation.leak_check=true`, stand before the options. Needs Linux.
"""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table
from tiled import replace_market

from ofiml.overrides.arguments import compose_config
from ofiml.study import run as study
from ofiml.study.run import Clock
from ofiml.ui.progress import Stages

STUDY = (
    *("dataset.sessions=4", "dataset.session_length=20m", "bars.step=1s", "horizon=10s"),
    *("model=ridge", "tuning=off", "evaluation.leak_check=false"),
    *("features.store=null", "tracking=off"),
)
STAGES = ("sessions", "folds", "leak_check", "evaluation", "controls", "backtest", "importance")
YEAR_OF_FIFTY = 13_500_000  # rows: 250 days of 50 symbols, 1,080 bars each
_INTERVAL = 0.005  # seconds between looks at memory
_HIDDEN = "--measure"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a stage takes: CPU seconds of all threads, and the peak of anonymous memory in bytes."""

    seconds: float
    peak: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 500_000, 1_000_000, 2_000_000])
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument(_HIDDEN, type=int, help=argparse.SUPPRESS)
    args, overrides = parser.parse_known_args()
    if args.measure:
        print(json.dumps(measure_study(args.measure, args.symbols, overrides)))
        return
    results = [run_apart(rows, args.symbols, overrides) for rows in args.rows]
    print_table(results)


def run_apart(rows: int, symbols: int, overrides: list[str]) -> dict[str, tuple[float, int]]:
    """Measure a study in a process of its own; its rows stand under "rows"."""
    command = [sys.executable, str(Path(__file__)), "--symbols", str(symbols), _HIDDEN, str(rows), *overrides]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, tuple[float, int]] = json.loads(output.splitlines()[-1])
    return result


def measure_study(rows: int, symbols: int, overrides: list[str]) -> dict[str, tuple[float, int]]:
    """Run a study of about `rows` rows, after a small one that compiles and imports; measure each stage."""
    config = compose_config([*STUDY, *overrides], "model=ridge", None)
    with replace_market(config, 2, 20_000):
        study.run(config, Stages())
    costs: dict[str, list[Cost]] = {}

    class Meter(Clock):
        @contextmanager
        def stage(self, name: str) -> Iterator[None]:
            before = time.process_time()
            with watch_memory() as peak, super().stage(name):
                yield
            costs.setdefault(name, []).append(Cost(time.process_time() - before, max(peak)))

    with replace_market(config, symbols, rows), patch.object(study, "Clock", Meter):
        finished = study.run(config, Stages())
    found = {name: (sum(c.seconds for c in each), max(c.peak for c in each)) for name, each in costs.items()}
    return found | {"rows": (0.0, finished.report.rows.bars), "run": (0.0, max(peak for _, peak in found.values()))}


@contextmanager
def watch_memory() -> Iterator[list[int]]:
    """Yield a list of what `read_memory` gives at the start, every few milliseconds, and at the end."""
    seen, ended = [read_memory()], threading.Event()

    def look() -> None:
        while not ended.wait(_INTERVAL):
            seen[:] = [max(*seen, read_memory())]

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    ended.set()
    thread.join()
    seen.append(read_memory())


def read_memory() -> int:
    """Read the anonymous memory of this process, in bytes: what is resident less what files back."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * resource.getpagesize()


def print_table(results: list[dict[str, tuple[float, int]]]) -> None:
    table = Table("rows", *(f"{name}\nCPU s a million" for name in STAGES), title="CPU seconds a million rows")
    peaks = Table("rows", *STAGES, "run", title="peak memory, MB")
    for result in results:
        rows = result["rows"][1]
        table.add_row(f"{rows:,}", *(f"{result[name][0] / rows * 1e6:.1f}" for name in STAGES))
        peaks.add_row(f"{rows:,}", *(f"{result[name][1] / 1e6:,.0f}" for name in (*STAGES, "run")))
    console = Console(width=120)
    console.print(table, peaks)
    if len(results) > 1:
        rows_of = [r["rows"][1] for r in results]
        for name in (*STAGES, "run"):
            slope, base = np.polyfit(rows_of, [r[name][1] for r in results], 1)
            year = (base + slope * YEAR_OF_FIFTY) / 1e9
            console.print(
                f"{name:>10}: {base / 1e6:,.0f} MB + {slope:,.0f} bytes a row; {YEAR_OF_FIFTY:,}: {year:.1f} GB"
            )


if __name__ == "__main__":
    main()
