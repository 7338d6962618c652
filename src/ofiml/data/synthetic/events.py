"""The events of the synthetic market that quotes make: limit orders and cancels.

The compiled event loop of `kernel` calls the functions. Each writes at most one row.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ofiml.data.synthetic.books import (
    ADD,
    ALIVE,
    ASK,
    BEFORE,
    BEST,
    BID,
    CANCEL,
    COUNT,
    GRID,
    ID,
    ORDERS,
    PRICE,
    SIZE,
    TAIL,
    Levels,
    add_order,
    remove_order,
    write_row,
)
from ofiml.data.synthetic.rates import (
    ANY_CANCEL,
    BETTER,
    MAX_ROOM,
    MIDDLE,
    STALE,
    Rules,
    V,
    clip,
    compute_lean,
    measure_room,
)

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

LARGE = 10.0  # size of large orders as a multiple of others
_MAX_DISTANCE = 2000.0  # ticks from V, the maximum distance of a limit order


def draw_size(rng: np.random.Generator, scale: float, large: float) -> int:
    return 1 + int(rng.exponential(scale * (LARGE if rng.random() < large else 1.0)))


def place_quote(
    n: int, k: int, kind: int, written: bool, lowest: int, rng: np.random.Generator, rules: Rules,
    orders: Int64, live: Int64, grid: Int64, book: Int64, state: Float, rows: Int64, levels: Levels,
) -> int:  # fmt: skip
    """Place a limit order at a distance from V with a power-law tail, or at one of the prices that V left vacant.

    Private news turns a share of the former to its side. The order is not sent if it would trade; the probability that
    it is sent falls with the number of orders at its price. Returns the number of the next row.
    """
    side = kind % 2
    if kind >= BETTER:
        room = clip(float(math.floor(measure_room(k, side, rules, book, state))), 1.0, MAX_ROOM)
        far = float(math.floor(rng.random() * room))
    else:
        far = clip(rules.placement * (1.0 / math.sqrt(1.0 - rng.random()) - 1.0), 0.0, _MAX_DISTANCE)
        lean = compute_lean(k, rules, state)
        if lean != 0.0 and (lean > 0.0) == (side == ASK) and rng.random() < abs(lean):
            side = 1 - side
    if side == BID:
        price = MIDDLE + math.floor(state[k, V] - rules.half_spread - far)
        passive = price < book[k, BEST + ASK]
    else:
        price = MIDDLE + math.ceil(state[k, V] + rules.half_spread + far)
        passive = price > book[k, BEST + BID]
    if not passive or not lowest <= price < GRID - 1 or book[k, ALIVE] == ORDERS:
        return n
    if rng.random() * (1.0 + grid[k, price, COUNT] / rules.crowd) >= 1.0:
        return n
    size = draw_size(rng, rules.size_scale, rules.large_limits)
    order = add_order(k, side, price, size, orders, live, grid, book)
    return write_row(n, k, ADD, side, price, size, order, grid, book, rows, levels) if written else n


def cancel_order(
    n: int, k: int, kind: int, written: bool, own: int, rng: np.random.Generator,
    orders: Int64, live: Int64, grid: Int64, book: Int64, rows: Int64, levels: Levels,
) -> int:  # fmt: skip
    """Cancel the youngest order of a queue that V overtook, or any order, but not our own in slot `own` (-1: none).

    An order in a queue of q orders is cancelled with probability 1/sqrt(q), so that cancels grow with the square root
    of the queue. Each order but ours goes at its usual rate. Returns the number of the next row.
    """
    if kind < ANY_CANCEL:
        side = kind - STALE
        price = book[k, BEST + side]
        slot = grid[k, price, TAIL]
        if own >= 0 and orders[k, own, PRICE] == price:
            if rng.random() * grid[k, price, COUNT] < 1.0:  # the share of the queue's rate that is ours
                return n
            if slot == own:
                slot = orders[k, slot, BEFORE]
    else:
        slot = live[k, int(rng.random() * book[k, ALIVE])]
        if slot == own:
            return n
        side = BID if orders[k, slot, PRICE] <= book[k, BEST + BID] else ASK
        if rng.random() * math.sqrt(grid[k, orders[k, slot, PRICE], COUNT]) >= 1.0:
            return n
    price, size, order = orders[k, slot, PRICE], orders[k, slot, SIZE], orders[k, slot, ID]
    remove_order(k, side, slot, orders, live, grid, book)
    return write_row(n, k, CANCEL, side, price, size, order, grid, book, rows, levels) if written else n
