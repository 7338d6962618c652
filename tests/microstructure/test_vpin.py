"""VPIN: against one lot at a time, by hand, in pieces, mirrored, and without a look ahead."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofiml.errors import DataError
from ofiml.microstructure.toxicity import vpin as module
from ofiml.microstructure.toxicity.vpin import Vpin

trades = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([-1, 0, 1])), max_size=40)
buckets = st.tuples(st.integers(1, 30), st.integers(1, 5))


def fed(one, told, start=0):
    size = np.array([s for s, _ in told], np.int64)
    sign = np.array([s for _, s in told], np.int64)
    return one.feed(start + np.arange(len(told)), size, size * sign)


def lot_by_lot(told, bucket, window):
    """(trade that closed it, imbalance, vpin) of each bucket, from a list with one entry a lot."""
    lots = [(i, sign) for i, (size, sign) in enumerate(told) for _ in range(size)]
    full = [lots[k : k + bucket] for k in range(0, len(lots) - bucket + 1, bucket)]
    gaps = [abs(sum(1 for _, s in b if s > 0) - sum(1 for _, s in b if s < 0)) for b in full]
    out = []
    for k, b in enumerate(full):
        last = gaps[k + 1 - window : k + 1] if k + 1 >= window else []
        out.append((b[-1][0], gaps[k], sum(last) / (window * bucket) if last else math.nan))
    return out


def rows(table):
    return list(table.iter_rows())


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)  # NaN equals NaN


@given(trades, buckets)
def test_it_equals_one_lot_at_a_time(told, sizes):
    same(rows(fed(Vpin(*sizes), told)), lot_by_lot(told, *sizes))


def test_by_hand():
    # Buckets of 10: 8 bought + 2 of the sale of 7; its other 5 + 5 of no side; then 25 bought.
    found = fed(Vpin(10, 2), [(8, 1), (7, -1), (5, 0), (25, 1)])
    assert rows(found.select("known_at", "imbalance")) == [(1, 6), (2, 5), (3, 10), (3, 10)]
    assert math.isnan(found["vpin"][0])
    assert found["vpin"].to_list()[1:] == [11 / 20, 15 / 20, 20 / 20]


def test_one_giant_trade_fills_many_buckets():
    one = Vpin(7, 3)
    found = fed(one, [(3, -1), (7 * 100_000 + 1, 1)])
    assert found.height == 100_000
    assert found["imbalance"][0] == 4 - 3
    assert (found["imbalance"][1:] == 7).all()
    assert (found["known_at"] == 1).all()
    assert found["vpin"][-1] == 1.0
    assert fed(one, [(3, -1)])["imbalance"].to_list() == [4 - 3]  # 4 lots of the giant were left over
    assert one.volume == 7 * 100_000 + 7


@given(trades, buckets, st.data())
def test_pieces_are_the_whole(told, sizes, data):
    whole, pieces = Vpin(*sizes), Vpin(*sizes)
    at_once = fed(whole, told)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(told)), max_size=4)))
    edges = [0, *cuts, len(told)]
    parts = [fed(pieces, told[a:b], a) for a, b in pairwise(edges)]
    same([row for part in parts for row in rows(part)], rows(at_once))
    assert (pieces.volume, pieces.unsigned) == (whole.volume, whole.unsigned)
    one_by_one = Vpin(*sizes)
    same([row for i, t in enumerate(told) for row in rows(fed(one_by_one, [t], i))], rows(at_once))


@given(trades, trades, buckets)
def test_what_comes_later_changes_nothing(told, later, sizes):
    before = rows(fed(Vpin(*sizes), told))
    same(rows(fed(Vpin(*sizes), told + later))[: len(before)], before)


mixed = st.lists(st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(-n, n))), max_size=40)


@given(mixed, buckets)
def test_the_mirror_has_the_same_vpin(told, sizes):
    size, signed = np.array(told, np.int64).reshape(-1, 2).T
    ours, mirror = (Vpin(*sizes).feed(np.arange(len(told)), size, sign * signed) for sign in (1, -1))
    same(rows(ours), rows(mirror))


@given(mixed, buckets)
def test_kernel_equals_its_twin(told, sizes):
    bucket, window = sizes
    size, signed = np.array(told, np.int64).reshape(-1, 2).T.copy()
    most = int(size.sum()) // bucket
    kept = []
    for run in (module.fill_py, module.fill):
        state, recent = np.zeros(4, np.int64), np.zeros(window, np.int64)
        out = (
            np.full(most, -(2**62)),
            np.full(most, -(2**62)),
            np.full(most, -1e300),
        )  # poisoned: what is not written shows
        assert run(size, signed, bucket, state, recent, len(recent), *out) == most
        kept.append((state, recent, *out))
    for a, b in zip(*kept, strict=True):
        np.testing.assert_array_equal(a, b)


@given(mixed, buckets)
def test_bars_of_buys_and_sells_lose_no_lot(told, sizes):
    """The signed lots that are put into buckets, and those in the open one, add up to all."""
    bucket, _ = sizes
    size, signed = np.array(told, np.int64).reshape(-1, 2).T.copy()
    state, closed = np.zeros(4, np.int64), []
    flow = 0
    for n, s in zip(size, signed, strict=True):
        out = np.empty(n // bucket + 1, np.int64), np.empty(n // bucket + 1, np.int64), np.empty(n // bucket + 1)
        before = state[module.SIGNED]
        count = module.fill_py(np.array([n]), np.array([s]), bucket, state, np.zeros(1, np.int64), 1, *out)
        closed.extend(out[1][:count])
        if count == 0:
            assert state[module.SIGNED] - before == s
        flow += s
    assert all(0 <= gap <= bucket for gap in closed)
    assert abs(state[module.SIGNED]) <= state[module.FILLED] < bucket
    if not closed:
        assert state[module.SIGNED] == flow


def test_a_bar_is_split_in_proportion():
    one = Vpin(10, 1)
    found = one.feed(np.array([0]), np.array([30]), np.array([15]))
    assert found["imbalance"].to_list() == [5, 5, 5]
    assert Vpin(10, 1).feed(np.array([0]), np.array([30]), np.array([-15]))["imbalance"].to_list() == [5, 5, 5]


def test_unsigned_lots_are_counted():
    one = Vpin(10, 1)
    found = fed(one, [(10, 0), (5, 1), (5, 0)])
    assert found["vpin"].to_list() == [0.0, 0.5]
    assert (one.volume, one.unsigned) == (20, 15)


def test_no_trade_no_bucket():
    assert fed(Vpin(5), []).height == 0
    assert fed(Vpin(5), [(0, 1)]).height == 0


@pytest.mark.parametrize(("bucket", "window"), [(0, 5), (5, 0), (-1, 5), (2**40, 2**40)])
def test_bad_buckets_are_refused(bucket, window):
    with pytest.raises(DataError, match="1 or more"):
        Vpin(bucket, window)


@pytest.mark.parametrize(
    ("size", "signed", "sentence"),
    [
        ([5, -1], [5, 0], "trade 2 has -1 lots"),
        ([5], [6], "trade 1 has 5 lots and 6"),
        ([2**50], [0], "choose a bucket"),
        ([2**62, 2**62], [0, 0], "choose a bucket"),
    ],
)
def test_bad_trades_are_refused_before_they_are_taken(size, signed, sentence):
    one = Vpin(10, 1)
    with pytest.raises(DataError, match=sentence):
        one.feed(np.arange(len(size)), np.array(size), np.array(signed))
    assert one.volume == 0
    assert fed(one, [(10, 1)])["imbalance"].to_list() == [10]
