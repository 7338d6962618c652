"""The book builder's loop over messages. `run_py` is the specification, `run` its njit.

One loop serves feeds of orders (by id) and of differences (sizes by price). Each side keeps its price levels in one
sorted array with the best last, so that work near the touch moves few of them; asks are kept negated, which makes both
sides one case. A level knows the message that opened it, and an order the one that brought it: an order older than its
level went with an earlier level of that price, and needs no search when levels are cleared or swept.
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

# What a message does to the book.
ADD = 0  # a new order
REDUCE = 1  # takes `size` off an order; all of it, where that is more than is left
DELETE = 2  # removes an order
REPLACE = 3  # gives an order this price and size; one that is not known is added
CLEAR = 4  # empties the book, or the given side of it
KEEP = 5  # nothing: a trade whose orders have messages of their own, a status
SET = 6  # the price level has this size now; 0 removes it
# For feeds that leave messages out, of a market that never crosses:
ADD_FIRM = 7  # as ADD; the other side's levels in its way have gone unseen, and go
TAKE_FIRM = 8  # as REDUCE by a trade; its own side's better levels have gone unseen, and go
ADD_SHOWN = 9  # as ADD_FIRM, in a feed of the shown levels only: what falls behind them is out of sight, and goes

# What came of a message, as bits.
CHANGED = 1  # the shown levels are not what they were
UNKNOWN = 2  # an order, or a level to remove, that is not in the book
EXCESS = 4  # more than was left of the order
TWICE = 8  # an id that rests already: the new order takes its place
SWEPT = 16  # levels went that a firm message found in its way

ASK, BID, NO_SIDE = 0, 1, 2
NEVER, IF_CHANGED, ALWAYS = 0, 1, 2
MISSING = np.iinfo(np.int64).min  # the price of a level that is not there


def _find(keys: Int64, n: int, key: int) -> int:
    """Index of the first of the `n` sorted keys that is not below `key`: most are near the end, where the best is."""
    step = 1
    while step <= n and keys[n - step] >= key:
        step *= 2
    low, high = max(n - step + 1, 0), n - step // 2
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


def _change(level: Int64, n: int, key: int, size: int, count: int, now: int) -> tuple[int, int]:
    """Adds `size` and `count` to the level at `key`, opening or closing it: (levels now, its rank from the best).

    `level` (4, capacity): keys, sizes, counts, the message that opened it.
    """
    at = _find(level[0], n, key)
    if at < n and level[0, at] == key:
        level[1, at] += size
        level[2, at] += count
        rank = n - 1 - at
        if level[1, at] <= 0:
            for row in range(4):
                for i in range(at, n - 1):
                    level[row, i] = level[row, i + 1]
            n -= 1
        return n, rank
    for row in range(4):
        for i in range(n, at, -1):
            level[row, i] = level[row, i - 1]
    level[0, at], level[1, at], level[2, at], level[3, at] = key, size, count, now
    return n + 1, n - at


def _level_at(level: Int64, n: int, key: int) -> tuple[int, int]:
    """(size, message that opened it) of the level at `key`; size 0 where there is none."""
    at = _find(level[0], n, key)
    return (level[1, at], level[3, at]) if at < n and level[0, at] == key else (0, 0)


def _sweep(level: Int64, n: int, key: int) -> int:
    """How many levels are left when those better than `key` go."""
    while n > 0 and level[0, n - 1] > key:
        n -= 1
    return n


def run_py(
    op: UInt8,
    side: UInt8,
    price: Int64,
    size: Int64,
    order: Int64,
    show: UInt8,
    levels: int,
    count: int,
    row_of: Int64,
    effect: UInt8,
    px: Int64,
    sz: Int64,
    ct: Int64,
) -> int:
    """Runs the messages (n,) through an empty book and returns the number of rows written.

    `show` (n,) says when a message gets a row: NEVER, IF_CHANGED (the `levels` shown ones, by it or by messages without
    a row before it) or ALWAYS. `order` numbers the `count` distinct orders from 0. Out: `row_of` (rows,) the message of
    each row; `effect` (n,) bits; `px`, `sz`, `ct` (2·levels, rows): bids then asks by rank, price MISSING and size 0
    where there is none.
    """
    orders = np.zeros((count, 4), np.int64)  # side, key, size left, the message that brought it
    book = np.empty((2, 4, 1024), np.int64)
    depth = np.zeros(2, np.int64)
    rows = 0
    changed = False
    for i in range(len(op)):
        what, s = op[i], side[i]
        bits = 0
        if max(depth[0], depth[1]) == book.shape[2]:
            grown = np.empty((2, 4, 2 * book.shape[2]), np.int64)
            grown[:, :, : book.shape[2]] = book
            book = grown

        if what == CLEAR:
            for one in range(2):
                if s in (one, NO_SIDE):
                    depth[one] = 0
            bits |= CHANGED
        elif what == SET:
            key = price[i] if s == BID else -price[i]
            before, _ = _level_at(book[s], depth[s], key)
            if before != size[i]:
                # How many orders make it up is not known: the count stays 0.
                depth[s], rank = _change(book[s], depth[s], key, size[i] - before, 0, i)
                if rank < levels:
                    bits |= CHANGED
            elif size[i] == 0:
                bits |= UNKNOWN
        elif what != KEEP:
            at = order[i]
            known = orders[at, 2] > 0
            if known:
                resting, opened = _level_at(book[orders[at, 0]], depth[orders[at, 0]], orders[at, 1])
                known = resting > 0 and opened <= orders[at, 3]
            adds = what in (ADD, ADD_FIRM, ADD_SHOWN, REPLACE)
            if known and adds and what != REPLACE:
                bits |= TWICE
            if not known and (not adds or what == REPLACE):
                bits |= UNKNOWN
            if known:
                own, left = orders[at, 0], orders[at, 2]
                off = left if adds or what == DELETE else min(left, size[i])
                if not adds and what != DELETE and size[i] > left:
                    bits |= EXCESS
                orders[at, 2] = left - off
                if off > 0:
                    depth[own], rank = _change(book[own], depth[own], orders[at, 1], -off, -1 if off == left else 0, i)
                    if rank < levels:
                        bits |= CHANGED
            if what in (TAKE_FIRM, ADD_FIRM, ADD_SHOWN):
                # Levels that the trade or the order would have met first.
                swept = s if what == TAKE_FIRM else 1 - s
                limit = price[i] if swept == BID else -price[i]
                left = _sweep(book[swept], depth[swept], limit - (what != TAKE_FIRM))
                if left < depth[swept]:
                    depth[swept] = left
                    bits |= SWEPT | CHANGED
            if adds and size[i] > 0:
                key = price[i] if s == BID else -price[i]
                orders[at, 0], orders[at, 1], orders[at, 2], orders[at, 3] = s, key, size[i], i
                depth[s], rank = _change(book[s], depth[s], key, size[i], 1, i)
                if rank < levels:
                    bits |= CHANGED
                if what == ADD_SHOWN and depth[s] > levels:
                    depth[s] -= 1
                    for row in range(4):
                        for k in range(depth[s]):
                            book[s, row, k] = book[s, row, k + 1]

        effect[i] = bits
        changed = changed or bits & CHANGED != 0
        if show[i] == ALWAYS or (show[i] == IF_CHANGED and changed):
            changed = False
            row_of[rows] = i
            for s in range(2):
                for m in range(levels):
                    column = m if s == BID else levels + m
                    at = depth[s] - 1 - m
                    if at >= 0:
                        px[column, rows] = book[s, 0, at] if s == BID else -book[s, 0, at]
                        sz[column, rows] = book[s, 1, at]
                        ct[column, rows] = book[s, 2, at]
                    else:
                        px[column, rows], sz[column, rows], ct[column, rows] = MISSING, 0, 0
            rows += 1
    return rows


run = compiled(run_py)
