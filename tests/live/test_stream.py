"""The live stream against the batch: the same bits, whatever comes; and its own boundaries."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import ActivityBars, TimeBars
from ofiml.data.schema import F_LAST, extract_times
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from ofiml.features.batch import compute_bars, pack_rows
from ofiml.features.catalogue import CATALOGUE, INDEX
from ofiml.features.machine import Plan, describe_market
from ofiml.live.stream import Stream
from ofiml.ofi import flow as flow_module
from ofiml.ofi.flow import NET, FlowRow, build_flow_matrix, build_flow_table, list_flow_groups
from ofiml.ofi.flow_kernel import fill_flow_row_py
from tests.books import busy_session, session
from tests.conftest import slow_but_each, slow_except

S = 10**9
PLAN = Plan(flow_levels=2, windows=(S, 10 * S), look_back=300 * S, trade_size=5, vpin_bucket=20)
BARS = [
    TimeBars("time", "2s", "message"),
    TimeBars("time", "700ms", "row"),
    ActivityBars("events", 7, "message"),
    ActivityBars("volume", 30, "row"),
    ActivityBars("dollar", 400, "message"),
]


def streamed(s, bars, plan=PLAN):
    stream, closed = Stream(describe_market(s, bars.per), bars, plan), []
    for rows in pack_rows(s):
        for row in rows:
            closed += stream.push_row(row)
    return closed + stream.finish(s.close)


def assert_same(s, bars, plan=PLAN):
    edges = cut_bars(s, select_states(s, bars.per), bars).edges
    batch, live = compute_bars(s, describe_market(s, bars.per), plan, edges), streamed(s, bars, plan)
    assert [(b.open, b.close) for b in live] == list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    bits = np.array([b.features for b in live]).view(np.int64)
    assert np.array_equal(bits, batch.features.view(np.int64))
    assert [b.known for b in live] == batch.known.tolist()
    for bar, flow in zip(live, batch.flow, strict=True):
        assert np.array_equal(bar.flow[: 1 + bar.known], flow[: 1 + bar.known])
    return live, batch


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(BARS), st.integers(1, 5), st.sampled_from([0.0, 0.01, 0.1]))
def test_random_books_give_the_same_bits_in_batch_and_stream(seed, bars, levels, resets):
    s = busy_session(seed, 160, levels, resets=resets)
    try:
        cut_bars(s, select_states(s, bars.per), bars)
    except DataError:  # not one bar is filled
        return
    assert_same(s, bars, replace(PLAN, flow_levels=min(levels, 2)))


REAL = [
    ("lobster", "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", BARS[0]),
    ("databento", "databento/aapl_20241021_mbp10.csv", BARS[0]),
    ("binance", "binance/usdm_btcusdt_20240808.gz", ActivityBars("trades", 50, "message")),
]


@pytest.mark.parametrize(("name", "path", "bars"), slow_except([REAL[1]], REAL), ids=[r[0] for r in REAL])
def test_a_whole_real_session_gives_the_same_bits(data, configure, name, path, bars):
    s = next(list_sources(configure(f"dataset={name}", f"dataset.path={data(path)}").dataset)[0]())
    live, _ = assert_same(s, bars)
    assert len(live) > 50


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "overrides",
    slow_but_each(
        2,
        [
            ["ofi.normalise=depth", "ofi.parts=sides"],
            ["ofi.parts=types"],
            ["ofi.parts=types", "ofi.normalise=depth"],
            [],
        ],
    ),
)
def test_a_row_of_flow_is_that_of_the_matrix(configure, monkeypatch, overrides, plain):
    if plain:
        monkeypatch.setattr(flow_module, "fill_flow_row", fill_flow_row_py)
    config = configure("ofi.windows=[bar,1s,10s]", *overrides).ofi
    live, batch = assert_same(busy_session(1, 200, resets=0.02), BARS[0])
    batch.flow[3, 0, -2:] = 0  # a bar without a state: flow by depth is 0
    live[3] = replace(live[3], flow=batch.flow[3])
    asked = list_flow_groups(config)
    matrix = build_flow_matrix(build_flow_table(batch, asked, PLAN.windows), 2, config.normalise, asked)
    row = FlowRow(PLAN.windows, config.normalise, asked)
    rows = np.vstack([row(b.flow, b.known) for b in live])
    np.testing.assert_array_equal(rows.view(np.int64), matrix.view(np.int64))
    assert np.isnan(matrix).any()
    assert asked != [NET]


def test_features_on_demand_are_those_of_a_bar_that_ends_then_and_change_nothing():
    s = busy_session(2, 200)
    m = describe_market(s, "message")
    stream = Stream(m, BARS[0], PLAN)
    asked = {}
    for rows in pack_rows(s):
        for row in rows:
            stream.push_row(row)
            if row[0] > s.open:
                asked[int(row[0])] = stream.compute_features(int(row[0]))
    for t, values in list(asked.items())[::17]:  # the last answer at t is that after all rows of t
        edges = [*range(s.open, t, 2 * S), t]
        past = replace(s, events=s.events.filter(pl.Series(extract_times(s.events) <= t)))
        batch = compute_bars(past, m, PLAN, np.array(edges, np.int64))
        np.testing.assert_array_equal(values, batch.features[-1])
    assert_same(s, BARS[0])


def row(t, bid_sz, flags=F_LAST, action="A", bid=100):
    return {"t": t, "book": [(bid, bid_sz, bid + 2, 7)], "flags": flags, "action": action}


def bars_of(rows, gaps=(), close=20):
    s = session(rows, close=close)
    stream = Stream(describe_market(s, "message"), TimeBars("time", "5s", "message"), replace(PLAN, flow_levels=1))
    closed = []
    for i, one in enumerate(next(pack_rows(s))):
        if i in gaps:
            closed += stream.advance_clock(int(one[0]))
            stream.mark_gap()
        closed += stream.push_row(one)
    return closed + stream.finish(s.close)


ROWS = [row(0, 5), row(1, 6), row(6, 8, bid=130), row(7, 9, bid=130), row(12, 9, bid=131), row(17, 4, bid=131)]


def test_a_gap_is_a_boundary():
    whole, after_gap = bars_of(ROWS), bars_of(ROWS, gaps=[2])
    assert [b.ofi for b in whole] == [1, 8 + 7 + 1, 9 + 7, -5]  # an ask that moves away leaves with its 7
    assert [b.ofi for b in after_gap] == [1, 1, 9 + 7, -5]
    # Returns, windows and histories begin anew: the bar with the gap is the first.
    assert whole[1]["return_1"] == 30
    assert np.isnan(after_gap[1]["return_1"])
    assert whole[1]["jump"] == 30
    assert after_gap[1]["jump"] == 0
    assert whole[2]["ofi_10s"] == 16 + 16
    assert np.isnan(after_gap[2]["ofi_10s"])  # it would look back to 5 s, and the gap ended at 6 s
    assert after_gap[2]["return_1"] == 1
    assert after_gap[3]["ofi_10s"] == 16 - 5


@pytest.mark.parametrize("mark", [{"action": "R"}, {"flags": F_LAST | 32}])
def test_a_reset_in_the_feed_is_the_same_boundary(mark):
    marked = [one | mark if i == 2 else one for i, one in enumerate(ROWS)]
    by_gap, by_mark = bars_of(ROWS, gaps=[2]), bars_of(marked)
    skip = [INDEX[n] for n in ("ofi_adds",)]  # the type of a message is its action
    for a, b in zip(by_gap, by_mark, strict=True):
        np.testing.assert_array_equal(np.delete(a.features, skip), np.delete(b.features, skip))


def test_during_a_gap_nothing_is_known_but_the_clock():
    s = session(ROWS, close=20)
    stream = Stream(describe_market(s, "message"), TimeBars("time", "5s", "message"), replace(PLAN, flow_levels=1))
    rows = next(pack_rows(s))
    stream.push_row(rows[0])
    stream.push_row(rows[1])
    assert stream.compute_features(2 * S)[INDEX["queue_imbalance"]] == (6 - 7) / 13
    stream.mark_gap()
    values = stream.compute_features(3 * S)
    assert {n for n in CATALOGUE if not np.isnan(values[INDEX[n]])} == {
        n for n, f in CATALOGUE.items() if f.group == "clock"
    }


def test_the_clock_closes_bars_where_no_row_comes():
    s = session(ROWS[:2], close=20)
    stream = Stream(describe_market(s, "message"), TimeBars("time", "5s", "message"), replace(PLAN, flow_levels=1))
    for one in next(pack_rows(s)):
        assert stream.push_row(one) == []
    assert stream.advance_clock(5 * S) == []  # a row of this very time may still come
    assert [b.close for b in stream.advance_clock(10 * S + 1)] == [5 * S, 10 * S]
    assert stream.advance_clock(10 * S + 2) == []
    with pytest.raises(DataError, match="A bar closed before"):
        stream.compute_features(16 * S)
    assert [b.close for b in stream.advance_clock(10**6 * S)] == [15 * S, 20 * S]  # the session is scheduled to end


def test_push_says_what_is_wrong():
    s = session(ROWS, close=20)
    stream = Stream(describe_market(s, "message"), TimeBars("time", "5s", "message"), replace(PLAN, flow_levels=1))
    book = [100, 5, 102, 7]
    stream.push(3 * S, "A", "B", None, 1, F_LAST, book)
    with pytest.raises(DataError, match="in the order of receipt"):
        stream.push(2 * S, "A", "B", None, 1, F_LAST, book)
    with pytest.raises(DataError, match="8 book values, and 1 levels need 4"):
        stream.push(4 * S, "A", "B", None, 1, F_LAST, book * 2)
    with pytest.raises(DataError, match="action 'X' or side 'B'"):
        stream.push(4 * S, "X", "B", None, 1, F_LAST, book)
    with pytest.raises(DataError, match="before the last row"):
        stream.compute_features(2 * S)


def test_push_and_take_are_the_same():
    s = busy_session(3, 120)
    m = describe_market(s, "message")
    pushed, taken = Stream(m, BARS[0], PLAN), Stream(m, BARS[0], PLAN)
    book = [f"{side}_{q}_{k:02d}" for k in range(s.levels) for side in ("bid", "ask") for q in ("px", "sz")]
    columns = s.events.select(pl.col("ts_recv").to_physical(), "action", "side", "price", "size", "flags", *book)
    rows = next(pack_rows(s))
    for given_, one in zip(columns.iter_rows(), rows, strict=True):
        a, b = pushed.push(*given_[:6], given_[6:]), taken.push_row(one)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x.features, y.features)
