"""Rank measures of resampled blocks: the ranks of each draw follow from how often its blocks were drawn.

A row drawn w times counts as w equal rows. Its rank is then (rows below it) + (rows equal to it + 1)/2, and rows below
are a running sum of w over the rows in order. The rows are sorted once; a draw takes two passes over them. Sixteen
draws take the passes together, since reading the rows costs more than counting them.

Ranks are kept as integers, doubled and less their mean, so that they are exact: 2·rank - (rows drawn + 1).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml._typing import Bool, Float, Int64

_LANES = 16  # draws at once: a cache line of 32-bit integers
_AT_ONCE = 64  # rows whose ranks are read ahead of their use

#: Integers of 32 bits, or of 64 where the doubled ranks of a draw need them.
Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Values in ascending order: the `order` (n,) of their rows, and whether a row is the last of equal ones."""

    order: Int64
    is_last: Bool

    @classmethod
    def of(cls, x: Float) -> Self:
        order = np.argsort(x, kind="stable")
        x = x[order]
        return cls(order, np.append(x[1:] != x[:-1], True))

    def find_places(self) -> NDArray[np.int32]:
        """Find the place (n,) of each row's value among the distinct values, from 0."""
        place = np.empty(len(self.order), np.int32)
        place[self.order] = np.cumsum(self.is_last) - self.is_last
        return place


def draw_rank_ic(y: Float, y_hat: Float, block: Int64, counts: Iterable[Int64]) -> Float:
    """Compute the rank IC of each draw of blocks, (draws,); NaN where y or y_hat is constant in the draw.

    `block` (n,) numbers the block of each row from 0 without gaps. `counts` has, (draws, blocks) at a time, how often a
    block is drawn.
    """
    a, b = _Sorted.of(y), _Sorted.of(y_hat)
    if a.is_last.sum() > b.is_last.sum():  # the ranks of one side are looked up: the side with fewer of them
        a, b = b, a
    narrow = block.astype(np.int32)
    block_a, block_b, place = narrow[a.order], narrow[b.order], a.find_places()[b.order]
    table: Integers = np.empty((0, _LANES), np.int32)
    draws = []
    for weight, size, used in _list_lanes(block, counts):
        if table.dtype != weight.dtype or not len(table):
            table = np.empty((int(a.is_last.sum()), _LANES), weight.dtype)
        square_a = tabulate_ranks(block_a, a.is_last, weight, size, table)
        covariance, square_b = correlate_ranks(block_b, place, b.is_last, weight, size, table)
        scale = np.sqrt(square_a * square_b)
        draws.append(np.divide(covariance, scale, out=np.full(_LANES, np.nan), where=scale > 0)[:used])
    return np.concatenate(draws)


def draw_auc(y: Float, y_hat: Float, block: Int64, counts: Iterable[Int64]) -> Float:
    """Compute the AUC of y_hat for up (y > 0) against down (y < 0) of each draw, (draws,); NaN without both of them.

    `block` and `counts` are as for `draw_rank_ic`; the number of blocks is that of all rows, also of those with y = 0.
    """
    moved = np.flatnonzero(y != 0)
    by_forecast = _Sorted.of(y_hat[moved])
    order = moved[by_forecast.order]
    narrow, is_up = block[order].astype(np.int32), y[order] > 0
    draws = []
    for weight, _, used in _list_lanes(block, counts):
        above, up, down = count_ordered_pairs(narrow, is_up, by_forecast.is_last, weight)
        pairs = up * down
        draws.append(np.divide(above / 2, pairs, out=np.full(_LANES, np.nan), where=pairs > 0)[:used])
    return np.concatenate(draws)


def _list_lanes(block: Int64, counts: Iterable[Int64]) -> Iterator[tuple[Integers, Integers, int]]:
    """List 16 draws at a time: how often each block is drawn (blocks, 16), the rows of each draw, and how many of the
    16 are draws. The last may be fewer; the others are of no block.
    """
    rows = np.bincount(block)
    for drawn in counts:
        sizes = drawn @ rows
        kind: type[np.signedinteger[Any]] = np.int32 if 2 * int(sizes.max(initial=0)) < 2**31 else np.int64
        for start in range(0, len(drawn), _LANES):
            part = drawn[start : start + _LANES]
            weight: Integers = np.zeros((len(rows), _LANES), kind)
            size: Integers = np.zeros(_LANES, kind)
            weight[:, : len(part)], size[: len(part)] = part.T, sizes[start : start + _LANES]
            yield weight, size, len(part)


# --- kernels ---------------------------------------------------------------------------------------------------------


def tabulate_ranks_py(
    block: NDArray[np.int32], is_last: Bool, weight: Integers, size: Integers, table: Integers
) -> Float:
    """Tabulate the ranks of each distinct value, in ascending order, in each draw; return their sums of squares.

    `block` (n,) and `is_last` (n,) are of the rows in order of their values, `weight` (blocks, 16) says how often a
    block is drawn, `size` (16,) is the number of rows in each draw. `table` (distinct values, 16) receives the ranks,
    doubled and less their mean.
    """
    below, equal = np.zeros(_LANES, table.dtype), np.zeros(_LANES, table.dtype)
    square, place = np.zeros(_LANES), 0
    for i in range(len(block)):
        b = block[i]
        for d in range(_LANES):
            equal[d] += weight[b, d]
        if is_last[i]:
            for d in range(_LANES):
                rank = 2 * below[d] + equal[d] - size[d]
                table[place, d] = rank
                square[d] += np.float64(equal[d]) * np.float64(rank) * np.float64(rank)
                below[d] += equal[d]
                equal[d] = 0
            place += 1
    return square


def correlate_ranks_py(
    block: NDArray[np.int32],
    place: NDArray[np.int32],
    is_last: Bool,
    weight: Integers,
    size: Integers,
    table: Integers,
) -> tuple[Float, Float]:
    """Sum the products of the ranks in `table` with those of another variable, and the squares of the latter, (16,).

    The rows are in order of the other variable; `place` (n,) is the row of `table` with the first one's ranks.
    """
    below, equal = np.zeros(_LANES, table.dtype), np.zeros(_LANES, table.dtype)
    others, product, square = np.zeros(_LANES), np.zeros(_LANES), np.zeros(_LANES)
    ahead, n = np.empty((_AT_ONCE, _LANES), table.dtype), len(block)
    for start in range(0, n, _AT_ONCE):
        count = min(_AT_ONCE, n - start)
        for i in range(count):  # the processor waits for many of these reads at once
            p = place[start + i]
            for d in range(_LANES):
                ahead[i, d] = table[p, d]
        for i in range(count):
            b = block[start + i]
            for d in range(_LANES):
                drawn = weight[b, d]
                equal[d] += drawn
                others[d] += np.float64(drawn) * np.float64(ahead[i, d])
            if is_last[start + i]:
                for d in range(_LANES):
                    rank = np.float64(2 * below[d] + equal[d] - size[d])
                    product[d] += rank * others[d]
                    square[d] += np.float64(equal[d]) * rank * rank
                    below[d] += equal[d]
                    equal[d] = 0
                    others[d] = 0.0
    return product, square


def count_ordered_pairs_py(
    block: NDArray[np.int32], is_up: Bool, is_last: Bool, weight: Integers
) -> tuple[Float, Float, Float]:
    """Count twice the pairs of an up and a down row in which the up row's forecast is larger, equal ones as half; and
    the up and the down rows, (16,) each. The rows are in order of their forecasts.
    """
    ups, downs, below = np.zeros(_LANES), np.zeros(_LANES), np.zeros(_LANES)
    pairs, up = np.zeros(_LANES), np.zeros(_LANES)
    for i in range(len(block)):
        b = block[i]
        if is_up[i]:
            for d in range(_LANES):
                ups[d] += weight[b, d]
        else:
            for d in range(_LANES):
                downs[d] += weight[b, d]
        if is_last[i]:
            for d in range(_LANES):
                pairs[d] += ups[d] * (2.0 * below[d] + downs[d])
                below[d] += downs[d]
                up[d] += ups[d]
                ups[d] = 0.0
                downs[d] = 0.0
    return pairs, up, below


tabulate_ranks = compiled(tabulate_ranks_py)
correlate_ranks = compiled(correlate_ranks_py)
count_ordered_pairs = compiled(count_ordered_pairs_py)
