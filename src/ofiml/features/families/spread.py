"""The spread, and the cost of trading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ofiml.features.entry import BARS, EVEN, FEW, NO_SIDE, REALISED, Feature
from ofiml.features.layout import DUE_AT, DUE_MID2, DUE_PRICE, DUE_SIGNED, NAN, NONE
from ofiml.features.measures import zscore

if TYPE_CHECKING:
    from ofiml._typing import Int64
    from ofiml.features.memory import Memory

_PAID = "Σ size·{} / Σ size over the bar's signed trades"
_DUE = "Σ size·{} / Σ size over signed trades at τ with τ + 5s in the bar, since the start"
_UNKNOWN = "no such trade with both mids known"
ENTRIES = (
    Feature("spread_ticks", "spread", "P^a - P^b", "ticks", NO_SIDE, EVEN),
    Feature("spread_bps", "spread", "10^4·(P^a - P^b)/|mid|", "bps", NO_SIDE + ", or mid is 0", EVEN, relative=True),
    Feature(
        "spread_zscore",
        "spread",
        "(spread - mean)/sd (ddof 1) over the closes of the last 30 bars at which it is known",
        "1",
        NO_SIDE + " at t, " + FEW,
        EVEN,
        bars=BARS,
    ),
    Feature(
        "spread_mean",
        "spread",
        "∫(P^a - P^b)ds / ∫ds over the times in the bar at which both sides stood",
        "ticks",
        "both sides never stood",
        EVEN,
        bars=1,
    ),
    Feature(
        "effective_spread",
        "spread",
        _PAID.format("2D·(price - mid before its message)"),
        "ticks",
        "no such trade with a known mid",
        EVEN,
        bars=1,
        source="Huang & Stoll 1996",
    ),
    Feature(
        "realised_spread",
        "spread",
        _DUE.format("2D·(price - mid at τ + 5s)"),
        "ticks",
        _UNKNOWN,
        EVEN,
        bars=1,
        window=REALISED,
        known="t; what a trade adds, 5 s after it",
        source="Huang & Stoll 1996",
    ),
    Feature(
        "price_impact",
        "spread",
        _DUE.format("2D·(mid at τ + 5s - mid before its message)"),
        "ticks",
        _UNKNOWN,
        EVEN,
        bars=1,
        window=REALISED,
        known="t; what a trade adds, 5 s after it",
        source="Huang & Stoll 1996: effective less realised, of the same trades",
    ),
    Feature(
        "cost_buy",
        "spread",
        "average price of buying features.trade_size from the shown asks - mid",
        "ticks",
        "a side is missing, or less is shown",
        "cost_sell",
    ),
    Feature(
        "cost_sell",
        "spread",
        "mid - average price of selling features.trade_size to the shown bids",
        "ticks",
        "a side is missing, or less is shown",
        "cost_buy",
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, book = m.state, m.book
    if s.mid != NONE:
        spread = book[2] - book[0]
        out.spread_ticks = spread / s.tick
        if s.mid != 0:
            out.spread_bps = 2e4 * spread / abs(s.mid)
        out.cost_buy = _taking_cost(s, book, 1)
        out.cost_sell = _taking_cost(s, book, 0)
    out.spread_zscore = zscore(s.spreads, s.closed)
    both, spread_time = s.both, s.spread_time
    if s.mid != NONE and t > s.stood:
        both += t - s.stood
        spread_time += float(book[2] - book[0]) * float(t - s.stood)
    if both:
        out.spread_mean = spread_time / both / s.tick
    if s.paid_size:
        out.effective_spread = s.paid / s.paid_size / s.tick
    _fill_realised(s, m.due, t, out)


def _fill_realised(s: Any, due: Int64, t: int, out: Any) -> None:
    realised, impact, size = s.realised, s.impact, s.due_size
    for k in range(s.due_count):
        i = (s.due_head + k) % len(due)
        if due[i, DUE_AT] > t:
            break
        if s.mid != NONE:
            realised += 2.0 * (due[i, DUE_PRICE] - 0.5 * s.mid) * due[i, DUE_SIGNED]
            impact += 2.0 * (0.5 * s.mid - 0.5 * due[i, DUE_MID2]) * due[i, DUE_SIGNED]
            size += abs(due[i, DUE_SIGNED])
    if size:
        out.realised_spread = realised / size / s.tick
        out.price_impact = impact / size / s.tick


def _taking_cost(s: Any, book: Int64, side: int) -> float:
    """Average price less mid of taking `trade_size` from the asks (1), mid less average price from the bids (0)."""
    left = s.trade_size
    cost = 0.0
    best = book[2 * side]
    for k in range(s.levels):
        take = min(left, book[4 * k + 2 * side + 1])
        if take:
            cost += float(abs(book[4 * k + 2 * side] - best)) * take
            left -= take
    if left:
        return NAN
    to_mid = best - 0.5 * s.mid if side else 0.5 * s.mid - best
    return (cost / s.trade_size + to_mid) / s.tick
