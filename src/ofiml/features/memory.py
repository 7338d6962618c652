"""The memory of the state machine: what it keeps of a session, and where it keeps it.

Sums of flow, volumes and counts are integers that only grow: a bar's sum, and that of any window, is the difference of
two readings, exact and without drift.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ofiml.features.entry import BARS
from ofiml.features.layout import BUCKETS, ROLL_TRADES

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

STATE = np.dtype(
    [(name, np.int64) for name in (
        # what the session is
        "tick", "levels", "flow_levels", "per_row", "open", "scheduled_close", "utc_offset", "weekday",
        "longest", "lanes", "trade_size", "bucket",
        # where it stands
        "known", "start", "mid", "last_mid", "message_traded", "message_reset",
        "typed",
        # the bar: highest and lowest mid, largest move, time with both sides, sizes of what is averaged
        "bar_open", "high", "low", "jump", "stood", "both", "paid_size", "due_size", "priced_size", "large_flow",
        # since the start
        "last_trade", "last_move", "run", "signed", "earlier", "earlier_size", "hit", "before", "after", "decay_time",
        "in_bucket", "net", "filled", "printed", "closed",
        # queues
        "ring_head", "ring_count", "due_head", "due_count",
    )]
    + [(name, np.float64) for name in (
        "size_unit", "squares", "spread_time", "paid", "realised", "impact", "priced", "value",
        "decayed_events", "decayed_trades", "decayed_sign",
    )]
    # The last bars at their close, the present one at `closed` % (BARS + 1): mid and spread in ticks, all depth shown,
    # best-level flow, signed volume, value traded, queue imbalance.
    + [(name, np.float64, BARS + 1) for name in (
        "mids", "spreads", "depths", "flows", "volumes", "values", "queues",
    )]
    # The last trades' prices; the |imbalance| of VPIN's last buckets.
    + [("prints", np.int64, ROLL_TRADES), ("buckets", np.int64, BUCKETS)]
)  # fmt: skip


class Memory(NamedTuple):
    """All that the machine keeps.

    `state` is the record of `STATE`; `total` (c,) are the growing sums and `opened` (c,) what they were at the bar's
    open; `book` (4·levels,) is the standing book; `ring` (capacity, 2 + lanes) a queue of readings of time, mid and
    some of `total`, as long as the longest window; `due` (capacity, DUE_FIELDS) a queue of trades.
    """

    state: Any
    total: Int64
    opened: Int64
    book: Int64
    ring: Int64
    due: Int64


# What Python hands to a compiled function: the arrays of Memory, in its order, `state` (1,) an array of STATE. numba
# takes a tuple as fast as its members one by one, and a NamedTuple four times as slowly. The function names them:
# Memory(arrays[0][0], *arrays[1:]).
Arrays = tuple[NDArray, Int64, Int64, Int64, Int64, Int64]
