"""Features and bars where prices are zero or negative: against the slow oracle, the twin, mirrors and shifts."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import ActivityBars
from ofiml.features.batch import pack_rows
from ofiml.features.catalogue import CATALOGUE, INDEX
from ofiml.features.entry import EVEN, ODD
from ofiml.features.machine import describe_market
from ofiml.live.stream import Stream
from tests.books import SECOND, TICK, busy_session, mirrored, session
from tests.conftest import slow_but_each
from tests.features import slow
from tests.features.test_kernel import BARS, PLAN, computed, plain_computed

OF_LOGARITHMS = {"realised_volatility", "amihud"}
OF_LEVEL = OF_LOGARITHMS | {"spread_bps"}


def shifted(original, ticks):
    prices = [c for c in original.events.columns if c == "price" or "_px_" in c]
    return replace(original, events=original.events.with_columns(pl.col(prices) + ticks * original.tick))


def through_zero(seed, n):
    """A busy session of which half the states have a mid at or below zero."""
    s = busy_session(seed, n)
    middle = float(((s.events["bid_px_00"] + s.events["ask_px_00"]) / 2).drop_nulls().median())
    s = shifted(s, -round(middle / TICK))
    mids = (s.events["bid_px_00"] + s.events["ask_px_00"]).drop_nulls()
    assert mids.min() < 0 < mids.max()
    return s


def column(of, name):
    return of.features[:, INDEX[name]]


def test_what_depends_on_the_level_is_marked():
    assert {name for name, entry in CATALOGUE.items() if entry.relative} == OF_LEVEL


@pytest.mark.parametrize("seed", range(4))
def test_every_feature_equals_the_slow_oracle(seed):
    s = through_zero(seed, 150)
    edges, c = computed(s, BARS[seed])
    for k in range(0, len(edges) - 1, max(1, len(edges) // 10)):
        expected = slow.features(s, BARS[seed].per, edges, k, trade_size=5, bucket=20, ofi_levels=2, utc_offset=0,
                                 scheduled_close=s.close)  # fmt: skip
        for name, value in expected.items():
            assert c.features[k, INDEX[name]] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (name, k)


@pytest.mark.parametrize("seed", slow_but_each(2, range(2)))
def test_the_compiled_kernel_equals_its_plain_source(monkeypatch, seed):
    s = through_zero(seed, 200)
    _, c = computed(s)
    p = plain_computed(monkeypatch, s)
    np.testing.assert_allclose(p.features, c.features, rtol=1e-13, atol=0, equal_nan=True)


@pytest.mark.parametrize("make", [busy_session, through_zero])
@pytest.mark.parametrize("seed", range(3))
def test_a_market_mirrored_at_zero_has_the_mirrored_features(seed, make):
    s = make(seed, 260)
    (_, ours), (_, theirs) = computed(s), computed(mirrored(s, 0))
    for name, entry in CATALOGUE.items():
        if name in OF_LOGARITHMS:  # a market and its mirror are never both positive
            assert (np.isnan(column(ours, name)) | np.isnan(column(theirs, name))).all(), name
            continue
        other = column(ours, name if entry.mirror in (EVEN, ODD) else entry.mirror)
        sign = -1 if entry.mirror == ODD else 1
        np.testing.assert_allclose(column(theirs, name), sign * other, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("ticks", [-1000, -2 * 10**8, 2 * 10**8])
def test_a_shift_of_all_prices_changes_only_what_depends_on_their_level(ticks):
    s = busy_session(1, 260)
    (_, ours), (_, theirs) = computed(s), computed(shifted(s, ticks))
    np.testing.assert_array_equal(theirs.flow, ours.flow)
    for name in set(CATALOGUE) - OF_LEVEL:
        np.testing.assert_allclose(column(theirs, name), column(ours, name), rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_no_feature_is_infinite_and_bps_are_not_negative(seed):
    for s in (through_zero(seed, 400), shifted(busy_session(seed, 400), -5000)):
        _, c = computed(s)
        assert not np.isinf(c.features).any()
        assert (column(c, "spread_bps") >= 0).sum() > 20
        assert not (column(c, "spread_bps") < 0).any()
    for name in OF_LOGARITHMS:  # of the second market, which is never positive
        assert np.isnan(column(c, name)).all(), name


def test_the_rules_by_hand():
    """Mids of 2, 1, 0, -1 and -2 ticks, at the closes of five bars of 2 s."""
    rows = [{"t": 2 * i + 1, "book": [(mid - 1, 5, mid + 1, 5)]} for i, mid in enumerate((2, 1, 0, -1, -2))]
    _, c = computed(session(rows, close=10))
    expected = [1e4 * 2 / 2, 1e4 * 2 / 1, math.nan, 1e4 * 2 / 1, 1e4 * 2 / 2]
    np.testing.assert_allclose(column(c, "spread_bps"), expected)
    volatility = [0.0, 1e4 * math.log(2), math.nan, math.nan, math.nan]
    np.testing.assert_allclose(column(c, "realised_volatility"), volatility)
    assert column(c, "return_1").tolist()[1:] == [-1, -1, -1, -1]
    assert column(c, "spread_ticks").tolist() == [2] * 5


def test_the_value_traded_is_of_the_size_of_the_price():
    """Mids of 1 and 2 ticks in turn; each bar of 2 s trades 10 lots at -3 ticks and 10 at 2: 0.50 of currency."""
    rows = []
    for i in range(14):
        book = [(i % 2, 5, i % 2 + 2, 5)]
        rows += [{"t": 2 * i + 1 + k / 4, "book": book, "action": "T", "price": (-3, 2)[k], "size": 10} for k in (0, 1)]
    _, c = computed(session(rows, close=28))
    assert column(c, "amihud")[-1] == pytest.approx(1e4 * math.log(2) / (0.5 / 1e6))


def test_a_locked_spread_at_a_mid_of_zero():
    rows = [{"t": t, "book": [(0, 5, 0, 3)], "action": "T", "price": 0} for t in range(1, 30)]
    _, c = computed(session(rows, close=30))
    assert not np.isinf(c.features).any()
    assert np.isnan(column(c, "spread_bps")).all()
    for name in ("spread_ticks", "effective_spread", "microprice_offset", "vwap_distance", "range", "jump"):
        assert set(column(c, name)[1:]) == {0.0}, name


@pytest.mark.parametrize(("make", "size"), [(busy_session, 300.5), (through_zero, 1.5)])
def test_dollar_bars_of_a_mirrored_market_are_the_same(make, size):
    for seed in range(3):
        s, bars = make(seed, 300), ActivityBars("dollar", size, "message")
        edges = [cut_bars(one, select_states(one, "message"), bars).edges.tolist() for one in (s, mirrored(s, 0))]
        assert edges[0] == edges[1] == slow.activity_edges(s, "message", "dollar", size)
        assert len(edges[0]) > 5


def test_dollar_bars_by_hand():
    """Trades of 10 lots at 3, -2, 0, -3, 2 and -1 ticks of 0.01: a bar for each 0.5 of currency that changes hands."""
    prices = (3, -2, 0, -3, 2, -1)
    rows = [
        {"t": i + 1, "book": [(p - 1, 5, p + 1, 5)], "action": "T", "price": p, "size": 10}
        for i, p in enumerate(prices)
    ]
    s = session(rows, close=7)
    edges = cut_bars(s, select_states(s, "message"), ActivityBars("dollar", 0.5, "message")).edges
    assert (edges / SECOND).tolist() == [0, 2, 5]
    assert TICK == 10_000_000


def test_a_stream_through_zero_equals_the_recorded_session():
    s = through_zero(2, 300)
    bars = ActivityBars("dollar", 1.5, "message")
    edges, c = computed(s, bars)
    stream = Stream(describe_market(s, "message"), bars, PLAN)
    live = [bar for rows in pack_rows(s) for row in rows for bar in stream.push_row(row)] + stream.finish(s.close)
    assert [bar.close for bar in live] == edges[1:].tolist()
    np.testing.assert_array_equal(np.array([bar.features for bar in live]), c.features)
