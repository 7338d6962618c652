"""The book builder: its twin, a book of dicts that knows nothing of it, and the messages that feeds leave out."""

from collections import OrderedDict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.data.book import MESSAGE_COLUMNS, build_events, kernel
from ofiml.data.book.build import extract_columns
from ofiml.data.schema import F_LAST

LEVELS = 3
ASK, BID = kernel.ASK, kernel.BID
ORDERS = (kernel.ADD, kernel.ADD, kernel.REDUCE, kernel.DELETE, kernel.REPLACE, kernel.KEEP)
FIRM = (kernel.ADD_FIRM, kernel.ADD_FIRM, kernel.REDUCE, kernel.DELETE, kernel.TAKE_FIRM)
LEVEL = (kernel.SET,)


def messages(ops):
    """Messages over few ids and prices, so that all that can meet does. Prices may be zero or negative."""
    prices, sizes, ids = st.integers(-4, 4), st.integers(0, 5), st.integers(0, 11)
    shows = st.sampled_from([kernel.NEVER, kernel.IF_CHANGED, kernel.ALWAYS])
    sides = st.sampled_from([ASK, BID])
    clear = st.tuples(st.just(kernel.CLEAR), st.sampled_from([ASK, BID, kernel.NO_SIDE]), prices, sizes, ids, shows)
    message = st.tuples(st.sampled_from(ops), sides, prices, sizes, ids, shows)
    # A clear is rare, or no book would live to be tested.
    return st.lists(st.integers(0, 19).flatmap(lambda k: clear if k == 0 else message), min_size=1, max_size=80)


def run(rows, kernel_run=kernel.run):
    op, side, price, size, order, show = (np.array(c) for c in zip(*rows, strict=True))
    n = len(rows)
    row_of, effect, placed = np.full(n, -99), np.full(n, 255, np.uint8), np.full(n, -99)
    px, sz, ct = (np.full((2 * LEVELS, n), -(2**60)) for _ in range(3))
    small = (x.astype(np.uint8) for x in (op, side, show))
    op, side, show = small
    for column in (op, side, price, size, show):
        column.flags.writeable = False  # as those of a table are: numba compiles anew for others
    count = int(order.max()) + 1
    written = kernel_run(op, side, price, size, order, show, LEVELS, count, row_of, effect, placed, px, sz, ct)
    return written, row_of, effect, placed, px, sz, ct


class DictBook:
    """Orders by id, nothing else; the levels are counted anew at each look."""

    def __init__(self):
        self.orders = OrderedDict()
        self.levels = {}  # of feeds by price: (side, price) -> size
        self.places = {}  # order -> the message that put it at the end of its queue

    def apply(self, op, side, price, size, order):
        known = self.orders.get(order)
        if op == kernel.CLEAR:
            self.drop(lambda s, p: side in (s, kernel.NO_SIDE))
        elif op == kernel.SET:
            self.levels.pop((side, price), None)
            if size:
                self.levels[side, price] = size
        elif op in (kernel.ADD, kernel.ADD_FIRM, kernel.REPLACE):
            self.orders.pop(order, None)
            if op == kernel.ADD_FIRM:
                crosses = (lambda p: p <= price) if side == BID else (lambda p: p >= price)
                self.drop(lambda s, p: s != side and crosses(p))
            if size:
                self.orders[order] = (side, price, size)
        elif op in (kernel.REDUCE, kernel.TAKE_FIRM, kernel.DELETE):
            if known:
                left = 0 if op == kernel.DELETE else known[2] - size
                if left > 0:
                    self.orders[order] = (*known[:2], left)
                else:
                    del self.orders[order]
            if op == kernel.TAKE_FIRM:
                better = (lambda p: p > price) if side == BID else (lambda p: p < price)
                self.drop(lambda s, p: s == side and better(p))

    def place(self, i, op, side, price, size, order):
        """Before `apply`: the message that placed the order that message i is about, -1 for none; remembers the new."""
        known = self.orders.get(order)
        if op in (kernel.CLEAR, kernel.SET, kernel.KEEP):
            return -1
        before = self.places[order] if known else -1
        if op in (kernel.ADD, kernel.ADD_FIRM):
            self.places[order] = i
            return i if size else before
        if op == kernel.REPLACE and not (known and known[:2] == (side, price) and size <= known[2]):
            self.places[order] = i
        return before

    def drop(self, goes):
        self.orders = OrderedDict((k, o) for k, o in self.orders.items() if not goes(o[0], o[1]))
        self.levels = {k: q for k, q in self.levels.items() if not goes(*k)}

    def shown(self):
        top = []
        for side in (BID, ASK):
            levels = {}
            for s, p, q in self.orders.values():
                if s == side:
                    had, count = levels.get(p, (0, 0))
                    levels[p] = (had + q, count + 1)
            levels |= {p: (q, 0) for (s, p), q in self.levels.items() if s == side}
            best = sorted(levels, reverse=side == BID)[:LEVELS]
            top += [(p, *levels[p]) for p in best] + [(kernel.MISSING, 0, 0)] * (LEVELS - len(best))
        return top


def check(rows):
    written, row_of, _, placed, px, sz, ct = run(rows)
    book, shown, last, row = DictBook(), [], None, 0
    last = book.shown()
    for i, (op, side, price, size, order, show) in enumerate(rows):
        assert placed[i] == book.place(i, op, side, price, size, order), i
        book.apply(op, side, price, size, order)
        shown = book.shown()
        if show == kernel.ALWAYS or (show == kernel.IF_CHANGED and shown != last):
            assert row < written
            assert row_of[row] == i
        # A change and its undoing count as changes: the kernel may write a row more than the difference asks for.
        if row < written and row_of[row] == i:
            for k, expected in enumerate(shown):
                assert (px[k, row], sz[k, row], ct[k, row]) == expected, (i, k)
            last = shown
            row += 1
    assert row == written


@given(messages(ORDERS))
@settings(max_examples=200)
def test_orders_make_the_book_of_dicts(rows):
    check(rows)


@pytest.mark.slow
@given(messages(FIRM))
@settings(max_examples=200)
def test_firm_orders_make_the_book_of_dicts(rows):
    check(rows)


@given(messages(LEVEL))
@settings(max_examples=150)
def test_levels_make_the_book_of_dicts(rows):
    check(rows)


@given(messages(ORDERS + FIRM))
@settings(max_examples=200)
def test_the_kernel_equals_its_twin(rows):
    compiled, plain = run(rows), run(rows, kernel.run_py)
    assert compiled[0] == plain[0]
    for a, b in zip(compiled[1:], plain[1:], strict=True):
        np.testing.assert_array_equal(a, b)  # what is not written stays poisoned in both


def test_a_deep_book_grows():
    rows = [(kernel.ADD, BID, p, 1, p - 1, kernel.IF_CHANGED) for p in range(1, 3001)]
    rows += [(kernel.ADD, ASK, 10_000 - p, 1, 2999 + p, kernel.ALWAYS) for p in range(1, 3001)]
    written, _, _, _, px, _, _ = run(rows)
    assert written == 6000
    assert px[:, written - 1].tolist() == [3000, 2999, 2998, 7000, 7001, 7002]
    # What was there before it grew is there: without the best levels it is seen.
    rows = [(kernel.ADD, BID, p, p, p - 1, kernel.NEVER) for p in range(1, 1502)]
    rows += [(kernel.DELETE, BID, p, p, p - 1, kernel.ALWAYS) for p in range(1501, 500, -1)]
    written, _, effect, _, px, sz, ct = run(rows)
    assert px[:LEVELS, written - 1].tolist() == sz[:LEVELS, written - 1].tolist() == [500, 499, 498]
    assert ct[:LEVELS, written - 1].tolist() == [1, 1, 1]
    assert set(effect.tolist()) == {kernel.CHANGED}


@pytest.mark.parametrize(
    ("rows", "bits"),
    [
        ([(kernel.REDUCE, BID, 5, 1, 7)], [kernel.UNKNOWN]),
        ([(kernel.DELETE, BID, 5, 1, 7)], [kernel.UNKNOWN]),
        ([(kernel.REPLACE, BID, 5, 1, 7)], [kernel.UNKNOWN | kernel.CHANGED]),
        ([(kernel.SET, BID, 5, 0, 0)], [kernel.UNKNOWN]),
        ([(kernel.SET, BID, 5, 2, 0), (kernel.SET, BID, 5, 2, 0)], [kernel.CHANGED, 0]),
        ([(kernel.ADD, BID, 5, 3, 7), (kernel.REDUCE, BID, 5, 4, 7)], [kernel.CHANGED, kernel.EXCESS | kernel.CHANGED]),
        ([(kernel.ADD, BID, 5, 3, 7), (kernel.ADD, ASK, 8, 1, 7)], [kernel.CHANGED, kernel.TWICE | kernel.CHANGED]),
        ([(kernel.ADD, BID, 5, 3, 7), (kernel.CLEAR, 2, 0, 0, 0), (kernel.DELETE, BID, 5, 3, 7)],
         [kernel.CHANGED, kernel.CHANGED, kernel.UNKNOWN]),
        # The level is there again, but the order of before is not in it.
        ([(kernel.ADD, BID, 5, 3, 7), (kernel.CLEAR, 2, 0, 0, 0), (kernel.ADD, BID, 5, 1, 8),
          (kernel.DELETE, BID, 5, 3, 7)],
         [kernel.CHANGED, kernel.CHANGED, kernel.CHANGED, kernel.UNKNOWN]),
        ([(kernel.ADD_FIRM, ASK, 5, 3, 7), (kernel.ADD_FIRM, BID, 6, 1, 8)],
         [kernel.CHANGED, kernel.SWEPT | kernel.CHANGED]),
        ([(kernel.ADD_FIRM, ASK, 5, 3, 7), (kernel.TAKE_FIRM, ASK, 6, 1, 8)],
         [kernel.CHANGED, kernel.SWEPT | kernel.CHANGED | kernel.UNKNOWN]),
    ],
)  # fmt: skip
def test_what_a_message_comes_to(rows, bits):
    _, _, effect, *_ = run([(*r, kernel.ALWAYS) for r in rows])
    assert effect.tolist() == bits


def table(rows):
    """Messages as a reader makes them; `last` marks the end of an exchange message."""
    columns = ["op", "op_side", "price", "size", "order", "show", "last"]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        line=pl.int_range(pl.len()),
        ts_event=pl.int_range(pl.len()),
        ts_recv=pl.int_range(pl.len()),
        action=pl.lit("A"),
        side=pl.lit("B"),
        sequence=pl.int_range(pl.len()),
        flags=pl.col("last") * F_LAST,
    )
    return frame.select(pl.col(c).cast(t) for c, t in MESSAGE_COLUMNS.items())


def test_the_flag_of_a_messages_end_goes_to_its_last_event():
    always, never, changed = kernel.ALWAYS, kernel.NEVER, kernel.IF_CHANGED
    events, noticed = build_events(
        table(
            [
                (kernel.ADD, BID, 10, 1, 2**63 + 5, changed, 0),
                (kernel.ADD, BID, 3, 1, 2, changed, 1),  # below the one level that is shown
                (kernel.ADD, ASK, 12, 1, 3, never, 0),
                (kernel.ADD, ASK, 11, 4, 4, changed, 1),
                (kernel.DELETE, ASK, 11, 4, 9, always, 0),  # the file ends inside a message
            ]
        ),
        levels=1,
    )
    assert events["line"].to_list() == [0, 3, 4]
    assert events["flags"].to_list() == [F_LAST, F_LAST, 0]
    assert events["ask_px_00"].to_list() == [None, 11, 11]
    assert events["ask_sz_00"].to_list() == [0, 4, 4] or events["ask_sz_00"].to_list() == [None, 4, 4]
    assert {cause: lines.to_list() for cause, lines in noticed.items()} == {"unknown_order": [4]}


def test_joined_and_whole_tables_give_a_kernel_the_same_types():
    whole = pl.DataFrame({"op": [1, 2, 3], "price": [5, None, 7]}, schema={"op": pl.UInt8, "price": pl.Int64})
    joined = pl.concat([whole[:1], whole[1:]], rechunk=False)
    assert joined.n_chunks() == 2
    for table in (whole, joined):
        op, price = extract_columns(table, "op", "price")
        assert (op.tolist(), price.tolist()) == ([1, 2, 3], [5, 0, 7])
        assert (op.dtype, price.dtype) == (np.uint8, np.int64)
        assert not op.flags.writeable
        assert not price.flags.writeable
