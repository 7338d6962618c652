"""Speed of the flow kernel, as ratios from one run: `make bench`.

Memory bounds it: a state of 10 levels is 40 int64 read and 10 written. So the kernel is compared with numpy copying as
many bytes, and its reading alone against how fast memory can be read, in the same process. The peer is the same formula
in numpy, vectorised. Each figure is the best of several repeats on one thread; machines differ and are noisy, ratios
less so.
"""

import argparse
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import best

from ofiml.features.kernel import flow_events

STATES, LEVELS, REPEATS = 1_000_000, 10, 25


Level = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # bid price, bid size, ask price, ask size


def book(seed: int = 0) -> list[Level]:
    """Per level (bid price, bid size, ask price, ask size) of a random walk, columns apart as in the event table."""
    rng = np.random.default_rng(seed)
    mid = 10_000 + np.cumsum(rng.integers(-1, 2, STATES) * (rng.random(STATES) < 0.1))
    levels: list[Level] = []
    for m in range(LEVELS):
        sizes = [rng.integers(1, 500, STATES) for _ in range(2)]
        levels.append((mid - 1 - m, sizes[0], mid + 1 + m, sizes[1]))
    return levels


def vectorised(bid: np.ndarray, bid_sz: np.ndarray, ask: np.ndarray, ask_sz: np.ndarray, out: np.ndarray) -> None:
    """Eq. 2-4 in numpy."""
    out[0] = 0
    out[1:] = bid_sz[1:] * (bid[1:] >= bid[:-1]) - bid_sz[:-1] * (bid[1:] <= bid[:-1])
    out[1:] -= ask_sz[1:] * (ask[1:] <= ask[:-1]) - ask_sz[:-1] * (ask[1:] >= ask[:-1])


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    levels = book()
    out, peer = np.empty(STATES, np.int64), np.empty(STATES, np.int64)
    reset = np.zeros(STATES, np.bool_)
    for level in levels:  # compiles, and the two agree
        flow_events(*level, reset, out)
        vectorised(*level, peer)
        assert np.array_equal(out, peer)

    source = np.ones(STATES * LEVELS * 5 // 2, np.int64)
    target = np.empty_like(source)

    def all_levels(work: Callable[..., object], *more: np.ndarray) -> None:
        for level in levels:
            work(*level, *more)

    kernel = best(lambda: all_levels(flow_events, reset, out), REPEATS)
    numpy_ = best(lambda: all_levels(vectorised, peer), REPEATS)
    copy = best(lambda: np.copyto(target, source), REPEATS)
    columns = np.concatenate([column for level in levels for column in level])
    reading = best(lambda: np.bitwise_xor.reduce(columns) and None, REPEATS)

    table = Table(title=f"{STATES:,} states of {LEVELS} levels, one thread", box=None)
    for column in ("", "million states/s", "kernel is"):
        table.add_column(column, justify="right" if column else "left")
    for name, seconds in (("flow kernel", kernel), ("the same in numpy", numpy_), ("copy of as many bytes", copy)):
        table.add_row(name, f"{STATES / seconds / 1e6:.1f}", f"{seconds / kernel:.2f}x as fast")
    Console().print(table)
    speeds = [columns.nbytes / seconds / 1e9 for seconds in (kernel, reading)]
    Console().print(
        f"flow kernel reads {speeds[0]:.1f} GB/s; memory can be read at {speeds[1]:.1f} GB/s: "
        f"{speeds[0] / speeds[1]:.2f} of that"
    )


if __name__ == "__main__":
    main()
