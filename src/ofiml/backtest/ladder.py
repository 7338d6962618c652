"""The recorded book as a ladder: the lots at each tick index, of bids and of asks.

A level that was shown and is hidden by better ones keeps its size with a minus sign: orders that join there queue
behind it, but nothing can be taken from it. Own orders never change the recorded book.

Rows 0 and 1 of a ladder (4, span) are the lots of bids and asks. Rows 2 and 3 have the own bids and asks that rest
there, as a list in order of their coming: the row of the first one, plus 1, which has that of the `next` one; 0 ends
it. Each has the `previous` one, too, and the first one the last.
"""

from ofiml._typing import Int64


def clear_levels(ladder: Int64, first: int, last: int) -> None:
    """Forget all levels at the indexes first … last."""
    for p in range(first, last + 1):
        ladder[0, p] = 0
        ladder[1, p] = 0


def find_part(shown: int, share: float) -> int:
    """Find how many of the lots shown at a level own orders may take, rounded down; none of a hidden level."""
    if shown <= 0:
        return 0
    return min(shown, int(share * shown + 1e-9))


def copy_shown(ladder: Int64, side: int, best: int, count: int, out: Int64) -> int:
    """Copy index and lots of the first `count` levels shown on a side to `out` (n, 2); return how many fit."""
    step = 1 if side else -1
    p, n = best, 0
    while 0 <= p < ladder.shape[1] and n < min(count, len(out)):
        if ladder[side, p] > 0:
            out[n, 0], out[n, 1] = p, ladder[side, p]
            n += 1
        p += step
    return n
