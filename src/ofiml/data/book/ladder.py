"""The book of a feed with sizes by price, message by message. `run_py` is the specification, `run` its njit.

All prices are known beforehand, so a price is its rank and a side of the book one array of sizes. A level is in the
book if its price was set since the side was last emptied (`stamp` equals the side's `epoch`) and its size is not 0.

After FORGET the book is unknown: levels may rest that no message has stated yet. A seen bid excludes asks at or below
its price, and an ask that comes there later is seen; likewise for bids above a seen ask. So a level is known if it is
not beyond the best price that the other side has had since (`bound`), or if its price and all between it and that
price have been set, on the grid of the tick. Unknown levels are missing.
"""

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml.data.book.kernel import ALWAYS, BID, CHANGED, CLEAR, IF_CHANGED, MISSING, NO_SIDE, SET, UNKNOWN

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

# Operations besides CLEAR, KEEP and SET of the book of orders.
FORGET = 10  # empty the book; its levels are unknown until they are set
CLEAR_THROUGH = 11  # remove the levels of one side from the best through `rank`

BLIND = 32  # effect: no level is known after the message


def _find_next(size: Int64, stamp: Int64, epoch: int, at: int, step: int) -> int:
    """Return the rank of the first level from `at` on in steps of `step`, or a rank outside of the array."""
    while 0 <= at < len(size) and (stamp[at] != epoch or size[at] == 0):
        at += step
    return at


def _insert_shown(top: Int64, shown: int, k: int, step: int) -> None:
    """Insert rank `k` into the `shown` ranks of a side, best first; the last is lost if there is no room."""
    i = min(shown, len(top) - 1)
    while i > 0 and (top[i - 1] - k) * step > 0:
        top[i] = top[i - 1]
        i -= 1
    top[i] = k


def _remove_shown(top: Int64, shown: int, k: int, size: Int64, stamp: Int64, epoch: int, step: int, more: bool) -> None:
    """Remove rank `k` from the `shown` ranks of a side; `more`: take in the next level of the book."""
    last = top[shown - 1]
    i = 0
    while top[i] != k:
        i += 1
    for j in range(i, shown - 1):
        top[j] = top[j + 1]
    if more:
        top[shown - 1] = _find_next(size, stamp, epoch, last + step, step)


def _count_known(
    size: Int64, stamp: Int64, epoch: int, top: Int64, shown: int, bound: int, step: int, on_grid: UInt8
) -> int:
    """Return the number of known levels of a side: those not beyond rank `bound`, and those that adjoin them."""
    known = 0
    while known < shown and (top[known] - bound) * step <= 0:
        known += 1
    at = bound
    while known < len(top):
        # `on_grid[k]` tells whether the price of rank k is one tick above that of rank k-1.
        adjacent = on_grid[at] if step < 0 else (on_grid[at + 1] if at + 1 < len(size) else 0)
        at += step
        if adjacent == 0 or not 0 <= at < len(size) or stamp[at] != epoch:
            return known
        if size[at] != 0:
            known += 1
    return known


def run_py(
    op: UInt8,
    side: UInt8,
    rank: Int64,
    size: Int64,
    show: UInt8,
    on_grid: UInt8,
    price: Int64,
    levels: int,
    row_of: Int64,
    effect: UInt8,
    restated: UInt8,
    px: Int64,
    sz: Int64,
) -> int:
    """Apply the messages (n,) to an empty book; return the number of rows written.

    `rank` (n,) indexes the sorted distinct prices `price` (p,), and `on_grid` (p,) tells which of them are one tick
    above the one before. `show` (n,) is the condition for a row, as in the book of orders; a row without a known level
    after another such row is left out unless ALWAYS. Out: `row_of` (rows,) the message of each row; `effect` (n,) bits;
    `restated` (rows,) whether levels became known or unknown, which is no flow; `px`, `sz` (2·levels, rows): bids then
    asks by rank, price MISSING and size 0 for a missing level.
    """
    n_prices = len(price)
    sizes = np.zeros((2, n_prices), np.int64)
    stamp = np.zeros((2, n_prices), np.int64)
    epoch = np.ones(2, np.int64)
    count = np.zeros(2, np.int64)
    top = np.zeros((2, levels), np.int64)  # the ranks of the shown levels, best first
    all_known = np.ones(2, np.int64)
    bound = np.full(2, -1, np.int64)  # the best rank that the other side has had since FORGET; -1 for none
    known = np.full(2, levels, np.int64)
    before = np.full(2, levels, np.int64)  # known levels of the last row
    rows = 0
    changed = False
    for i in range(len(op)):
        what, s, k = op[i], side[i], rank[i]
        bits = 0
        if what in (CLEAR, FORGET):
            for one in range(2):
                if s in (one, NO_SIDE):
                    epoch[one] += 1
                    count[one] = 0
                    all_known[one] = what == CLEAR
                    bound[one] = -1
                    if rows == 0 and what == FORGET:
                        before[one] = 0
            bits |= CHANGED
        elif what == SET:
            step = -1 if s == BID else 1
            own, own_stamp, now = sizes[s], stamp[s], epoch[s]
            seen = own_stamp[k] == now
            old = own[k] if seen else 0
            own[k], own_stamp[k] = size[i], now
            if old == size[i]:
                if size[i] == 0 and all_known[s] != 0:
                    bits |= UNKNOWN
            else:
                shown = min(count[s], levels)
                is_shown = shown < levels or (k - top[s, shown - 1]) * step <= 0
                if is_shown:
                    bits |= CHANGED
                if old == 0:
                    count[s] += 1
                    if is_shown:
                        _insert_shown(top[s], shown, k, step)
                elif size[i] == 0:
                    count[s] -= 1
                    if is_shown:
                        _remove_shown(top[s], shown, k, own, own_stamp, now, step, count[s] >= levels)
        elif what == CLEAR_THROUGH:
            step = -1 if s == BID else 1
            while count[s] > 0 and (top[s, 0] - k) * step <= 0:
                shown = min(count[s], levels)
                count[s] -= 1
                sizes[s, top[s, 0]] = 0
                _remove_shown(top[s], shown, top[s, 0], sizes[s], stamp[s], epoch[s], step, count[s] >= levels)
                bits |= CHANGED
        changed = changed or bits & CHANGED != 0

        blind = False
        if show[i] != 0:
            for one in range(2):
                known[one] = levels
                if all_known[one] == 0:
                    step = -1 if one == BID else 1
                    other = top[1 - one, 0]
                    if count[1 - one] > 0 and (bound[one] < 0 or (other - bound[one]) * step > 0):
                        bound[one] = other
                    known[one] = 0
                    if bound[one] >= 0:
                        shown = min(count[one], levels)
                        known[one] = _count_known(
                            sizes[one], stamp[one], epoch[one], top[one], shown, bound[one], step, on_grid
                        )
            blind = known[0] + known[1] == 0
            if blind and show[i] == IF_CHANGED:
                bits |= BLIND
        effect[i] = bits
        moved = changed and (not blind or before[0] + before[1] > 0)
        learnt = known[0] != before[0] or known[1] != before[1]
        if show[i] == ALWAYS or (show[i] == IF_CHANGED and (moved or learnt)):
            changed = False
            row_of[rows] = i
            restated[rows] = learnt
            before[0], before[1] = known[0], known[1]
            for one in range(2):
                column = 0 if one == BID else levels
                shown = min(count[one], known[one], levels)
                for m in range(levels):
                    if m < shown:
                        at = top[one, m]
                        px[column + m, rows], sz[column + m, rows] = price[at], sizes[one, at]
                    else:
                        px[column + m, rows], sz[column + m, rows] = MISSING, 0
            rows += 1
    return rows


run = compiled(run_py)
