"""The book builder's loop over messages. `run_py` is the specification, `run` its njit.

One loop serves feeds of orders (by id) and of differences (sizes by price). Each side stores its price levels in one
sorted array with the best last, so that changes near the touch move few of them. Asks are stored negated, so that both
sides are one case. A level stores the message that opened it, an order the message that added it. An order older than
the level at its price left with an earlier level, so clearing or sweeping levels needs no search for their orders.
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

# The operation of a message on the book.
ADD = 0  # add an order
REDUCE = 1  # remove `size` from an order, at most its remaining size
DELETE = 2  # remove an order
REPLACE = 3  # set an order's price and size; add an unknown order
CLEAR = 4  # empty the book, or one side of it
KEEP = 5  # no change: a trade whose orders have separate messages, a status
SET = 6  # set the size of a price level; 0 removes it
# For feeds that omit messages, in a market that never crosses:
ADD_FIRM = 7  # as ADD; remove the other side's levels in its way, whose removal the feed omitted
TAKE_FIRM = 8  # as REDUCE by a trade; remove better levels of its own side, whose removal the feed omitted
ADD_SHOWN = 9  # as ADD_FIRM, in a feed of the shown levels only: remove levels that fall behind them

# The effect of a message, as bits.
CHANGED = 1  # the shown levels changed
UNKNOWN = 2  # the order, or the level to remove, is not in the book
EXCESS = 4  # the message removes more than the order has left
TWICE = 8  # the id is already in the book; the new order replaces the old one
SWEPT = 16  # a firm message removed levels in its way

ASK, BID, NO_SIDE = 0, 1, 2
NEVER, IF_CHANGED, ALWAYS = 0, 1, 2
MISSING = np.iinfo(np.int64).min  # the price of a missing level
UNPLACED = -1  # of an order whose place in its queue is not known


def _find_key(keys: Int64, n: int, key: int) -> int:
    """Return the index of the first of the `n` sorted keys that is not below `key`.

    Searches from the end: most changes are near the best level.
    """
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


def _change_level(level: Int64, n: int, key: int, size: int, count: int, now: int) -> tuple[int, int]:
    """Add `size` and `count` to the level at `key`, opening or closing it; return the number of levels and its rank.

    `level` (4, capacity): keys, sizes, counts, the message that opened the level. Rank 0 is the best.
    """
    at = _find_key(level[0], n, key)
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


def _find_level(level: Int64, n: int, key: int) -> tuple[int, int]:
    """Return the size of the level at `key` and the message that opened it; size 0 if there is no level."""
    at = _find_key(level[0], n, key)
    return (level[1, at], level[3, at]) if at < n and level[0, at] == key else (0, 0)


def _sweep(level: Int64, n: int, key: int) -> int:
    """Return the number of levels that remain when those better than `key` are removed."""
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
    placed: Int64,
    px: Int64,
    sz: Int64,
    ct: Int64,
) -> int:
    """Apply the messages (n,) to an empty book; return the number of rows written.

    `show` (n,) is the condition for a row: NEVER, ALWAYS, or IF_CHANGED since the last row (in the `levels` shown).
    `order` numbers the `count` distinct orders from 0. Out: `row_of` (rows,) the message of each row; `effect` (n,)
    bits; `placed` (n,) the message that gave the order its place in the queue: an added order its own, a removed or
    changed one the place that it had before, UNPLACED for an order that is not in the book and for no order; `px`,
    `sz`, `ct` (2·levels, rows): bids then asks by rank, price MISSING and size 0 for a missing level.
    """
    # Side, key, remaining size, the message that last set the order, the message that gave it its place in the queue.
    orders = np.zeros((count, 5), np.int64)
    book = np.empty((2, 4, 1024), np.int64)
    depth = np.zeros(2, np.int64)
    rows = 0
    changed = False
    for i in range(len(op)):
        what, s = op[i], side[i]
        bits = 0
        placed[i] = UNPLACED
        if max(depth[0], depth[1]) == book.shape[2]:
            grown = np.empty((2, 4, 2 * book.shape[2]), np.int64)
            for k in range(book.shape[2]):  # copied as a whole it would take numba seconds longer to compile
                for row in range(4):
                    for one in range(2):
                        grown[one, row, k] = book[one, row, k]
            book = grown

        if what == CLEAR:
            for one in range(2):
                if s in (one, NO_SIDE):
                    depth[one] = 0
            bits |= CHANGED
        elif what == SET:
            key = price[i] if s == BID else -price[i]
            before, _ = _find_level(book[s], depth[s], key)
            if before != size[i]:
                # The feed does not state the number of orders: the count stays 0.
                depth[s], rank = _change_level(book[s], depth[s], key, size[i] - before, 0, i)
                if rank < levels:
                    bits |= CHANGED
            elif size[i] == 0:
                bits |= UNKNOWN
        elif what != KEEP:
            at = order[i]
            known = orders[at, 2] > 0
            if known:
                resting, opened_by = _find_level(book[orders[at, 0]], depth[orders[at, 0]], orders[at, 1])
                known = resting > 0 and opened_by <= orders[at, 3]
            adds = what in (ADD, ADD_FIRM, ADD_SHOWN, REPLACE)
            if known and adds and what != REPLACE:
                bits |= TWICE
            if not known and (not adds or what == REPLACE):
                bits |= UNKNOWN
            keeps_place = False
            if known:
                placed[i] = orders[at, 4]
                # An order loses its place by another price or a larger size, not by a smaller one.
                same_price = orders[at, 0] == s and orders[at, 1] == (price[i] if s == BID else -price[i])
                keeps_place = what == REPLACE and same_price and size[i] <= orders[at, 2]
                own, remaining = orders[at, 0], orders[at, 2]
                off = remaining if adds or what == DELETE else min(remaining, size[i])
                if not adds and what != DELETE and size[i] > remaining:
                    bits |= EXCESS
                orders[at, 2] = remaining - off
                if off > 0:
                    depth[own], rank = _change_level(
                        book[own], depth[own], orders[at, 1], -off, -1 if off == remaining else 0, i
                    )
                    if rank < levels:
                        bits |= CHANGED
            if what in (TAKE_FIRM, ADD_FIRM, ADD_SHOWN):
                # The trade or order would have met these levels first.
                swept = s if what == TAKE_FIRM else 1 - s
                limit = price[i] if swept == BID else -price[i]
                remaining = _sweep(book[swept], depth[swept], limit - (what != TAKE_FIRM))
                if remaining < depth[swept]:
                    depth[swept] = remaining
                    bits |= SWEPT | CHANGED
            if adds and size[i] > 0:
                key = price[i] if s == BID else -price[i]
                orders[at, 0], orders[at, 1], orders[at, 2], orders[at, 3] = s, key, size[i], i
                if not keeps_place:
                    orders[at, 4] = i
                if what != REPLACE:
                    placed[i] = i
                depth[s], rank = _change_level(book[s], depth[s], key, size[i], 1, i)
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
