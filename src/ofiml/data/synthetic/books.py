"""The books of the synthetic market: orders in queues with price-time priority, and the rows written of them.

The compiled event loop of `kernel` calls the functions. `k` is the number of the symbol.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Levels = NDArray[np.int32] | NDArray[np.int64]  # half the memory of int64 makes the event loop a tenth faster

# Codes as in data.schema: the positions of A, C, T in ACTION and of A, B in SIDE.
ADD, CANCEL, TRADE = 0, 1, 4
ASK, BID = 0, 1

GRID = 1 << 16  # prices a book can stand on; the first and the last stay empty and stand for "no quote"
ORDERS = 1 << 13  # resting orders a symbol can have; a full book takes no more
ROW_COLUMNS = 7  # symbol, action, side, price (grid index), size, last of message, order id
STATE_COLUMNS = 21  # of a symbol's state; `rates` names them

# Columns of an order, of a price, of a symbol's book.
PRICE, SIZE, BEFORE, AFTER, PLACE, ID = range(6)
TOTAL, COUNT, HEAD, TAIL = range(4)
BEST, PRICES, ALIVE, NEXT_ID = 0, 2, 4, 5  # best price and number of prices are [ask, bid] pairs


class Out(NamedTuple):
    """The output of n rows: `seconds` (n,), the time; `values` (n,), the symbol's V after the event, in ticks from its
    start; `transient` (n,), the transient impact in it; `rows` (n, ROW_COLUMNS); `levels` (6, depth, n) of ask price,
    size, count, bid price, size, count. A missing level has size 0.
    """

    seconds: Float
    values: Float
    transient: Float
    rows: Int64
    levels: Levels


class Books(NamedTuple):
    """The books of K symbols: `orders` (K, ORDERS, 6) by slot; `live` (K, ORDERS), a permutation of slots whose first
    ones are in use; `grid` (K, GRID, 4), the queues by price; `book` (K, 6) and `state` (K, STATE_COLUMNS), one row
    per symbol.
    """

    orders: Int64
    live: Int64
    grid: Int64
    book: Int64
    state: Float


def empty_books(symbols: int) -> Books:
    """Make the books of `symbols` symbols before their first order."""
    return Books(
        orders=np.zeros((symbols, ORDERS, 6), np.int64),
        live=np.tile(np.arange(ORDERS), (symbols, 1)),
        grid=np.zeros((symbols, GRID, 4), np.int64),
        book=np.zeros((symbols, 6), np.int64),
        state=np.zeros((symbols, STATE_COLUMNS)),
    )


def add_order(k: int, side: int, price: int, size: int, orders: Int64, live: Int64, grid: Int64, book: Int64) -> int:
    """Put an order at the end of its queue and return its id."""
    slot = live[k, book[k, ALIVE]]
    order, queue = orders[k, slot], grid[k, price]
    order[PRICE], order[SIZE], order[AFTER] = price, size, -1
    order[PLACE], order[ID] = book[k, ALIVE], book[k, NEXT_ID]
    book[k, ALIVE] += 1
    book[k, NEXT_ID] += 1
    if queue[COUNT] == 0:
        order[BEFORE] = -1
        queue[HEAD] = slot
        book[k, PRICES + side] += 1
        best = book[k, BEST + side]
        if (price > best) if side == BID else (price < best):
            book[k, BEST + side] = price
    else:
        order[BEFORE] = queue[TAIL]
        orders[k, queue[TAIL], AFTER] = slot
    queue[TAIL] = slot
    queue[COUNT] += 1
    queue[TOTAL] += size
    return order[ID]


def remove_order(k: int, side: int, slot: int, orders: Int64, live: Int64, grid: Int64, book: Int64) -> None:
    """Remove an order from its queue and free its slot; if the queue is then empty, move the best price."""
    order = orders[k, slot]
    price = order[PRICE]
    queue = grid[k, price]
    if order[BEFORE] >= 0:
        orders[k, order[BEFORE], AFTER] = order[AFTER]
    else:
        queue[HEAD] = order[AFTER]
    if order[AFTER] >= 0:
        orders[k, order[AFTER], BEFORE] = order[BEFORE]
    else:
        queue[TAIL] = order[BEFORE]
    queue[COUNT] -= 1
    queue[TOTAL] -= order[SIZE]
    last, place = book[k, ALIVE] - 1, order[PLACE]
    moved = live[k, last]
    live[k, place], live[k, last] = moved, slot
    orders[k, moved, PLACE] = place
    book[k, ALIVE] = last
    if queue[COUNT] > 0:
        return
    book[k, PRICES + side] -= 1
    if price != book[k, BEST + side]:
        return
    if book[k, PRICES + side] == 0:
        price = 0 if side == BID else GRID - 1
    else:
        step = -1 if side == BID else 1
        price += step
        while grid[k, price, COUNT] == 0:
            price += step
    book[k, BEST + side] = price


def match_order(
    n: int, k: int, side: int, size: int, written: bool,
    orders: Int64, live: Int64, grid: Int64, book: Int64, rows: Int64, levels: Levels,
) -> int:  # fmt: skip
    """Match a market order of `side` with the oldest orders at the best prices, and write one row per price.

    Size without a counterparty is not filled. Returns the number of the next row.
    """
    passive, first = 1 - side, n
    while size > 0 and book[k, PRICES + passive] > 0 and n < len(rows):
        price = book[k, BEST + passive]
        queue = grid[k, price]
        oldest, taken = orders[k, queue[HEAD], ID], 0
        while size > 0 and queue[COUNT] > 0:
            slot = queue[HEAD]
            left = orders[k, slot, SIZE]
            part = size if size < left else left
            size -= part
            taken += part
            if part == left:
                remove_order(k, passive, slot, orders, live, grid, book)
            else:
                orders[k, slot, SIZE] -= part
                queue[TOTAL] -= part
        if written:
            n = write_row(n, k, TRADE, side, price, taken, oldest, grid, book, rows, levels)
    if n > first:
        rows[n - 1, 5] = 1
    return n


def write_row(
    n: int, k: int, action: int | np.int64, side: int, price: int, size: int, order: int,
    grid: Int64, book: Int64, rows: Int64, levels: Levels,
) -> int:  # fmt: skip
    """Write row n, the event and symbol k's book after it; return n + 1. The last row of a trade is marked later."""
    row = rows[n]
    row[0], row[1], row[2], row[3], row[4], row[5], row[6] = k, action, side, price, size, action != TRADE, order
    for s in range(2):
        step = -1 if s == BID else 1
        at, there = book[k, BEST + s], book[k, PRICES + s]
        for depth in range(levels.shape[1]):
            if depth >= there:
                levels[3 * s, depth, n] = levels[3 * s + 1, depth, n] = levels[3 * s + 2, depth, n] = 0
                continue
            while grid[k, at, COUNT] == 0:
                at += step
            levels[3 * s, depth, n] = at
            levels[3 * s + 1, depth, n] = grid[k, at, TOTAL]
            levels[3 * s + 2, depth, n] = grid[k, at, COUNT]
            at += step
    return n + 1
