"""Measures that several families share: of the current book, of the last bars, of the queue of readings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ofiml.features.entry import BARS, FEWEST
from ofiml.features.layout import MID2, NAN, NO_ASK, NO_BID, NONE, TIME

if TYPE_CHECKING:
    from ofiml._typing import Float, Int64
    from ofiml.features.memory import Memory

NEAR = 5  # levels that are near the touch


def ratio(top: int, bottom: int) -> float:
    """Compute top / bottom; NaN where the divisor is not positive."""
    return top / bottom if bottom > 0 else NAN


def book_mid(book: Int64) -> int:
    """Compute bid + ask, twice the mid; NONE where a side is missing."""
    if book[0] == NO_BID or book[2] == NO_ASK:
        return NONE
    return book[0] + book[2]


def near_size(book: Int64, levels: int, side: int) -> int:
    """Sum the sizes on the NEAR best levels of the bids (0) or the asks (1), lots."""
    size = 0
    for m in range(min(levels, NEAR)):
        size += book[4 * m + 2 * side + 1]
    return size


def shown_sizes(book: Int64, levels: int) -> tuple[int, int]:
    """Sum the sizes on the best `levels` of bids and asks, lots."""
    bid = 0
    ask = 0
    for m in range(levels):
        bid += book[4 * m + 1]
        ask += book[4 * m + 3]
    return bid, ask


def bar_back(values: Float, closed: int, j: int) -> float:
    """Return the value of the bar that is j before the current one; the caller checks that it exists."""
    return values[(closed - j) % (BARS + 1)]


def zscore(values: Float, closed: int) -> float:
    """Compute the z-score (ddof 1) of the current bar's value among those of the last BARS.

    NaN values of other bars are left out. NaN with fewer than FEWEST values, or if all are equal.
    """
    now = bar_back(values, closed, 0)
    if math.isnan(now):
        return NAN
    count = 0
    mean = 0.0
    low = now
    high = now
    for j in range(min(closed + 1, BARS)):
        value = bar_back(values, closed, j)
        if not math.isnan(value):
            count += 1
            mean += value
            low = min(low, value)
            high = max(high, value)
    if count < FEWEST or low == high:
        return NAN
    mean /= count
    squares = 0.0
    for j in range(min(closed + 1, BARS)):
        value = bar_back(values, closed, j)
        if not math.isnan(value):
            squares += (value - mean) ** 2
    return (now - mean) / math.sqrt(squares / (count - 1))


def find_reading(m: Memory, at: int) -> int:
    """Find the place in `ring` of the last reading at or before `at` (ns); -1 if `at` lies before the start."""
    s, ring = m.state, m.ring
    if not s.known or at < s.start or s.ring_count == 0:
        return -1
    n = len(ring)
    low, high = 0, s.ring_count - 1
    while low < high:
        middle = (low + high + 1) // 2
        if ring[(s.ring_head + middle) % n, TIME] <= at:
            low = middle
        else:
            high = middle - 1
    return (s.ring_head + low) % n


def mid_move(s: Any, ring: Int64, i: int) -> float:
    """Compute the mid less that of reading i, in ticks; NaN where one is missing."""
    if i < 0 or s.mid == NONE or ring[i, MID2] == NONE:
        return NAN
    return (s.mid - ring[i, MID2]) / (2.0 * s.tick)
