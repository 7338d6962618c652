"""One order of our own in the synthetic market: post it, watch it fill, withdraw it.

The market cannot tell our order from others: it counts in queues, excites quotes as others do and is filled in its
turn. Only its cancel is ours: where the market would cancel it, nothing happens. It is an order of symbol 0.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ofiml.data.synthetic.books import (
    ADD,
    ALIVE,
    ASK,
    BEST,
    BID,
    CANCEL,
    ID,
    PLACE,
    PRICES,
    SIZE,
    TOTAL,
    Books,
    Out,
    add_order,
    remove_order,
    write_row,
)
from ofiml.data.synthetic.rates import (
    FIRST_FILL,
    LAST_FILL,
    LEVEL,
    NOW,
    TRANSIENT,
    Plan,
    Rules,
    V,
    Y,
    compute_informed,
    update_rates,
)

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

#: Columns of our order: slot (-1: not in the book), id, side, grid price, lots left, lots ahead when it was posted.
OWN_SLOT, OWN_ID, OWN_SIDE, OWN_PRICE, OWN_LEFT, OWN_AHEAD = range(6)
OWN_COLUMNS = 6
#: The price of an order that joins the best one of its side.
TOUCH = -1


def empty_own() -> Int64:
    """Make our order (OWN_COLUMNS,) before it is posted."""
    return np.full(OWN_COLUMNS, -1, np.int64)


def note_fill(now: float, own: Int64, clock: Float, orders: Int64, live: Int64, book: Int64) -> None:
    """Note what a market order of symbol 0 left of our order."""
    slot = own[OWN_SLOT]
    place = orders[0, slot, PLACE]
    inside = place < book[0, ALIVE] and live[0, place] == slot and orders[0, slot, ID] == own[OWN_ID]
    left = orders[0, slot, SIZE] if inside else 0
    if left < own[OWN_LEFT]:
        if math.isnan(clock[FIRST_FILL]):
            clock[FIRST_FILL] = now
        clock[LAST_FILL] = now
        own[OWN_LEFT] = left
    if not inside:
        own[OWN_SLOT] = -1


def post(
    n: int, side: int, lots: int, clock: Float, own: Int64,
    rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out, price: int = TOUCH,
) -> int:  # fmt: skip
    """Post our order on `side` of symbol 0 at a grid price, by default the best one, at the end of the queue there;
    return the next row's number.

    `own` has slot -1 if there is no best price, if the price is off the grid or would trade, or if the book is full.
    """
    orders, live, grid, book, state = books.orders, books.live, books.grid, books.book, books.state
    own[OWN_SLOT], own[OWN_SIDE], own[OWN_LEFT] = -1, side, lots
    clock[FIRST_FILL] = clock[LAST_FILL] = math.nan
    if book[0, ALIVE] == len(live[0]) or n == len(out.rows):
        return n
    if price == TOUCH:
        price = book[0, BEST + side] if book[0, PRICES + side] > 0 else 0
    opposite = book[0, BEST + 1 - side]
    trades = book[0, PRICES + 1 - side] > 0 and (price >= opposite if side == BID else price <= opposite)
    if trades or not 0 < price < len(grid[0]) - 1:
        return n
    level = clock[LEVEL]
    own[OWN_PRICE], own[OWN_AHEAD] = price, grid[0, price, TOTAL]
    own[OWN_SLOT] = live[0, book[0, ALIVE]]
    own[OWN_ID] = add_order(0, side, price, lots, orders, live, grid, book)
    state[0, Y] += rules.clustering * rules.clustering_decay / (2.0 * rules.limit_rate * level)
    return _announce(n, ADD, own, clock, rng, rules, plan, books, out)


def withdraw(
    n: int, clock: Float, own: Int64, rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out
) -> int:
    """Cancel what is left of our order; return the next row's number."""
    if own[OWN_SLOT] < 0 or n == len(out.rows):
        return n
    remove_order(0, own[OWN_SIDE], own[OWN_SLOT], books.orders, books.live, books.grid, books.book)
    own[OWN_SLOT] = -1
    return _announce(n, CANCEL, own, clock, rng, rules, plan, books, out)


def _announce(
    n: int, action: int, own: Int64, clock: Float,
    rng: np.random.Generator, rules: Rules, plan: Plan, books: Books, out: Out,
) -> int:  # fmt: skip
    """Write what we did, and let the market look at it."""
    grid, book, state = books.grid, books.book, books.state
    now, level = clock[NOW], clock[LEVEL]
    out.seconds[n], out.values[n], out.transient[n] = now, state[0, V], state[0, TRANSIENT]
    n = write_row(
        n, 0, action, own[OWN_SIDE], own[OWN_PRICE], own[OWN_LEFT], own[OWN_ID], grid, book, out.rows, out.levels
    )
    informed = compute_informed(0, clock, rules, plan)
    update_rates(0, now, True, level, level * plan.base[0], informed, rng, rules, grid, book, state)
    return n


def find_mid(books: Books) -> float:
    """Return the mid of symbol 0 in grid ticks; NaN if a side is empty."""
    book = books.book[0]
    both = book[PRICES + ASK] > 0 and book[PRICES + BID] > 0
    return (book[BEST + ASK] + book[BEST + BID]) / 2.0 if both else math.nan
