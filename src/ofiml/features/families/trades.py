"""The volume, number and side of trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ofiml.features.entry import EVEN, MINUTE, NO_SIDE, ODD, YOUNG, Feature
from ofiml.features.layout import BOUGHT, BUYS, COUNT, LANE_BOUGHT, LANE_SOLD, LANES, NONE, PARTS, SELLS, SOLD, TRADED
from ofiml.features.measures import find_reading, ratio
from ofiml.units import SECOND

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

ENTRIES = (
    Feature(
        "buy_volume", "trades", "Σ size of the bar's trades that buyers began", "lots", "never", "sell_volume", 1, 1
    ),
    Feature(
        "sell_volume",
        "trades",
        "Σ size of the bar's trades that sellers began",
        "lots",
        "never",
        "buy_volume",
        1,
        1,
    ),
    Feature(
        "trade_imbalance",
        "trades",
        "(buy_volume - sell_volume)/(buy_volume + sell_volume)",
        "1",
        "no signed trade in the bar",
        ODD,
        bars=1,
    ),
    Feature("trade_count", "trades", "trades in the bar, signed or not", "1", "never", EVEN, bars=1),
    Feature(
        "signed_count",
        "trades",
        "trades that buyers began - that sellers began, in the bar",
        "1",
        "never",
        ODD,
        bars=1,
    ),
    Feature(
        "mean_trade_size",
        "trades",
        "mean size of the bar's trades, signed or not",
        "lots",
        "no trade in the bar",
        EVEN,
        1,
        bars=1,
    ),
    Feature(
        "large_trade_flow",
        "trades",
        "Σ D·size of the bar's large trades. A trade is large if at least 10 trades since the start precede it and "
        "its size is at least 3 times their mean",
        "lots",
        "never",
        ODD,
        1,
        session=True,
    ),
    Feature(
        "vwap_distance",
        "trades",
        "mid - Σ price·size/Σ size over the bar's trades, signed or not",
        "ticks",
        NO_SIDE + ", or no priced trade in the bar",
        ODD,
        bars=1,
    ),
    Feature(
        "aggressor_run",
        "trades",
        "D·(length of the current run of signed trades of one side since the start); 0 before any",
        "1",
        "never",
        ODD,
        session=True,
    ),
    Feature(
        "signed_volume_60s",
        "trades",
        "Σ D·size of trades in (t - 60s, t]",
        "lots",
        YOUNG.format("60s"),
        ODD,
        1,
        window=60 * SECOND,
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, total, opened, ring = m.state, m.total, m.opened, m.ring
    part = PARTS * s.flow_levels
    bought = total[part + BOUGHT] - opened[part + BOUGHT]
    sold = total[part + SOLD] - opened[part + SOLD]
    count = total[part + COUNT] - opened[part + COUNT]
    out.buy_volume = bought
    out.sell_volume = sold
    out.trade_imbalance = ratio(bought - sold, bought + sold)
    out.trade_count = count
    out.signed_count = total[part + BUYS] - opened[part + BUYS] - (total[part + SELLS] - opened[part + SELLS])
    out.mean_trade_size = ratio(total[part + TRADED] - opened[part + TRADED], count)
    out.large_trade_flow = s.large_flow
    if s.mid != NONE and s.priced_size:
        out.vwap_distance = (0.5 * s.mid - s.priced / s.priced_size) / s.tick
    out.aggressor_run = s.run
    i = find_reading(m, t - MINUTE) if s.longest >= MINUTE else -1
    if i >= 0:
        bought = total[part + BOUGHT] - ring[i, LANES + LANE_BOUGHT]
        out.signed_volume_60s = bought - (total[part + SOLD] - ring[i, LANES + LANE_SOLD])
