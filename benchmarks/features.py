"""Speed of the state machine of flow and features, in batch and live: `make bench`.

In batch it is compared with the flow kernel alone on the same states, which reads memory about as fast as possible
(`flow.py`). Live, each row is fed from Python, one call each, as `ofiml.replay` does. One thread; each batch figure is
the best of several repeats.
"""

import argparse
import gc
import time

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from timing import best

from ofiml.config import TimeBars
from ofiml.data.quality import Quality
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    SIDE,
    TIME,
    Session,
    make_schema,
)
from ofiml.features import kernel, layout
from ofiml.features.batch import compute_bars
from ofiml.features.machine import Machine, Market, Plan
from ofiml.live.stream import Stream

ROWS, LEVELS, LIVE = 1_000_000, 10, 200_000
SECOND = 1_000_000_000
HOURS = 6
FULL = Plan(flow_levels=None, windows=(), look_back=300 * SECOND, trade_size=100, vpin_bucket=5000)
WINDOWS = Plan(None, (SECOND, 30 * SECOND, 300 * SECOND), 300 * SECOND, 100, 5000)


def feed(seed: int = 0) -> np.ndarray:
    """Rows as the kernel takes them: a random walk of 10 levels over six hours, one row in fourteen a trade."""
    rng = np.random.default_rng(seed)
    rows = np.empty((ROWS, layout.BOOK + 4 * LEVELS), np.int64)
    mid = 10_000 + np.cumsum(rng.integers(-1, 2, ROWS) * (rng.random(ROWS) < 0.1))
    rows[:, layout.STAMP] = np.sort(rng.integers(1, HOURS * 3600 * SECOND, ROWS))
    rows[:, layout.ACTION] = rng.choice([layout.ADD, layout.CANCEL, layout.TRADE], ROWS, p=[0.48, 0.45, 0.07])
    rows[:, layout.SIDE] = rng.integers(0, 2, ROWS)
    rows[:, layout.PRICE] = mid * 10**7
    rows[:, layout.SIZE] = rng.integers(1, 100, ROWS)
    rows[:, layout.FLAGS] = F_LAST
    for m in range(LEVELS):
        for side, price in enumerate((mid - 1 - m, mid + 1 + m)):
            rows[:, layout.BOOK + 4 * m + 2 * side] = price * 10**7
            rows[:, layout.BOOK + 4 * m + 2 * side + 1] = rng.integers(1, 500, ROWS)
    return rows


def market() -> Market:
    return Market(LEVELS, 10**7, 1.0, 0, HOURS * 3600 * SECOND, 0, 0, "message")


def batch(rows: np.ndarray, plan: Plan, step: int) -> None:
    m = Machine(market(), plan)
    edges = np.arange(0, HOURS * 3600 * SECOND + 1, step)
    bars = len(edges) - 1
    out = np.empty((bars, kernel.FEATURES))
    flow = np.empty((bars, 1 + len(m.windows), m.flow_width), np.int64)
    known, passed = np.zeros(bars, np.int64), np.zeros(2, np.int64)
    columns = np.arange(kernel.FEATURES)
    while full := kernel.run(m.arrays, rows, layout.NO_PRICE, edges, m.windows, passed, columns, out, flow, known):
        m.grow(full)


def flow_alone(columns: list[np.ndarray], reset: np.ndarray, out: np.ndarray) -> None:
    for m in range(LEVELS):
        bid, bid_sz, ask, ask_sz = columns[4 * m : 4 * m + 4]
        kernel.flow_events(bid, bid_sz, ask, ask_sz, reset, out)


def session(rows: np.ndarray) -> Session:
    """The rows as a session's table."""
    names = [f"{side}_{q}_{m:02d}" for m in range(LEVELS) for side in ("bid", "ask") for q in ("px", "sz")]
    columns = dict(zip(("ts_recv", "action", "side", "price", "size", "flags", *names), rows.T.copy(), strict=True))
    kinds = {"action": ACTION, "side": SIDE}
    words = {k: pl.Series(np.array(kind.categories)[columns[k]]).cast(kind) for k, kind in kinds.items()}
    events = pl.DataFrame(columns | words).with_columns(
        pl.col("ts_recv").cast(TIME), ts_event=pl.col("ts_recv").cast(TIME), sequence=pl.lit(0), symbol=pl.lit("AAA"),
        **{f"{side}_ct_{m:02d}": pl.lit(1) for m in range(LEVELS) for side in ("bid", "ask")},
    )  # fmt: skip
    return Session(
        symbol="AAA", date="1970-01-01",
        events=events.select(pl.col(c).cast(t) for c, t in make_schema(LEVELS).items()),
        open=0, close=HOURS * 3600 * SECOND, tick=10**7, levels=LEVELS, size_unit=1.0, source="", digest="",
        quality=Quality(),
    )  # fmt: skip


def live(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nanoseconds of each update, and of each bar's features."""
    updates, bars = np.empty(LIVE, np.int64), list[int]()
    for repeat in range(2):  # the first compiles
        stream = Stream(market(), TimeBars("time", "1s", "message"), FULL)
        bars.clear()
        for i in range(1000 if repeat == 0 else LIVE):
            row = rows[i]
            start = time.perf_counter_ns()
            closed = stream.close_before(int(row[layout.STAMP]))
            passed = time.perf_counter_ns()
            stream.update(row)
            updates[i] = time.perf_counter_ns() - passed
            if closed:
                bars.append((passed - start) // len(closed))
        gc.collect()
        gc.disable()
    gc.enable()
    return updates, np.array(bars)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = feed()
    columns = [np.ascontiguousarray(rows[:, layout.BOOK + i]) for i in range(4 * LEVELS)]
    reset, out = np.zeros(ROWS, np.bool_), np.empty(ROWS, np.int64)
    batch(rows[:1000], FULL, 10 * SECOND)
    flow_alone(columns, reset, out)
    recorded = session(rows)
    edges = np.arange(0, HOURS * 3600 * SECOND + 1, 10 * SECOND)
    compute_bars(recorded, market(), FULL, edges)
    figures = [
        ("from a session's table, bars of 10 s", best(lambda: compute_bars(recorded, market(), FULL, edges))),
        ("rows ready, bars of 10 s", best(lambda: batch(rows, FULL, 10 * SECOND))),
        ("rows ready, bars of 1 s", best(lambda: batch(rows, FULL, SECOND))),
        ("and flow of all levels over three look-backs", best(lambda: batch(rows, WINDOWS, 10 * SECOND))),
        ("flow of all levels alone", best(lambda: flow_alone(columns, reset, out))),
    ]
    table = Table(title=f"full catalogue, {ROWS:,} rows of {LEVELS} levels, one thread", box=None)
    for column in ("", "million rows/s", "times flow alone"):
        table.add_column(column, justify="right" if column else "left")
    for name, seconds in figures:
        table.add_row(name, f"{ROWS / seconds / 1e6:.2f}", f"{seconds / figures[-1][1]:.1f}")
    Console().print(table)
    table = Table(title="live, from Python, full catalogue: microseconds", box=None)
    for column in ("", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, ns in zip(("update, per row", "features, per bar"), live(rows), strict=True):
        table.add_row(name, *(f"{v / 1e3:.1f}" for v in np.percentile(ns, [50, 99, 99.9, 100])))
    Console().print(table)


if __name__ == "__main__":
    main()
