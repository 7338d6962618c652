"""Flow per event: known answers, symmetry, boundaries, and the kernels against their plain twins."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.bars.time import cut_time_bars, select_states
from ofiml.data.schema import (
    F_LAST,
    F_SNAPSHOT,
    NO_ASK,
    NO_BID,
)
from ofiml.features import kernel
from ofiml.features.order_flow import ask_flow, bid_flow
from ofiml.ofi.flow import build_flow_matrix, compute_bar_flow, name_flow_columns
from tests.books import mirrored, random_session, session

# (bid move, ask move) in ticks -> flow, from bid 100 x 5, ask 102 x 7 to sizes 3 and 4, by hand from eq. 2-4:
# a bid that rises adds the new size, one that stays the change, one that falls takes the old size; an ask mirrored.
NINE = [
    (+1, +1, +3 + 7),
    (+1, 0, +3 - (4 - 7)),
    (+1, -1, +3 - 4),
    (0, +1, (3 - 5) + 7),
    (0, 0, (3 - 5) - (4 - 7)),
    (0, -1, (3 - 5) - 4),
    (-1, +1, -5 + 7),
    (-1, 0, -5 - (4 - 7)),
    (-1, -1, -5 - 4),
]


def level_flow(bid0, bid_sz0, ask0, ask_sz0, bid, bid_sz, ask, ask_sz):
    return bid_flow(bid0, bid_sz0, bid, bid_sz) - ask_flow(ask0, ask_sz0, ask, ask_sz)


@pytest.mark.parametrize(("bid_move", "ask_move", "flow"), NINE)
def test_nine_cases(bid_move, ask_move, flow):
    assert level_flow(100, 5, 102, 7, 100 + bid_move, 3, 102 + ask_move, 4) == flow


def test_a_level_that_appears_arrives_whole_and_one_that_vanishes_leaves_whole():
    assert level_flow(NO_BID, 0, 102, 7, 100, 5, 102, 7) == 5
    assert level_flow(100, 5, 102, 7, NO_BID, 0, 102, 7) == -5
    assert level_flow(100, 5, NO_ASK, 0, 100, 5, 102, 7) == -7
    assert level_flow(100, 5, 102, 7, 100, 5, NO_ASK, 0) == 7
    assert level_flow(NO_BID, 0, NO_ASK, 0, NO_BID, 0, NO_ASK, 0) == 0


columns = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        *(st.lists(st.integers(lo, hi), min_size=n, max_size=n) for lo, hi in ((95, 99), (0, 9), (100, 104), (0, 9))),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


@given(columns)
def test_flow_of_all_states_is_that_of_each_pair(book):
    arrays = [np.array(c, np.int64) for c in book[:4]]
    reset = np.array(book[4])
    out = np.full(len(reset), -(2**62))  # poisoned: what is not written shows
    kernel.flow_events(*arrays, reset, out)
    states_ = list(zip(*book[:4], strict=True))
    expected = [0 if i == 0 or reset[i] else level_flow(*states_[i - 1], *states_[i]) for i in range(len(reset))]
    assert out.tolist() == expected


def table(s, per="message", step=1):
    book = select_states(s, per)
    bars = cut_time_bars(s, book, step * 10**9)
    return compute_bar_flow(s, per, bars)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_mirrored_book_has_the_opposite_flow(seed):
    s = random_session(seed, 60)
    ours, mirror = table(s), table(mirrored(s))
    np.testing.assert_array_equal(
        ours.select(name_flow_columns(3)).to_numpy(), -mirror.select(name_flow_columns(3)).to_numpy()
    )
    np.testing.assert_array_equal(ours["depth"].to_numpy(), mirror["depth"].to_numpy())


def test_the_rows_of_one_message_count_once_at_the_last():
    one, two, three = [(100, 5, 102, 7)], [(100, 1, 102, 7)], [(101, 3, 102, 7)]
    rows = [{"t": 1, "book": one}, {"t": 2, "book": two, "flags": 0}, {"t": 2, "book": three}, {"t": 3, "book": three}]
    by_message, by_row = (table(session(rows), per)["ofi_00"].to_list() for per in ("message", "row"))
    assert by_message == [0, 3, 0]  # the bid rises from 100 to 101 with 3 lots
    assert by_row == [0, (1 - 5) + 3, 0]


@pytest.mark.parametrize("mark", [{"action": "R", "flags": F_LAST}, {"flags": F_LAST | F_SNAPSHOT}])
def test_no_difference_is_taken_across_a_clear_or_a_snapshot(mark):
    rows = [
        {"t": 1, "book": [(100, 5, 102, 7)]},
        {"t": 2, "book": [(200, 50, 202, 70)], **mark},
        {"t": 3, "book": [(200, 51, 202, 70)]},
    ]
    assert table(session(rows))["ofi_00"].to_list() == [0, 0, 1]


def test_a_clear_inside_a_message_resets_at_its_last_row():
    rows = [
        {"t": 1, "book": [(100, 5, 102, 7)]},
        {"t": 2, "book": [(None, 0, None, 0)], "action": "R", "flags": 8},
        {"t": 2, "book": [(200, 50, 202, 70)]},
        {"t": 3, "book": [(200, 40, 202, 70)]},
    ]
    assert table(session(rows))["ofi_00"].to_list() == [0, 0, -10]


def test_depth_is_one_number_a_bar_over_the_sides_that_are_there():
    rows = [
        {"t": 0.5, "book": [(100, 4, 102, 8), (None, 0, 103, 6)]},
        {"t": 1.0, "book": [(100, 6, 102, 8), (99, 2, 103, 6)]},
        {"t": 3.0, "book": [(100, 6, 102, 8), (99, 2, 103, 6)]},
    ]
    flows = table(session(rows, levels=2))
    assert flows["depth"].to_list()[0] == pytest.approx((4 + 8 + 6 + 6 + 8 + 2 + 6) / 7)
    assert np.isnan(flows["depth"][1])
    assert flows["ofi_00"].to_list() == [2, 0, 0]
    assert flows["ofi_01"].to_list() == [2, 0, 0]  # the bid of level 2 appears with 2 lots
    by_depth = build_flow_matrix(flows, 2, "depth")
    np.testing.assert_allclose(by_depth[0], 2 / flows["depth"][0])
    np.testing.assert_array_equal(by_depth[1], 0.0)


def test_a_state_at_the_open_is_where_the_first_bar_starts_from():
    rows = [{"t": 0, "book": [(100, 5, 102, 7)]}, {"t": 0.5, "book": [(100, 8, 102, 7)]}]
    assert table(session(rows, close=1))["ofi_00"].to_list() == [3]


def test_an_event_on_the_edge_belongs_to_the_bar_that_closes_there():
    books = [(100, 5, 102, 7)], [(100, 6, 102, 7)], [(100, 8, 102, 7)]
    rows = [{"t": t, "book": b} for t, b in zip((0.5, 1.0, 1.000000001), books, strict=True)]
    assert table(session(rows, close=2))["ofi_00"].to_list() == [1, 2]


@pytest.mark.parametrize("normalise", ["none", "depth"])
def test_the_matrix_is_filled_block_by_block(normalise, monkeypatch):
    rng = np.random.default_rng(0)
    flow = pl.Series([None, *rng.integers(-9, 9, 10).tolist()])
    depth = pl.Series([None, 0.0, float("nan"), *rng.uniform(1, 9, 8)])
    rows = pl.DataFrame({"ofi_00": flow, "ofi_01": flow.reverse(), "depth": depth})
    positions = np.array([0, 1, 2, 5, 6, 10])
    whole, some = (build_flow_matrix(rows, 2, normalise, at=at) for at in (None, positions))
    monkeypatch.setattr("ofiml.ofi.flow._BLOCK_ROWS", 4)
    np.testing.assert_array_equal(build_flow_matrix(rows, 2, normalise), whole)
    np.testing.assert_array_equal(build_flow_matrix(rows, 2, normalise, at=positions), whole[positions])
    np.testing.assert_array_equal(some, whole[positions])
    known = flow.fill_null(float("nan")).cast(pl.Float64).to_numpy()
    by_depth = np.where(depth.to_numpy() > 0, known / np.where(depth.to_numpy() > 0, depth.to_numpy(), 1), 0 * known)
    np.testing.assert_array_equal(whole[:, 0], known if normalise == "none" else by_depth)
