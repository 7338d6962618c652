"""The kernel of the tape: consecutive rows of the event table become events.

`record_rows_py` is the specification, `record_rows` its njit. A level of the row before that the row no longer shows is
gone if the row shows worse levels or has room for them, else hidden: it may still stand beyond the shown depth. Hidden
prices are kept in a list from the farthest to the nearest, so that it is known which of them the shown depth passes.
"""

from typing import Any, NamedTuple

import numpy as np

from ofiml._numba import compiled
from ofiml._typing import Bool, Int8, Int64, UInt8

#: The kinds of events.
LEVEL, TRADE, HIDE, CLEAR = 0, 1, 2, 3

# A row: these columns, then bid price, bid size, ask price and ask size of each level.
EVENT, RECV, ACTION, SIDE, PRICE, SIZE, FLAGS, ORDER_TIME, LAST, CONTINUOUS, BOOK = range(11)
_CANCEL, _MODIFY, _RESET, _TRADED, _NONE = 1, 2, 3, 4, 6  # of schema.ACTION
_SELL, _BUY = 0, 1  # of schema.SIDE
_SNAPSHOT = 32
_NO_PRICE = 2**63 - 1
_MISSING = -(2**63), 2**63 - 1  # bid, ask

# Scalars that are kept between rows.
(
    LEVELS, TICK, BASE, SPAN, MESSAGES, EVENTS, CLOSED_EVENTS, IGNORED, ROUNDED,
    _LOW, _HIGH, _HALTED, _WAS_SNAPSHOT, _HAS_TRADE, _NEWEST, SCALARS,
) = range(16)  # fmt: skip


class State(NamedTuple):
    """What is kept between rows: scalars, the last row's book (4·levels,), its levels (2, levels) as indexes and sizes
    with their count (2,), and the hidden prices (2, span) with theirs (2,). Side 0 is bid, 1 is ask.
    """

    scalars: Int64
    book: Int64
    shown: Int64
    sizes: Int64
    counts: Int64
    hidden: Int64
    hidden_counts: Int64
    new_shown: Int64
    new_sizes: Int64


class Tape(NamedTuple):
    """The messages (M,) and events (E,) of one session.

    `exchange` and `receipt` (ns) do not decrease. Message m has the events first[m] … first[m + 1] - 1. `bid` and `ask`
    are the best indexes after the message, -1 for none. `tradable` is False while trading is halted or in an auction,
    each until its first trade, while the book is crossed or locked, and if both sides are unknown or empty.

    `side` is 1 for bids and buyers, -1 for asks and sellers, 0 for a trade of either. `size` is in lots. `order_time`
    is when, on the exchange's clock, the order that shrank a level got its place in the queue; -1 if unknown. `span` is
    the width of the ladder.
    """

    exchange: Int64
    receipt: Int64
    first: Int64
    bid: Int64
    ask: Int64
    tradable: Bool
    kind: UInt8
    side: Int8
    price: Int64
    size: Int64
    order_time: Int64
    base: int
    tick: int
    span: int


def make_state(levels: int, tick: int, base: int, span: int) -> State:
    """Make the state before the first row."""
    scalars = np.zeros(SCALARS, np.int64)
    scalars[[LEVELS, TICK, BASE, SPAN]] = levels, tick, base, span
    scalars[_LOW], scalars[_HIGH] = span, -1
    scalars[_NEWEST] = -(2**63)
    book = np.array([_MISSING[0], 0, _MISSING[1], 0] * levels, np.int64)
    wide = [np.zeros((2, levels), np.int64) for _ in range(4)]
    hidden = np.zeros((2, span + levels), np.int64)
    return State(scalars, book, wide[0], wide[1], np.zeros(2, np.int64), hidden, np.zeros(2, np.int64), *wide[2:])


#: The columns of a tape, one value per message (and one more of `first`), and one per event.
PER_MESSAGE = ("exchange", "receipt", "first", "bid", "ask", "tradable")
PER_EVENT = ("kind", "side", "price", "size", "order_time")
_TYPES = {"tradable": np.bool_, "kind": np.uint8, "side": np.int8}


def make_output(rows: int, base: int, tick: int, span: int) -> Tape:
    """Make a tape to be filled, with room for `rows` messages and for half as many events again."""
    lengths = dict.fromkeys(PER_MESSAGE, rows) | dict.fromkeys(PER_EVENT, rows + rows // 2 + 1024) | {"first": rows + 1}
    columns: dict[str, Any] = {name: np.zeros(n, _TYPES.get(name, np.int64)) for name, n in lengths.items()}
    return Tape(**columns, base=base, tick=tick, span=span)


def grow_output(out: Tape) -> Tape:
    """Double the columns of events."""
    longer: dict[str, Any] = {name: np.resize(getattr(out, name), 2 * len(out.kind)) for name in PER_EVENT}
    return out._replace(**longer)


def record_rows_py(rows: Int64, begin: int, state: State, out: Tape) -> int:
    """Record the rows (n, BOOK + 4·levels) from `begin` on; return n, or the row before which the events are full."""
    scalars, book, hidden, hidden_count = state.scalars, state.book, state.hidden, state.hidden_counts
    index, size, count, new_index, new_size = state.shown, state.sizes, state.counts, state.new_shown, state.new_sizes
    kind, side, price, out_size, order_time = out.kind, out.side, out.price, out.size, out.order_time
    exchange, receipt, first, bid, ask, tradable = (
        out.exchange,
        out.receipt,
        out.first,
        out.bid,
        out.ask,
        out.tradable,
    )
    levels, tick, base, span = scalars[LEVELS], scalars[TICK], scalars[BASE], scalars[SPAN]
    e = scalars[EVENTS]
    for i in range(begin, len(rows)):
        if e + 4 * levels + hidden_count[0] + hidden_count[1] + 8 > len(kind):
            scalars[EVENTS] = e
            return i
        action, snapshot = rows[i, ACTION], (rows[i, FLAGS] & _SNAPSHOT) != 0
        halt = action == _NONE and snapshot
        restated = snapshot and not halt
        if halt:
            scalars[_HALTED] = 1
        if (action == _RESET or (restated and scalars[_WAS_SNAPSHOT] == 0)) and scalars[_HIGH] >= 0:
            kind[e], side[e], order_time[e] = CLEAR, 0, -1
            price[e], out_size[e] = scalars[_LOW], scalars[_HIGH]
            e += 1
            scalars[_LOW], scalars[_HIGH] = span, -1
            for k in range(2):
                count[k] = hidden_count[k] = 0
            for m in range(levels):
                book[4 * m], book[4 * m + 1], book[4 * m + 2], book[4 * m + 3] = _MISSING[0], 0, _MISSING[1], 0
        scalars[_WAS_SNAPSHOT] = restated
        if action == _TRADED and rows[i, PRICE] != _NO_PRICE and rows[i, SIZE] > 0:
            scalars[_HAS_TRADE] = 1
            below = rows[i, PRICE] // tick - base
            off = 1 if rows[i, PRICE] % tick != 0 else 0
            scalars[ROUNDED] += off
            aggressor = rows[i, SIDE]
            if below < 0 or below + 1 >= span:
                scalars[IGNORED] += 1
            else:
                if aggressor != _SELL:
                    kind[e], order_time[e], out_size[e] = TRADE, -1, rows[i, SIZE]
                    price[e], side[e] = below, 1 if aggressor == _BUY or off else 0
                    e += 1
                if aggressor == _SELL or (aggressor != _BUY and off):
                    kind[e], order_time[e], out_size[e] = TRADE, -1, rows[i, SIZE]
                    price[e], side[e] = below + off, -1
                    e += 1
        for k in range(2):
            stated = -1
            if action in (_CANCEL, _MODIFY) and rows[i, SIDE] == (_SELL if k else _BUY):
                stated = rows[i, ORDER_TIME]
            changed = False
            for m in range(levels):
                for c in range(4 * m + 2 * k, 4 * m + 2 * k + 2):
                    if rows[i, BOOK + c] != book[c]:
                        changed = True
                        book[c] = rows[i, BOOK + c]
            if not changed:
                continue
            sign = 1 - 2 * k  # of the side, and of the way to better prices
            n, full, worst = 0, True, 0
            for m in range(levels):
                p = rows[i, BOOK + 4 * m + 2 * k]
                if p == _MISSING[k] or rows[i, BOOK + 4 * m + 2 * k + 1] <= 0:
                    full = False
                    continue
                at = p // tick - base
                worst = min(max(at, 0), span - 1)
                if p % tick != 0 or at != worst:
                    scalars[IGNORED] += 1
                    continue
                new_index[k, n], new_size[k, n] = at, rows[i, BOOK + 4 * m + 2 * k + 1]
                n += 1
            # Levels that are no longer shown.
            j = 0
            for o in range(count[k]):
                at = index[k, o]
                j = _find(new_index, k, n, at, j)
                if j < n:
                    continue
                j = 0
                kind[e], side[e], price[e], order_time[e] = LEVEL, sign, at, -1
                out_size[e] = 0
                if full and (worst - at) * sign > 0:
                    kind[e] = HIDE
                    h = hidden_count[k]  # the nearest stands last
                    while h > 0 and (hidden[k, h - 1] - at) * sign > 0:
                        hidden[k, h] = hidden[k, h - 1]
                        h -= 1
                    hidden[k, h] = at
                    hidden_count[k] += 1
                else:
                    order_time[e] = stated
                e += 1
            # Hidden levels that the shown depth has passed, or would have shown.
            while hidden_count[k] > 0:
                at = hidden[k, hidden_count[k] - 1]
                if full and (worst - at) * sign > 0:
                    break
                hidden_count[k] -= 1
                if _find(new_index, k, n, at, 0) == n:
                    kind[e], side[e], price[e], out_size[e], order_time[e] = LEVEL, sign, at, 0, -1
                    e += 1
            # Levels that are new or have another size.
            j = 0
            for m in range(n):
                at = new_index[k, m]
                j = _find(index, k, count[k], at, j)
                if j < count[k] and size[k, j] == new_size[k, m]:
                    continue
                kind[e], side[e], price[e], out_size[e] = LEVEL, sign, at, new_size[k, m]
                order_time[e] = stated if j < count[k] and new_size[k, m] < size[k, j] else -1
                e += 1
                if j == count[k]:
                    j = 0
                    scalars[_LOW], scalars[_HIGH] = min(scalars[_LOW], at), max(scalars[_HIGH], at)
            count[k] = n
            for m in range(n):
                index[k, m], size[k, m] = new_index[k, m], new_size[k, m]
        scalars[_NEWEST] = max(scalars[_NEWEST], min(rows[i, EVENT], rows[i, RECV]))
        if rows[i, LAST] == 0:
            continue
        m = scalars[MESSAGES]
        exchange[m] = scalars[_NEWEST]
        receipt[m] = max(rows[i, RECV], scalars[_NEWEST], receipt[m - 1] if m > 0 else rows[i, RECV])
        bid[m] = index[0, 0] if count[0] > 0 else -1
        ask[m] = index[1, 0] if count[1] > 0 else -1
        if scalars[_HAS_TRADE] != 0 and not halt:
            scalars[_HALTED] = 0  # trading has resumed
        scalars[_HAS_TRADE] = 0
        crossed = bid[m] >= 0 and ask[m] >= 0 and bid[m] >= ask[m]
        nothing = bid[m] < 0 and ask[m] < 0
        tradable[m] = rows[i, CONTINUOUS] != 0 and scalars[_HALTED] == 0 and not crossed and not nothing
        scalars[MESSAGES] = m + 1
        first[m + 1] = e
        scalars[CLOSED_EVENTS] = e
    scalars[EVENTS] = e
    return len(rows)


def _find(table: Int64, k: int, n: int, value: int, guess: int) -> int:
    """Find `value` among the first n of row k, looking at `guess` and onwards first; n if it is not there."""
    for j in range(guess, n):
        if table[k, j] == value:
            return j
    for j in range(min(guess, n)):
        if table[k, j] == value:
            return j
    return n


record_rows = compiled(record_rows_py)
