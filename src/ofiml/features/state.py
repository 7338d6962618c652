"""The record of the state machine: everything it keeps of a session besides growing sums and queues."""

from typing import Any

import numpy as np

from ofiml.features.catalogue import CATALOGUE
from ofiml.features.entry import BARS
from ofiml.features.layout import BUCKETS, ROLL_TRADES

_VALUES = np.dtype([(name, np.float64) for name in CATALOGUE])
_KEPT = np.dtype(
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

# Beside what is kept, the features at one time: the numbers of `columns` are those of the record `features`.
_NAMES = list(_KEPT.names or ())
_FIELDS: Any = _KEPT.fields
_PLACES: Any = {
    "names": [*_NAMES, "features", "columns"],
    "formats": [*(_FIELDS[name][0] for name in _NAMES), _VALUES, (np.float64, len(CATALOGUE))],
    "offsets": [*(_FIELDS[name][1] for name in _NAMES), _KEPT.itemsize, _KEPT.itemsize],
}
STATE = np.dtype(_PLACES)
