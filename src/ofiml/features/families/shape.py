"""The shape of the book below its best level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ofiml.features.entry import EVEN, NO_SIDE, ODD, Feature
from ofiml.features.layout import NAN, NO_ASK, NO_BID, NONE
from ofiml.features.measures import near_size

if TYPE_CHECKING:
    from ofiml._typing import Int64
    from ofiml.features.memory import Memory

_ONE_LEVEL = "a side is missing, or this one shows one level"
ENTRIES = (
    Feature(
        "bid_slope",
        "shape",
        "Σ q^b / (mid - P^b of the deepest shown level)",
        "lots per tick",
        NO_SIDE + ", or the divisor is not positive",
        "ask_slope",
        1,
        source="after Næs & Skjeltorp 2006",
    ),
    Feature(
        "ask_slope",
        "shape",
        "Σ q^a / (P^a of the deepest shown level - mid)",
        "lots per tick",
        NO_SIDE + ", or the divisor is not positive",
        "bid_slope",
        1,
        source="after Næs & Skjeltorp 2006",
    ),
    Feature(
        "slope_imbalance",
        "shape",
        "(bid_slope - ask_slope)/(bid_slope + ask_slope)",
        "1",
        "one of them is NaN",
        ODD,
    ),
    Feature("bid_distance", "shape", "Σ q^b_m·(mid - P^b_m) / Σ q^b_m", "ticks", NO_SIDE, "ask_distance"),
    Feature("ask_distance", "shape", "Σ q^a_m·(P^a_m - mid) / Σ q^a_m", "ticks", NO_SIDE, "bid_distance"),
    Feature("bid_gap", "shape", "P^b of the best level - P^b of the second", "ticks", _ONE_LEVEL, "ask_gap"),
    Feature("ask_gap", "shape", "P^a of the second level - P^a of the best", "ticks", _ONE_LEVEL, "bid_gap"),
    Feature(
        "resilience",
        "shape",
        "(Q_t - Q_1)/(Q_0 - Q_1). Q is the size on levels 1-5 of the side that the last large signed trade hit: "
        "Q_0 before the trade's message, Q_1 in the first state at or after its row in which Q differs from Q_0",
        "1",
        "no such trade since the start, no such state after it, or Q_1 >= Q_0",
        EVEN,
        session=True,
        source="after Degryse et al. 2005",
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, book = m.state, m.book
    if s.mid != NONE:
        out.bid_slope, out.bid_distance, out.bid_gap = _side_shape(s, book, 0)
        out.ask_slope, out.ask_distance, out.ask_gap = _side_shape(s, book, 1)
        slopes = out.bid_slope + out.ask_slope
        if slopes > 0:
            out.slope_imbalance = (out.bid_slope - out.ask_slope) / slopes
    if s.hit >= 0 and 0 <= s.after < s.before:
        out.resilience = (near_size(book, s.levels, s.hit) - s.after) / (s.before - s.after)


def _side_shape(s: Any, book: Int64, side: int) -> tuple[float, float, float]:
    """Compute slope, distance and gap of the bids (0) or the asks (1)."""
    size = 0
    away = 0.0
    deepest = 0
    for k in range(s.levels):
        price = book[4 * k + 2 * side]
        if price == NO_BID or price == NO_ASK:  # noqa: SIM109  # `in` takes long to compile
            continue
        q = book[4 * k + 2 * side + 1]
        distance = 2 * price - s.mid if side else s.mid - 2 * price
        size += q
        away += float(distance) * q
        deepest = distance
    slope = 2.0 * size * s.tick / deepest if deepest > 0 else NAN
    mean = away / size / (2.0 * s.tick) if size else NAN
    gap = NAN
    if s.levels > 1:
        second = book[4 + 2 * side]
        if second != NO_BID and second != NO_ASK:
            gap = abs(second - book[2 * side]) / s.tick
    return slope, mean, gap
