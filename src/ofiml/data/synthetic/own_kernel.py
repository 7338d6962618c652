"""The event loop of the synthetic market with one order of our own in the book.

It calls the functions of `kernel.run_day` in a loop that can stop and go on: `begin`, `follow` to a time, `post` or
`withdraw` our order, `follow` again. Without an order of ours it makes the rows of `kernel.run`, to the bit. The market
cannot tell our order from others: it counts in queues, excites quotes as others do and is filled in its turn. Only its
cancel is ours: where the market would cancel it, nothing happens.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.data.synthetic.kernel import (
    _ADD,
    _ALIVE,
    _ANY_CANCEL,
    _ASK,
    _BEFORE,
    _BEST,
    _BETTER,
    _BID,
    _CANCEL,
    _COUNT,
    _H,
    _ID,
    _INFORMED,
    _M,
    _MARKET,
    _MIDDLE,
    _NEXT,
    _PLACE,
    _PRICE,
    _PRICES,
    _RATE,
    _SEEN,
    _SIZE,
    _STALE,
    _SUM,
    _TAIL,
    _TOTAL,
    _V,
    _Y,
    GRID,
    OFF_GRID,
    Books,
    Out,
    Plan,
    Rules,
    _add,
    _advance,
    _apply_market_order,
    _compute_activity,
    _draw_size,
    _match,
    _quote,
    _remove,
    _update_rates,
    _write,
)

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

#: Columns of our order: slot (-1: not in the book), id, side, grid price, lots left, lots ahead when it was posted.
SLOT, NUMBER, SIDE, PRICE, LEFT, AHEAD = range(6)
OWN_COLUMNS = 6
#: Columns of the clock, in seconds: the last event, start and end of the period, its number and U; our first and last
#: fill.
NOW, STARTS, ENDS, PART, LEVEL, FIRST_FILL, LAST_FILL = range(7)
CLOCK_COLUMNS = 7


def begin_py(clock: Float, rng: np.random.Generator, rules: Rules, plan: Plan, books: Books) -> None:
    """Start a day from `empty_books`, as `kernel.run_day` does. `clock` (CLOCK_COLUMNS,) is set."""
    now = -rules.burn_in
    level = plan.activity[0]
    clock[NOW], clock[STARTS], clock[ENDS], clock[PART], clock[LEVEL] = now, now, 0.0, -1.0, level
    for k in range(len(plan.base)):
        books.book[k, _BEST + _ASK] = GRID - 1
        books.state[k, _Y] = rules.clustering + rules.stirring
        _update_rates(k, now, level, level * plan.base[k], 0.0, rng, rules, books.grid, books.book, books.state)


def _compute_informed(k: int, now: float, clock: Float, rules: Rules, plan: Plan) -> float:
    """Compute the informed orders a second of symbol k."""
    part = int(clock[PART])
    if part < 0:
        return 0.0
    at_start = 1.0 / (rules.informed_decay * (1.0 - math.exp(-rules.period / rules.informed_decay)))
    age = (now - clock[STARTS]) / rules.informed_decay
    return abs(plan.news[part, k]) * plan.informed[k] * at_start * math.exp(-age)


def _cancel_other(
    n: int, k: int, kind: int, written: bool, own: int, rng: np.random.Generator,
    orders: Int64, live: Int64, grid: Int64, book: Int64, rows: Int64, levels: Int64,
) -> int:  # fmt: skip
    """As `kernel._cancel`, but our order, in slot `own` (-1: none), stays; each other one goes at its usual rate."""
    if kind < _ANY_CANCEL:
        side = kind - _STALE
        price = book[k, _BEST + side]
        slot = grid[k, price, _TAIL]
        if own >= 0 and orders[k, own, _PRICE] == price:
            if rng.random() * grid[k, price, _COUNT] < 1.0:  # the share of the queue's rate that is ours
                return n
            if slot == own:
                slot = orders[k, slot, _BEFORE]
    else:
        slot = live[k, int(rng.random() * book[k, _ALIVE])]
        if slot == own:
            return n
        side = _BID if orders[k, slot, _PRICE] <= book[k, _BEST + _BID] else _ASK
        if rng.random() * math.sqrt(grid[k, orders[k, slot, _PRICE], _COUNT]) >= 1.0:
            return n
    price, size, order = orders[k, slot, _PRICE], orders[k, slot, _SIZE], orders[k, slot, _ID]
    _remove(k, side, slot, orders, live, grid, book)
    return _write(n, k, _CANCEL, side, price, size, order, grid, book, rows, levels) if written else n


def _note_fill(now: float, own: Int64, clock: Float, orders: Int64, live: Int64, book: Int64) -> None:
    """Note what a market order of symbol 0 left of our order."""
    slot = own[SLOT]
    place = orders[0, slot, _PLACE]
    inside = place < book[0, _ALIVE] and live[0, place] == slot and orders[0, slot, _ID] == own[NUMBER]
    left = orders[0, slot, _SIZE] if inside else 0
    if left < own[LEFT]:
        if math.isnan(clock[FIRST_FILL]):
            clock[FIRST_FILL] = now
        clock[LAST_FILL] = now
        own[LEFT] = left
    if not inside:
        own[SLOT] = -1


def follow_py(
    n: int, until: float, stop_between: bool, clock: Float, own: Int64,
    rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out,
) -> int:  # fmt: skip
    """Let the market run to the last event at or before `until`; return the next row's number, or OFF_GRID.

    Rows are written from `n` on; full buffers end the run. With `stop_between` it runs to the time `until` itself, so
    that an order can be posted or withdrawn then; this draws other random numbers afterwards. Our order is one of
    symbol 0; `own` (OWN_COLUMNS,) and `clock` are kept up to date. Nothing happens after the last period.
    """
    base, parts, rows, levels = plan.base, len(plan.activity), out.rows, out.levels
    orders, live, grid, book, state = books.orders, books.live, books.grid, books.book, books.state
    symbols = len(base)
    while n < len(rows) and clock[PART] < parts:
        k = 0
        for i in range(1, symbols):
            if state[i, _NEXT] < state[k, _NEXT]:
                k = i
        at = state[k, _NEXT]
        if clock[ENDS] < at:
            at = clock[ENDS]
        if at > until:
            break
        level = clock[LEVEL]
        _advance(at - clock[NOW], level, base, plan.impact, rng, rules, state)
        now = clock[NOW] = at
        if now >= clock[ENDS]:
            clock[PART] += 1
            part = int(clock[PART])
            if part == parts:
                break
            clock[STARTS] = now
            clock[ENDS] = min((part + 1) * rules.period, rules.length)
            level = clock[LEVEL] = plan.activity[part]
            for i in range(symbols):
                informed = _compute_informed(i, now, clock, rules, plan)
                _update_rates(i, now, level, level * base[i], informed, rng, rules, grid, book, state)
            continue
        part = int(clock[PART])
        news = plan.news[part, k] if part >= 0 else 0
        informed = _compute_informed(k, now, clock, rules, plan)
        pick, kind = rng.random() * state[k, _SUM], 0
        while kind < _INFORMED and pick >= state[k, _RATE + kind]:
            pick -= state[k, _RATE + kind]
            kind += 1
        chance = rng.random()
        written, before = now >= rules.written_from, n
        if kind >= _MARKET:
            side, left = (_BID if news > 0 else _ASK), informed
            if kind < _INFORMED:
                side = kind - _MARKET
                left = state[k, _M + side] * (level * base[k] + state[k, _H + side])
            if chance * state[k, _RATE + kind] < left:
                size = _draw_size(rng, rules.size_scale, rules.large_markets)
                n = _match(n, k, side, size, written, orders, live, grid, book, rows, levels)
                _apply_market_order(
                    k, side, size, 2.0 * level * base[k] / (1.0 - rules.excitation), plan.impact, rules, state
                )
                if k == 0 and own[SLOT] >= 0:
                    _note_fill(now, own, clock, orders, live, book)
        elif chance * state[k, _SEEN] < _compute_activity(k, level, rules, state):
            if kind < _BETTER:
                state[k, _Y] += rules.clustering * rules.clustering_decay / (2.0 * rules.limit_rate * level)
            if kind < _STALE:
                n = _quote(n, k, kind, written, plan.lowest, rng, rules, orders, live, grid, book, state, rows, levels)
            else:
                slot = own[SLOT] if k == 0 else -1
                n = _cancel_other(n, k, kind, written, slot, rng, orders, live, grid, book, rows, levels)
        for row in range(before, n):
            out.seconds[row] = now
            out.values[row] = state[k, _V]
        if not plan.lowest < _MIDDLE + state[k, _V] < GRID - 2:
            return OFF_GRID
        _update_rates(k, now, level, level * base[k], informed, rng, rules, grid, book, state)
    if stop_between and clock[PART] < parts and n < len(rows):
        _advance(until - clock[NOW], clock[LEVEL], base, plan.impact, rng, rules, state)
        clock[NOW] = until
    return n


def post_py(
    n: int, side: int, lots: int, clock: Float, own: Int64,
    rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out,
) -> int:  # fmt: skip
    """Post our order at the best price of `side` of symbol 0, at the end of its queue; return the next row's number.

    `own` has slot -1 if there is no such price, or if the book is full.
    """
    orders, live, grid, book, state = books.orders, books.live, books.grid, books.book, books.state
    own[SLOT], own[SIDE], own[LEFT] = -1, side, lots
    clock[FIRST_FILL] = clock[LAST_FILL] = math.nan
    if book[0, _PRICES + side] == 0 or book[0, _ALIVE] == len(live[0]) or n == len(out.rows):
        return n
    level, price = clock[LEVEL], book[0, _BEST + side]
    own[PRICE], own[AHEAD] = price, grid[0, price, _TOTAL]
    own[SLOT] = live[0, book[0, _ALIVE]]
    own[NUMBER] = _add(0, side, price, lots, orders, live, grid, book)
    state[0, _Y] += rules.clustering * rules.clustering_decay / (2.0 * rules.limit_rate * level)
    return _announce(n, _ADD, own, clock, rng, rules, plan, books, out)


def withdraw_py(
    n: int, clock: Float, own: Int64, rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out
) -> int:
    """Cancel what is left of our order; return the next row's number."""
    if own[SLOT] < 0 or n == len(out.rows):
        return n
    _remove(0, own[SIDE], own[SLOT], books.orders, books.live, books.grid, books.book)
    own[SLOT] = -1
    return _announce(n, _CANCEL, own, clock, rng, rules, plan, books, out)


def _announce(
    n: int, action: int, own: Int64, clock: Float,
    rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out,
) -> int:  # fmt: skip
    """Write what we did, and let the market look at it."""
    grid, book, state = books.grid, books.book, books.state
    now, level = clock[NOW], clock[LEVEL]
    out.seconds[n], out.values[n] = now, state[0, _V]
    n = _write(n, 0, action, own[SIDE], own[PRICE], own[LEFT], own[NUMBER], grid, book, out.rows, out.levels)
    informed = _compute_informed(0, now, clock, rules, plan)
    _update_rates(0, now, level, level * plan.base[0], informed, rng, rules, grid, book, state)
    return n


begin, follow, post, withdraw = compiled(begin_py), compiled(follow_py), compiled(post_py), compiled(withdraw_py)


def find_mid(books: Books) -> float:
    """Return the mid of symbol 0 in grid ticks; NaN if a side is empty."""
    book = books.book[0]
    both = book[_PRICES + _ASK] > 0 and book[_PRICES + _BID] > 0
    return (book[_BEST + _ASK] + book[_BEST + _BID]) / 2.0 if both else math.nan
