"""The arrival rates of events and trades."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ofiml.features.entry import DECAY, EVEN, MINUTE, ODD, YOUNG, Feature
from ofiml.features.layout import COUNT, LANE_COUNT, LANE_STATES, LANES, NONE, PARTS, STATES
from ofiml.features.measures import find_reading
from ofiml.units import SECOND

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

_DECAYED = "Σ exp(-(t - t_i)/5s) over {} since the start"
_HAWKES = "the kernel of Hawkes 1971"
ENTRIES = (
    Feature("log_events", "arrival", "ln(1 + number of states in the bar)", "1", "never", EVEN, bars=1),
    Feature(
        "event_rate_60s",
        "arrival",
        "states in (t - 60s, t] / 60s",
        "1/s",
        YOUNG.format("60s"),
        EVEN,
        window=60 * SECOND,
    ),
    Feature(
        "trade_rate_60s",
        "arrival",
        "trades in (t - 60s, t] / 60s",
        "1/s",
        YOUNG.format("60s"),
        EVEN,
        window=60 * SECOND,
    ),
    Feature("decayed_events", "arrival", _DECAYED.format("states"), "1", "never", EVEN, session=True, source=_HAWKES),
    Feature("decayed_trades", "arrival", _DECAYED.format("trades"), "1", "never", EVEN, session=True, source=_HAWKES),
    Feature(
        "decayed_sign",
        "arrival",
        "Σ D·exp(-(t - t_i)/5s) over trades since the start",
        "1",
        "never",
        ODD,
        session=True,
        source=_HAWKES,
    ),
    Feature(
        "seconds_since_trade",
        "arrival",
        "t - time of the last trade",
        "s",
        "none since the start",
        EVEN,
        session=True,
    ),
    Feature(
        "seconds_since_move",
        "arrival",
        "t - time of the last state whose mid differs from the known mid before",
        "s",
        "none since the start",
        EVEN,
        session=True,
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, total, ring = m.state, m.total, m.ring
    part = PARTS * s.flow_levels
    out.log_events = math.log1p(total[part + STATES] - m.opened[part + STATES])
    i = find_reading(m, t - MINUTE) if s.longest >= MINUTE else -1
    if i >= 0:
        out.event_rate_60s = (total[part + STATES] - ring[i, LANES + LANE_STATES]) / 60.0
        out.trade_rate_60s = (total[part + COUNT] - ring[i, LANES + LANE_COUNT]) / 60.0
    factor = math.exp(-(t - s.decay_time) / DECAY) if t > s.decay_time else 1.0
    out.decayed_events = s.decayed_events * factor
    out.decayed_trades = s.decayed_trades * factor
    out.decayed_sign = s.decayed_sign * factor
    if s.last_trade != NONE:
        out.seconds_since_trade = (t - s.last_trade) / SECOND
    if s.last_move != NONE:
        out.seconds_since_move = (t - s.last_move) / SECOND
