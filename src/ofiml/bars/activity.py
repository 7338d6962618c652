"""Bars of equal activity: so much volume, so many trades, events or so much money each.

A bar is (open, close] like any other, and holds whole timestamps: it closes at the first receipt time at which its sum
reaches the threshold, which is known once a later row, or the clock, has come. One kernel cuts a recorded session and a
live stream.
"""

import math
from fractions import Fraction
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml._typing import Activity, Int64
from ofiml.bars.time import MOST_BARS, Bars, Book
from ofiml.data.schema import (
    F_LAST,
    NO_PRICE,
    Session,
    times,
)
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

KINDS: tuple[Activity, ...] = get_args(Activity)
_VOLUME, _DOLLAR, _TRADES, _EVENTS = range(4)
_TRADE, _NO_PRICE = 4, 2**63 - 1
NOT_YET = -(2**63)

CUTTER = np.dtype([(k, np.int64) for k in ("kind", "open", "last")] + [(k, np.float64) for k in ("threshold", "sum")])


def whole(kind: str, threshold: float, size_unit: float) -> int:
    """The threshold in what is counted of a kind, which is whole (lots, trades, states, 1e-9 currency times lots): the
    smallest such number that reaches it. 1 coin is ten lots of 0.1, not a bit more.
    """
    exact, unit = Fraction(repr(float(threshold))), Fraction(repr(float(size_unit)))
    return math.ceil({"volume": exact / unit, "dollar": exact * PRICE_SCALE / unit}.get(kind, exact))


def cutter(kind: str, threshold: float, open_: int, size_unit: float) -> NDArray:
    """The kernel's state at a session's open. Its sums are exact below 2^53."""
    state = np.zeros(1, CUTTER)
    state["kind"], state["threshold"] = KINDS.index(kind), whole(kind, threshold, size_unit)
    state["open"] = state["last"] = open_
    return state


def cut_py(state: NDArray, stamp: int, action: int, price: int, size: int, is_state: bool) -> int:
    """Takes in a row; returns when the bar closed that ended before it, or NOT_YET."""
    s = state[0]
    closed = NOT_YET
    if stamp > s.last:
        if s.sum >= s.threshold:
            closed = s.last
            s.sum = 0.0
        s.last = stamp
    if stamp <= s.open:
        return closed
    if s.kind == _EVENTS:
        s.sum += 1.0 if is_state else 0.0
    elif action == _TRADE:
        if s.kind == _TRADES:
            s.sum += 1.0
        elif s.kind == _VOLUME:
            s.sum += size
        elif price != _NO_PRICE:
            s.sum += float(price) * float(size)
    return closed


def _cut_all_py(
    state: NDArray, stamp: Int64, action: Int64, price: Int64, size: Int64, is_state: NDArray[np.bool_], out: Int64
) -> int:
    """Cuts a whole session; writes the closes to `out` and returns how many."""
    count = 0
    for i in range(len(stamp)):
        closed = cut_py(state, stamp[i], action[i], price[i], size[i], is_state[i])
        if closed != NOT_YET:
            out[count] = closed
            count += 1
    if state[0].sum >= state[0].threshold:
        out[count] = state[0].last
        count += 1
    return count


cut = compiled(cut_py)
_cut_all = compiled(_cut_all_py)


def activity_bars(session: Session, book: Book, kind: str, threshold: float, per: str) -> Bars:
    """Bars of `threshold` units traded (volume), currency traded (dollar), trades, or states (events).

    What is traded counts whether its side is known or not; a trade without a price is no money. The last bar, which the
    session's end cuts short, is left out. Raises DataError if not one bar is filled.
    """
    events = session.events
    is_state = np.ones(events.height, np.bool_) if per == "row" else ((events["flags"] & F_LAST) != 0).to_numpy()
    action = events["action"].to_physical().to_numpy().astype(np.int64)
    closes = np.empty(events.height + 1, np.int64)
    count = _cut_all(
        cutter(kind, threshold, session.open, session.size_unit),
        times(events),
        action,
        events["price"].fill_null(NO_PRICE).to_numpy(),
        events["size"].fill_null(0).to_numpy(),
        is_state,
        closes,
    )
    edges = np.concatenate([[session.open], closes[:count]]).astype(np.int64)
    edges = edges[edges <= session.close]
    if len(edges) < 2:
        raise DataError(
            f"{session.source}, {session.date}: the session does not fill one bar of {threshold:g} ({kind}): "
            "lower bars.size."
        )
    if len(edges) > MOST_BARS:
        raise DataError(f"{session.source}, {session.date}: {len(edges):,} bars in one session: raise bars.size.")
    return Bars(edges, np.searchsorted(book.stamps, edges, side="right").astype(np.int64))
