"""Flow of the best level: over the bar, over windows of seconds, and by type of event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ofiml.features.entry import BARS, COPE, FEW, NO_BOTH, ODD, WINDOWS, YOUNG, Feature
from ofiml.features.layout import ADDS, CANCELS, LANE_ASK, LANE_BID, LANES, NAN, TRADES
from ofiml.features.measures import bar_back, find_reading, zscore
from ofiml.units import SECOND

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

_UNTYPED = "the session has shown no add and no cancel"
_WINDOWS = [
    Feature(
        f"ofi_{w // SECOND}s",
        "flow",
        f"Σ e_n of the best level over the states in (t - {w // SECOND}s, t]",
        "lots",
        YOUNG.format(f"{w // SECOND}s"),
        ODD,
        1,
        window=w,
        source=COPE,
    )
    for w in WINDOWS
]
_OF_TYPE = "e_n of the best level over the bar's messages "
ENTRIES = (
    *_WINDOWS,
    Feature(
        "ofi_to_depth",
        "flow",
        "OFI of the bar (best level) / depth_best at t",
        "1",
        NO_BOTH,
        ODD,
        bars=1,
        source="Cont, Kukanov & Stoikov 2014, sec. 3",
    ),
    Feature(
        "ofi_acceleration",
        "flow",
        "OFI of the bar (best level) - that of the bar before",
        "lots",
        "no bar before since the start",
        ODD,
        1,
        bars=2,
    ),
    Feature(
        "ofi_zscore",
        "flow",
        "(OFI of the bar - mean)/sd (ddof 1), best level, over the last 30 bars",
        "1",
        FEW,
        ODD,
        bars=BARS,
    ),
    Feature(
        "ofi_deep",
        "flow",
        "OFI of the bar, summed over the levels below the best that ofi.levels takes",
        "lots",
        "it takes one level",
        ODD,
        1,
        bars=1,
        source="Xu, Gould & Howison 2018",
    ),
    Feature(
        "bid_flow",
        "flow",
        "Σ (q^b_n·1{P^b_n >= P^b_(n-1)} - q^b_(n-1)·1{P^b_n <= P^b_(n-1)}) over the bar",
        "lots",
        "never",
        "ask_flow",
        1,
        bars=1,
        source=COPE,
    ),
    Feature(
        "ask_flow",
        "flow",
        "Σ (q^a_n·1{P^a_n <= P^a_(n-1)} - q^a_(n-1)·1{P^a_n >= P^a_(n-1)}) over the bar; OFI = bid_flow - ask_flow",
        "lots",
        "never",
        "bid_flow",
        1,
        bars=1,
        source=COPE,
    ),
    Feature("ofi_adds", "flow", _OF_TYPE + "whose last row is an add", "lots", _UNTYPED, ODD, 1, bars=1),
    Feature("ofi_cancels", "flow", _OF_TYPE + "whose last row is a cancel", "lots", _UNTYPED, ODD, 1, bars=1),
    Feature(
        "ofi_trades",
        "flow",
        _OF_TYPE + "in which something traded (these count neither as adds nor as cancels)",
        "lots",
        _UNTYPED,
        ODD,
        1,
        bars=1,
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, total, opened = m.state, m.total, m.opened
    width = s.flow_levels
    _fill_windows(m, t, out)
    ofi = bar_back(s.flows, s.closed, 0)
    best = (m.book[1] + m.book[3]) / 2.0
    if best > 0:
        out.ofi_to_depth = ofi / best
    if s.closed:
        out.ofi_acceleration = ofi - bar_back(s.flows, s.closed, 1)
    out.ofi_zscore = zscore(s.flows, s.closed)
    if width > 1:
        deep = 0
        for k in range(1, width):
            deep += total[k] - opened[k] - (total[width + k] - opened[width + k])
        out.ofi_deep = deep
    out.bid_flow = total[0] - opened[0]
    out.ask_flow = total[width] - opened[width]
    if s.typed:
        out.ofi_adds = total[ADDS * width] - opened[ADDS * width]
        out.ofi_cancels = total[CANCELS * width] - opened[CANCELS * width]
        out.ofi_trades = total[TRADES * width] - opened[TRADES * width]


def _fill_windows(m: Memory, t: int, out: Any) -> None:
    out.ofi_1s = _window_ofi(m, t, SECOND)
    out.ofi_5s = _window_ofi(m, t, 5 * SECOND)
    out.ofi_10s = _window_ofi(m, t, 10 * SECOND)
    out.ofi_30s = _window_ofi(m, t, 30 * SECOND)
    out.ofi_60s = _window_ofi(m, t, 60 * SECOND)
    out.ofi_300s = _window_ofi(m, t, 300 * SECOND)


def _window_ofi(m: Memory, t: int, window: int) -> float:
    s, total, ring = m.state, m.total, m.ring
    i = find_reading(m, t - window) if window <= s.longest else -1
    if i < 0:
        return NAN
    return float(total[0] - total[s.flow_levels] - (ring[i, LANES + LANE_BID] - ring[i, LANES + LANE_ASK]))
