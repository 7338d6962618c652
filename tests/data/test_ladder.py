"""The book of sizes by price: its twin, the book of orders, and a book of dicts that knows what may rest unseen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.data.book import kernel, ladder
from tests.data.test_book import LEVELS, messages
from tests.data.test_book import run as run_orders

ASK, BID, BOTH = kernel.ASK, kernel.BID, kernel.NO_SIDE


def run(rows, run_ladder=ladder.run, *, on_grid=True):
    op, side, price, size, _, show = (np.array(c) for c in zip(*rows, strict=True))
    grid, rank = np.unique(price, return_inverse=True)
    adjacent = np.append(0, np.diff(grid) == 1).astype(np.uint8) * on_grid
    n = len(rows)
    row_of, effect, restated = np.full(n, -99), np.full(n, 255, np.uint8), np.full(n, 9, np.uint8)
    px, sz = (np.full((2 * LEVELS, n), -(2**60)) for _ in range(2))
    op, side, show = (x.astype(np.uint8) for x in (op, side, show))
    for column in (op, side, size, show):
        column.flags.writeable = False  # as those of a table are: numba compiles anew for others
    arrays = row_of, effect, restated, px, sz
    written = run_ladder(op, side, rank, size, show, adjacent, grid, LEVELS, *arrays)
    return written, *arrays


def same(ours, theirs):
    assert ours[0] == theirs[0]
    n = ours[0]
    assert (ours[1][:n] == theirs[1][:n]).all()
    assert (ours[2] == theirs[2]).all()


@settings(max_examples=200)
@given(messages((kernel.SET, kernel.SET, kernel.KEEP)))
def test_it_is_the_book_of_orders_for_feeds_by_price(rows):
    ours, theirs = run(rows), run_orders(rows)
    same(ours, theirs)
    n = ours[0]
    assert (ours[4][:, :n] == theirs[4][:, :n]).all()
    assert (ours[5][:, :n] == theirs[5][:, :n]).all()
    assert not ours[3][:n].any()


EVERY = (kernel.SET, kernel.SET, kernel.SET, kernel.KEEP, ladder.CLEAR_THROUGH)


@st.composite
def unknown_books(draw):
    """Messages on a book that is forgotten at the start and at times."""
    rows = draw(messages(EVERY))
    forget = (ladder.FORGET, BOTH, 1, 0, 0, kernel.NEVER)
    places = draw(st.lists(st.integers(0, len(rows)), max_size=2))
    for place in sorted(places, reverse=True):
        rows.insert(place, forget)
    return [forget, *rows]


@pytest.mark.slow
@settings(max_examples=200)
@given(unknown_books())
def test_the_twin(rows):
    ours, theirs = run(rows), run(rows, ladder.run_py)
    same(ours, theirs)
    n = ours[0]
    for k in (3, 4, 5):
        assert (ours[k][..., :n] == theirs[k][..., :n]).all()


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_no_level_is_shown_that_could_be_wrong(seed):
    """A market whose first book nobody saw: what is shown is the true book, to the last level."""
    rng = np.random.default_rng(seed)
    mid = 20
    book = {(BID, p): int(rng.integers(0, 4)) for p in range(1, mid)} | {
        (ASK, p): int(rng.integers(0, 4)) for p in range(mid, 40)
    }
    rows, truth = [(ladder.FORGET, BOTH, 1, 0, 0, kernel.NEVER)], [None]
    for _ in range(120):
        step = int(rng.integers(-1, 2))
        for p in range(1, 40):  # the mid moves: levels in its way go, and their removal is seen
            for side in (BID, ASK):
                crosses = p >= mid + step if side == BID else p < mid + step
                if crosses and book.get((side, p), 0):
                    book[side, p] = 0
                    rows.append((kernel.SET, side, p, 0, 0, kernel.NEVER))
                    truth.append(None)
        mid = min(max(mid + step, 5), 35)
        side = int(rng.integers(0, 2))
        p = int(rng.integers(max(mid - 6, 1), mid)) if side == BID else int(rng.integers(mid, mid + 6))
        size = int(rng.integers(0, 3))
        book[side, p] = size
        rows.append((kernel.SET, side, p, size, 0, kernel.IF_CHANGED))
        truth.append({k: q for k, q in book.items() if q})
    n, row_of, _, restated, px, sz = run(rows)
    for r in range(n):
        levels = truth[row_of[r]]
        for side, first, sign in ((BID, 0, -1), (ASK, LEVELS, 1)):
            true = sorted((sign * p, q) for (s, p), q in levels.items() if s == side)
            for m in range(LEVELS):
                if px[first + m, r] != kernel.MISSING:
                    assert (sign * px[first + m, r], sz[first + m, r]) == true[m]
    assert n == 0 or restated[0]


@pytest.mark.parametrize(("on_grid", "known"), [(True, 1), (False, 0)])
def test_prices_off_the_grid_leave_room_between(on_grid, known):
    rows = [
        (ladder.FORGET, BOTH, 1, 0, 0, kernel.NEVER),
        (kernel.SET, BID, 4, 7, 0, kernel.NEVER),
        (kernel.SET, ASK, 5, 8, 0, kernel.IF_CHANGED),
    ]
    n, _, effect, *_ = run(rows, on_grid=on_grid)
    assert n == known
    assert (effect[-1] & ladder.BLIND != 0) == (known == 0)
