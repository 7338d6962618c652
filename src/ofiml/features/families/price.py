"""The moves of the mid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ofiml.features.entry import BARS, EVEN, FEWEST, MINUTE, NO_SIDE, ODD, Feature
from ofiml.features.layout import NAN, NONE
from ofiml.features.measures import bar_back, find_reading, mid_move, ratio
from ofiml.units import SECOND

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

_BAR_RETURNS = [
    Feature(
        f"return_{k}",
        "price",
        f"mid - mid at the close {k} bar{'s' * (k > 1)} before",
        "ticks",
        "a mid is missing, or fewer bars before since the start",
        ODD,
        bars=k,
    )
    for k in (1, 6, 30)
]
_SECONDS = [
    Feature(
        f"return_{w}s",
        "price",
        f"mid - mid at t - {w}s",
        "ticks",
        "a mid is missing, or t - " + f"{w}s lies before the start",
        ODD,
        window=w * SECOND,
    )
    for w in (10, 60)
]
ENTRIES = (
    *_BAR_RETURNS,
    *_SECONDS,
    Feature(
        "volatility_30",
        "price",
        "sd (ddof 1) of the last 30 one-bar mid changes that are known",
        "ticks",
        "fewer than 10 of them known",
        EVEN,
        bars=BARS,
    ),
    Feature(
        "realised_volatility",
        "price",
        "10^4·sqrt(Σ ln²(mid_n/mid_(n-1))) over the bar's changes of the known mid",
        "bps",
        "no mid known since the start, or a mid that `range` uses is not positive",
        EVEN,
        bars=1,
        session=True,
        relative=True,
        source="Andersen et al. 2003",
    ),
    Feature(
        "range",
        "price",
        "highest - lowest known mid since the start, over the bar's states and the last known mid before them",
        "ticks",
        "no mid known since the start",
        EVEN,
        bars=1,
        session=True,
    ),
    Feature(
        "jump",
        "price",
        "the largest change in the bar from one known mid to the next; of equal ones the first; 0 if none",
        "ticks",
        "never",
        ODD,
        bars=1,
        session=True,
    ),
    Feature(
        "efficiency",
        "price",
        "return_30 / Σ |one-bar mid change| over the same 30 bars",
        "1",
        "return_30 or a mid between is missing, or the mid never moved",
        ODD,
        bars=BARS,
        source="Kaufman 1995",
    ),
    Feature(
        "microprice_offset",
        "price",
        "(P^a q^b + P^b q^a)/(q^a + q^b) - mid",
        "ticks",
        NO_SIDE,
        ODD,
        source="Stoikov 2018 (weighted mid)",
    ),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s, book = m.state, m.book
    if s.closed >= 1:
        out.return_1 = bar_back(s.mids, s.closed, 0) - bar_back(s.mids, s.closed, 1)
    if s.closed >= 6:
        out.return_6 = bar_back(s.mids, s.closed, 0) - bar_back(s.mids, s.closed, 6)
    if s.closed >= BARS:
        out.return_30 = bar_back(s.mids, s.closed, 0) - bar_back(s.mids, s.closed, BARS)
        way = 0.0
        for j in range(BARS):
            way += abs(bar_back(s.mids, s.closed, j) - bar_back(s.mids, s.closed, j + 1))
        if way > 0:
            out.efficiency = out.return_30 / way
    if s.longest >= 10 * SECOND:
        out.return_10s = mid_move(s, m.ring, find_reading(m, t - 10 * SECOND))
    if s.longest >= MINUTE:
        out.return_60s = mid_move(s, m.ring, find_reading(m, t - MINUTE))
    out.volatility_30 = _volatility(s)
    if s.last_mid != NONE and s.low > 0:
        out.realised_volatility = 1e4 * math.sqrt(s.squares)
    if s.high != NONE:
        out.range = (s.high - s.low) / (2.0 * s.tick)
    out.jump = s.jump / (2.0 * s.tick)
    if s.mid != NONE:
        spread = (book[2] - book[0]) / s.tick
        out.microprice_offset = ratio(book[1] - book[3], book[1] + book[3]) * spread / 2.0


def _volatility(s: Any) -> float:
    bars = min(s.closed, BARS)
    count = 0
    mean = 0.0
    for j in range(bars):
        change = bar_back(s.mids, s.closed, j) - bar_back(s.mids, s.closed, j + 1)
        if not math.isnan(change):
            count += 1
            mean += change
    if count < FEWEST:
        return NAN
    mean /= count
    squares = 0.0
    for j in range(bars):
        change = bar_back(s.mids, s.closed, j) - bar_back(s.mids, s.closed, j + 1)
        if not math.isnan(change):
            squares += (change - mean) ** 2
    return math.sqrt(squares / (count - 1))
