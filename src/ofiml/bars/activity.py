"""Bars of equal activity: of equal volume, currency traded, number of trades or number of events.

A bar is (open, close] and never splits a timestamp: it closes at the first receipt time at which its sum reaches the
threshold. The close is known at the first later row or clock time. One kernel cuts recorded sessions and live streams.
"""

import math
from fractions import Fraction
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml._typing import Activity, Int64
from ofiml.bars.time import MAX_BARS, Bars, Book
from ofiml.data.schema import (
    F_LAST,
    NO_PRICE,
    Session,
    extract_times,
)
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

KINDS: tuple[Activity, ...] = get_args(Activity)
_VOLUME, _DOLLAR, _TRADES, _EVENTS = range(4)
_TRADE, _NO_PRICE = 4, 2**63 - 1
NOT_CLOSED = -(2**63)

CUTTER_STATE = np.dtype(
    [(k, np.int64) for k in ("kind", "open", "last")] + [(k, np.float64) for k in ("threshold", "sum")]
)


def count_units(kind: str, threshold: float, size_unit: float) -> int:
    """Convert a threshold to the integer units of its kind: lots, trades, states, or 1e-9 currency times lots.

    Rounds up to the smallest integer that reaches the threshold, in exact arithmetic: 1 coin is ten lots of 0.1.
    """
    exact, unit = Fraction(repr(float(threshold))), Fraction(repr(float(size_unit)))
    return math.ceil({"volume": exact / unit, "dollar": exact * PRICE_SCALE / unit}.get(kind, exact))


def make_cutter(kind: str, threshold: float, open_: int, size_unit: float) -> NDArray:
    """Make the kernel's state (1,) at a session's open, UTC ns. Its sums are exact below 2^53."""
    state = np.zeros(1, CUTTER_STATE)
    state["kind"], state["threshold"] = KINDS.index(kind), count_units(kind, threshold, size_unit)
    state["open"] = state["last"] = open_
    return state


def update_cutter_py(state: NDArray, stamp: int, action: int, price: int, size: int, is_state: bool) -> int:
    """Update the state with a row; return the close (ns) of the bar that ended before the row, or NOT_CLOSED."""
    s = state[0]
    closed = NOT_CLOSED
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
            s.sum += abs(float(price)) * float(size)
    return closed


def _cut_session_py(
    state: NDArray, stamp: Int64, action: Int64, price: Int64, size: Int64, is_state: NDArray[np.bool_], out: Int64
) -> int:
    """Cut a session: write the closes (ns) to `out` and return their number."""
    count = 0
    for i in range(len(stamp)):
        closed = update_cutter_py(state, stamp[i], action[i], price[i], size[i], is_state[i])
        if closed != NOT_CLOSED:
            out[count] = closed
            count += 1
    if state[0].sum >= state[0].threshold:
        out[count] = state[0].last
        count += 1
    return count


update_cutter = compiled(update_cutter_py)
_cut_session = compiled(_cut_session_py)


def cut_activity_bars(session: Session, book: Book, kind: str, threshold: float, per: str) -> Bars:
    """Cut bars of `threshold` units traded (volume), currency traded (dollar), trades, or states (events).

    Trades of unknown side count. The currency of a trade is |price| times size: at a price below zero money changes
    hands too. A trade without a price adds none. The last, incomplete bar of the session is
    omitted. Raises DataError for a session with no complete bar, or with too many.
    """
    events = session.events
    is_state = np.ones(events.height, np.bool_) if per == "row" else ((events["flags"] & F_LAST) != 0).to_numpy()
    action = events["action"].to_physical().to_numpy().astype(np.int64)
    closes = np.empty(events.height + 1, np.int64)
    count = _cut_session(
        make_cutter(kind, threshold, session.open, session.size_unit),
        extract_times(events),
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
    if len(edges) > MAX_BARS:
        raise DataError(f"{session.source}, {session.date}: {len(edges):,} bars in one session: raise bars.size.")
    return Bars(edges, np.searchsorted(book.stamps, edges, side="right").astype(np.int64))
