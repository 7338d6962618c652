"""The state machine of flow and features: it takes rows of the feed, and gives the features known at any time t.

The batch driver loops over a session, and the stream calls it once per row. Both call the same functions, so the bits
are the same. `catalogue.py` defines every feature, the module of its family computes it, `update.py` processes a row,
and `closes.py` the end of a bar.

Each function here whose name ends in `_py` is the specification, and the name without it is its njit; it takes the
arrays of `memory.Memory` as one tuple.
"""

from ofiml._numba import compiled
from ofiml._typing import Float, Int64
from ofiml.features.catalogue import CATALOGUE
from ofiml.features.closes import end_bar, open_session, write_close
from ofiml.features.families import arrival, clock, depth, flow, price, shape, spread, toxicity, trades
from ofiml.features.installed import fill_installed
from ofiml.features.layout import (
    FIXED_LANES,
    LANES,
    NAN,
    PARTS,
    SIDES,
    STAMP,
)  # fmt: skip
from ofiml.features.measures import find_reading
from ofiml.features.memory import Arrays, Memory
from ofiml.features.order_flow import write_flow
from ofiml.features.update import take_row

FEATURES = len(CATALOGUE)


def step_py(arrays: Arrays, row: Int64) -> int:
    """Process one row (BOOK + 4·levels,). Return 0; or RING_FULL or DUE_FULL, and change nothing."""
    return take_row(Memory(arrays[0][0], *arrays[1:]), row)


def begin_py(arrays: Arrays) -> None:
    """Open the session and its first bar; the rows before it have set the book."""
    open_session(Memory(arrays[0][0], *arrays[1:]))


def close_bar_py(arrays: Arrays, t: int) -> None:
    """Close the bar at t (ns), and open the next one."""
    end_bar(Memory(arrays[0][0], *arrays[1:]), t)


def features_py(arrays: Arrays, t: int, out: Float) -> None:
    """Write all features at t to `out` (FEATURES,). Only the current bar's place among the last bars changes."""
    m = Memory(arrays[0][0], *arrays[1:])
    fill_features(m, t)
    columns = m.state.columns
    for i in range(len(out)):
        out[i] = columns[i]


def sums_py(arrays: Arrays, t: int, windows: Int64, out: Int64) -> int:
    """Write the sums of bar and windows to `out`: see `write_sums`."""
    return write_sums(Memory(arrays[0][0], *arrays[1:]), t, windows, out)


def fill_features(m: Memory, t: int) -> None:
    """Write all features at t, NaN where no family's rule gives a value."""
    columns, record = m.state.columns, m.state.features
    for i in range(FEATURES):
        columns[i] = NAN
    clock.fill(m, t, record)
    if not m.state.known:
        return
    write_close(m)
    flow.fill(m, t, record)
    depth.fill(m, t, record)
    spread.fill(m, t, record)
    shape.fill(m, t, record)
    trades.fill(m, t, record)
    price.fill(m, t, record)
    toxicity.fill(m, t, record)
    arrival.fill(m, t, record)
    fill_installed(m, t, record)


def write_sums(m: Memory, t: int, windows: Int64, out: Int64) -> int:
    """Write flow by part and level, states, depth and sides to `out` (1 + len(windows), 5·flow_levels + 3): of the bar
    up to t, then of (t - w, t] for each window w (ns, ascending).

    Return the number of windows that lie after the start; the shorter ones come first.
    """
    total, opened, ring = m.total, m.opened, m.ring
    count = PARTS * m.state.flow_levels + SIDES + 1
    for k in range(count):
        out[0, k] = total[k] - opened[k]
    for w in range(len(windows)):
        i = find_reading(m, t - windows[w])
        if i < 0:
            return w
        for k in range(count):
            out[1 + w, k] = total[k] - ring[i, LANES + FIXED_LANES + k]
    return len(windows)


def run_py(
    arrays: Arrays,
    rows: Int64,
    until: int,
    edges: Int64,
    windows: Int64,
    position: Int64,
    columns: Int64,
    out: Float,
    flow_out: Int64,
    known_out: Int64,
) -> int:
    """Process `rows` (n, BOOK + 4·levels) from row `position[0]` on, and write the values of each bar that a row has
    passed; after the last row, of each bar that ends before `until`.

    `edges` (k + 1,) are the bounds of the bars, and `position[1]` is the next of them. `out` (k, len(columns)) receives
    these `columns` of the features, `flow_out` (k, 1 + windows, 5·flow_levels + 3) the flow, and `known_out` (k,) the
    number of known windows. Updates `position`. Return 0; or RING_FULL or DUE_FULL: grow that queue and call again.
    """
    m = Memory(arrays[0][0], *arrays[1:])
    n = len(rows)
    values = m.state.columns
    while True:
        stamp = rows[position[0], STAMP] if position[0] < n else until
        while position[1] < len(edges) and edges[position[1]] < stamp:
            k, t = position[1] - 1, edges[position[1]]
            if k < 0:
                open_session(m)
            else:
                fill_features(m, t)
                for j in range(len(columns)):
                    out[k, j] = values[columns[j]]
                known_out[k] = write_sums(m, t, windows, flow_out[k])
                end_bar(m, t)
            position[1] += 1
        if position[0] >= n:
            return 0
        full = take_row(m, rows[position[0]])
        if full:
            return full
        position[0] += 1


step = compiled(step_py)
begin = compiled(begin_py)
close_bar = compiled(close_bar_py)
features = compiled(features_py)
sums = compiled(sums_py)
run = compiled(run_py)
flow_events = compiled(write_flow)
