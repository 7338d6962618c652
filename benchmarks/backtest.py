"""Speed of the backtest beside hftbacktest's, on the same events, orders and latencies.

hftbacktest 2.4.4 needs an environment of its own, as it wants another numpy. Make it once, then run:

    python benchmarks/backtest.py --make .venv-hftbacktest
    python benchmarks/backtest.py --python .venv-hftbacktest/bin/python

The market is a long session of the embedded one. hftbacktest's time is that of its loop alone; ofiml's is all of
`simulate`. Both are CPU times, the best of some repeats that alternate between the two. Compiling is timed apart.
The program also checks that both fill the same orders alike, and lists each difference with the event that made it.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from backtest_cases import (
    MS,
    POWER,
    SECOND,
    Peer,
    Workload,
    list_fills,
    make_market,
    make_quoter,
    make_session,
    make_taker,
    trade,
)
from backtest_checks import check_maker, check_taker
from backtest_queues import explain_differences
from rich.console import Console
from rich.table import Table

from ofiml.backtest.orders import Queue
from ofiml.samples.tape import LEVEL, SessionTape, record_session

VARIABLE = "OFIML_HFTBACKTEST"
REQUIREMENTS = ("hftbacktest==2.4.4", "numpy<2.3")
LATENCY = RESPONSE = 5 * MS
#: hftbacktest's depths: its default, and the one for a range of prices, which is faster.
DEPTHS = ("hashmap", "range")
CURVE = [0, 1 * MS, 5 * MS, 20 * MS, 50 * MS, 100 * MS, 500 * MS]


def list_workloads(market: SessionTape) -> list[Workload]:
    """List the workloads that are timed."""
    return [
        make_taker(market, 10 * SECOND, name="taker, every 10 s"),
        make_taker(market, 10 * SECOND, stop=20, name=" and a stop"),
        make_taker(market, 100 * MS, name="taker, every 100 ms"),
        make_taker(market, 100 * MS, stop=20, name=" and a stop"),
        make_quoter(market, SECOND, name="quotes, every 1 s"),
        make_quoter(market, 100 * MS, name="quotes, every 100 ms"),
    ]


class Timing(NamedTuple):
    """CPU seconds of ofiml, of its whole curve, and of hftbacktest with each depth; its compiling; ofiml's orders."""

    ours: float
    curve: float
    theirs: dict[str, float]
    compiling: float
    orders: int


def time_workload(peer: Peer, market: SessionTape, workload: Workload, repeats: int) -> Timing:
    """Time a workload, in turns."""
    first = {depth: peer.run(workload, LATENCY, RESPONSE, depth).seconds for depth in DEPTHS}
    (trades,) = trade(market, workload, [LATENCY], RESPONSE)
    ours, curve = [], []
    theirs: dict[str, list[float]] = {depth: [] for depth in DEPTHS}
    for _ in range(repeats):
        for depth in DEPTHS:
            theirs[depth].append(peer.run(workload, LATENCY, RESPONSE, depth).seconds)
        ours.append(_clock(lambda: trade(market, workload, [LATENCY], RESPONSE)))
        curve.append(_clock(lambda: trade(market, workload, CURVE, RESPONSE)))
    best = {depth: min(seconds) for depth, seconds in theirs.items()}
    compiling = first[DEPTHS[0]] - best[DEPTHS[0]]
    return Timing(min(ours), min(curve), best, compiling, len(trades.orders))


def _clock(work: Callable[[], object]) -> float:
    """Measure the CPU seconds of some work, without collections of garbage that other work left."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    work()
    seconds = time.process_time() - start
    gc.enable()
    return seconds


def time_compiling() -> None:
    """Print the CPU seconds that compiling takes: the tape's kernel, and the event loop."""
    session = make_session(0.02)
    tapes: list[SessionTape] = []

    def record() -> None:
        tapes.append(record_session(session))

    def run() -> None:
        trade(tapes[0], make_quoter(tapes[0], SECOND), [LATENCY], RESPONSE)

    # What a first call takes beyond a second one is compiling.
    for work in (record, run):
        print(_clock(work) - _clock(work))


# --- checks ----------------------------------------------------------------------------------------------------------


def check_takers(peer: Peer, market: SessionTape, console: Console) -> list[str]:
    """Compare marketable orders, small ones with a stop and large ones, at two latencies; return what is unexplained.

    hftbacktest fills an order whole at the best price. Where that level showed too little, ofiml took the rest deeper.
    """
    table = Table(title="marketable orders, filled by both", box=None)
    for column in ("", "latency", "same time and tick", "ofiml went deeper", "unexplained"):
        table.add_column(column, justify="right" if column else "left")
    unexplained = []
    for name, interval, stop, lots in (
        ("1 lot, every 10 s", 10 * SECOND, 0, 1),
        (" and a stop", 10 * SECOND, 20, 1),
        ("1 lot, every 100 ms", 100 * MS, 0, 1),
        (" and a stop", 100 * MS, 20, 1),
        ("30 lots, every 10 s", 10 * SECOND, 0, 30),
    ):
        workload = make_taker(market, interval, stop=stop, lots=lots)
        for latency in (LATENCY, 500 * MS):
            answer = peer.run(workload, latency, RESPONSE)
            (trades,) = trade(market, workload, [latency], RESPONSE)
            check = check_taker(market.tape, list_fills(market, trades), answer.fills)
            counts = (check.equal, check.walked, len(check.unexplained))
            table.add_row(name, f"{latency // MS} ms", *(f"{count:,}" for count in counts))
            unexplained += check.unexplained
    console.print(table)
    return unexplained


def check_makers(peer: Peer, market: SessionTape, console: Console) -> list[str]:
    """Compare resting orders with ofiml's bracket, and print why each that differs does; return those that are outside
    or that the rules of both do not explain.
    """
    table = Table(title="resting orders, cancelled after half of the interval: how many were filled", box=None)
    for column in ("", "traded through", "ofiml", "hftbacktest", "touched", "differ", "outside"):
        table.add_column(column, justify="right" if column else "left")
    outside, lines = [], []
    for name, interval in (("every 1 s", SECOND), ("every 100 ms", 100 * MS)):
        workload = make_quoter(market, interval, once=True)
        answer = peer.run(workload, LATENCY, RESPONSE)
        through, model, touch = (
            list_fills(market, trade(market, workload, [LATENCY], RESPONSE, queue)[0])
            for queue in (Queue.THROUGH, Queue.POWER, Queue.TOUCH)
        )
        check = check_maker(through, model, answer.fills, touch)
        counts = (check.through, check.ours, check.theirs, check.touch, check.differ, len(check.outside))
        table.add_row(name, *(f"{count:,}" for count in counts))
        explained, unexplained = explain_differences(market.tape, model, answer.fills, LATENCY, POWER)
        outside += check.outside + unexplained
        lines += explained
    console.print(table)
    for line in lines:
        console.print(f"differs: {line}", highlight=False, soft_wrap=True)
    return outside


# --- the program -----------------------------------------------------------------------------------------------------


def make_environment(folder: Path) -> None:
    """Make hftbacktest's environment."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)


def measure_compiling() -> list[float]:
    """Measure the CPU seconds of compiling in a new process without a cache: of the tape, and of the event loop."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        line = [sys.executable, __file__, "--compile"]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=os.environ.get(VARIABLE), help=f"its interpreter (default: ${VARIABLE})")
    parser.add_argument("--make", metavar="FOLDER", help="make its environment in a folder, and end")
    parser.add_argument("--hours", type=float, default=11.0, help="of the session (default: 11, a million levels)")
    parser.add_argument("--repeats", type=int, default=3, help="of each workload (default: 3)")
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.compile:
        time_compiling()
        return
    if args.make:
        make_environment(Path(args.make))
        return
    if not args.python or not Path(args.python).exists():
        raise SystemExit(
            "No interpreter with hftbacktest: make its environment with --make FOLDER, then give "
            f"--python FOLDER/bin/python or set {VARIABLE} to that path."
        )
    console = Console(width=110)
    tape_compiling, loop_compiling = measure_compiling()
    market = make_market(args.hours)
    levels = int(np.count_nonzero(market.tape.kind == LEVEL))
    table = Table(
        title=f"{levels:,} level events, million per CPU second: hftbacktest with each depth, ofiml", box=None
    )
    columns = ("", "orders", "hash map", "range", "ofiml", "than hash map", "than range", "curve of 7")
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    with Peer(Path(args.python), market) as peer:
        extra = peer.imports
        for workload in list_workloads(market):
            done = time_workload(peer, market, workload, args.repeats)
            extra += done.compiling
            seconds = [done.theirs[depth] for depth in DEPTHS]
            table.add_row(
                workload.name,
                f"{done.orders:,}",
                *(f"{levels / each / 1e6:.1f}" for each in (*seconds, done.ours)),
                *(f"{each / done.ours:.1f}x as fast" for each in seconds),
                f"{done.curve / done.ours:.1f}x one run",
            )
        console.print(table)
        console.print(
            f"compiling, CPU seconds: hftbacktest {extra:.1f}, each time; ofiml {loop_compiling:.1f}, and "
            f"{tape_compiling:.1f} for tapes, kept for later processes",
            highlight=False,
        )
        differences = check_takers(peer, market, console) + check_makers(peer, market, console)
    for line in differences:
        console.print(line, highlight=False)
    if differences:
        raise SystemExit(f"ofiml and hftbacktest differ in {len(differences):,} orders, listed above.")


if __name__ == "__main__":
    main()
