"""Bars on several roads: bits, what joins messages, and a market that is read back the same."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.data.schema import F_LAST
from ofiml.experiments.joined_messages import (
    drop_unchanged,
    join_messages,
    sum_fills,
    turn_trades,
    use_exchange_clock,
)
from ofiml.experiments.recipes._book_roads import compare_roads
from ofiml.experiments.road_bars import BAR, BEST, BOOK, KEY, compare_bars, describe_columns, tabulate_bars
from ofiml.samples.settings import SampleSettings
from tests.books import SECOND, session


def table(close, **columns):
    n = len(close)
    key = {"symbol": ["A"] * n, "session": ["1970-01-01"] * n, "bar_open": [0, *close[:-1]], "bar_close": close}
    return pl.DataFrame(key | {"n_events": [1] * n, "volume": [5] * n} | columns)


def test_bars_are_compared_by_their_bits():
    first = table([1, 2, 3, 4], ofi_00=[0.0, np.nan, 1.0, 2.0], bid_px_00=[None, 5, 6, 7], range=[1.0, None, 2.0, 3.0])
    second = table(
        [1, 2, 3, 5], ofi_00=[-0.0, np.nan, 1.0, 2.0], bid_px_00=[None, 5, None, 7], range=[1.0, 2.0, 2.0, 3.0]
    )
    got = compare_bars(first, second)
    assert (got.first, got.second, got.shared) == (4, 4, 3), "the fourth closes elsewhere"
    assert got.equal["flow of each level"] == {"ofi_00": 2}, "-0 is not 0, and NaN is NaN"
    assert got.equal[BEST] == {"bid_px_00": 2}
    assert got.equal["features: price"] == {"range": 2}
    assert got.same[BEST].tolist() == [True, True, False]
    assert got.count_columns() == (2, 5)
    assert got.list_differing() == ["bid_px_00", "ofi_00", "range"]
    assert not got.is_whole
    assert compare_bars(first, first).is_whole


def test_tables_that_share_no_bar_have_no_same_column():
    got = compare_bars(table([1, 2]), table([3, 4]))
    assert got.shared == 0
    assert got.count_columns() == (0, 2)
    assert not got.is_whole


def test_a_column_without_values_is_left_out():
    first = table([1, 2], bid_ct_00=[1, 2])
    got = compare_bars(first, first.with_columns(pl.lit(None, pl.Int64).alias("bid_ct_00")))
    assert got.equal.get(BEST) is None
    assert got.equal[BAR] == {"n_events": 2}


@pytest.fixture
def feed():
    """An order that walks through a price at 2, as a feed of fills has it, and a quote out of sight at 3."""

    def trade(price, size, book, **more):
        return {"t": 2, "action": "T", "side": "B", "price": price, "size": size, "book": [book]} | more

    return session(
        [
            {"t": 1, "book": [(10, 5, 12, 9)]},
            trade(12, 4, (10, 5, 12, 5)),
            trade(12, 5, (10, 5, 13, 7)),
            trade(13, 3, (10, 5, 13, 4)),
            {"t": 3, "book": [(10, 5, 13, 4)], "size": 8},
            {"t": 4, "book": [(11, 2, 13, 4)], "flags": 0},
            {"t": 4, "book": [(11, 2, 13, 6)]},
        ]
    )


def test_rows_of_a_time_are_one_message(feed):
    joined = join_messages(feed).events
    assert (joined["flags"] & F_LAST).to_list() == [128, 0, 0, 128, 128, 0, 128]
    assert joined.drop("flags").equals(feed.events.drop("flags"))


def test_fills_of_a_price_are_one_trade(feed):
    events = sum_fills(join_messages(feed)).events
    assert events["action"].to_list() == ["A", "T", "T", "A", "A"]
    assert events["size"].to_list() == [1, 9, 3, 8, 1]
    assert events["ask_px_00"].to_list() == [p * 10_000_000 for p in (12, 13, 13, 13, 13)]
    assert events["ask_sz_00"].to_list() == [9, 4, 4, 4, 6]
    assert (events["flags"] & F_LAST).to_list() == [128, 0, 128, 128, 128]


def test_messages_that_leave_the_book_are_left_out(feed):
    events = drop_unchanged(sum_fills(feed)).events
    assert (events["ts_recv"].to_physical() // SECOND).to_list() == [1, 2, 2, 4]


def test_the_exchanges_clock_and_the_sides_of_trades(feed):
    late = replace(feed, events=feed.events.with_columns(pl.col("ts_recv") + pl.duration(microseconds=5)))
    assert use_exchange_clock(late).events.equals(feed.events)
    sides = turn_trades(feed).events["side"].to_list()
    assert sides == ["B", "A", "A", "A", "B", "B", "B"]
    assert turn_trades(turn_trades(feed)).events.equals(feed.events)


@pytest.fixture(scope="module")
def settings(configure):
    config = configure("dataset.session_length=5m", "bars=volume", "bars.size=300", "ofi=mlofi", "features=full")
    return SampleSettings.of(config)


@pytest.fixture(scope="module")
def market(settings):
    from ofiml.data.synthetic import simulate

    return simulate(settings.dataset, 0)[0]


def test_bars_have_their_volume_and_the_book_at_their_close(market, settings):
    bars = tabulate_bars(market, settings)
    events = market.events.with_columns(pl.col("ts_recv").to_physical())
    assert bars.height > 20
    for row in bars.select(*KEY, "volume", "seconds", "ask_sz_09", "bid_px_00").iter_rows(named=True):
        known = events.filter(pl.col("ts_recv") <= row["bar_close"])
        traded = known.filter((pl.col("action") == "T") & (pl.col("ts_recv") > row["bar_open"]))["size"].sum()
        assert row["volume"] == traded >= 300
        assert (row["ask_sz_09"], row["bid_px_00"]) == known.select("ask_sz_09", "bid_px_00").row(-1)
        assert row["seconds"] == pytest.approx((row["bar_close"] - row["bar_open"]) / SECOND)


def test_a_difference_of_one_lot_is_seen(market, settings):
    half = market.events.height // 2
    changed = pl.when(pl.int_range(pl.len()) == half).then(pl.col("ask_sz_03") + 1).otherwise("ask_sz_03")
    at = market.events["ts_recv"].to_physical()[half]
    bars = tabulate_bars(replace(market, events=market.events.with_columns(changed.alias("ask_sz_03"))), settings)
    got = compare_bars(tabulate_bars(market, settings), bars)
    assert got.is_whole, "one lot that comes and goes within a bar leaves no trace in it"
    later = pl.when(pl.int_range(pl.len()) >= half).then(pl.col("ask_sz_03") + 1).otherwise("ask_sz_03")
    other = replace(market, events=market.events.with_columns(later.alias("ask_sz_03")))
    road = compare_roads(("one", [market], settings), ("two", [other], settings))
    before = int((tabulate_bars(market, settings)["bar_close"] < at).sum())
    first = road.steps["as read"]
    assert first.equal[BOOK]["ask_sz_03"] == before < first.shared
    assert "ask_sz_02" not in first.list_differing()
    assert not road.steps["as read"].is_whole
    assert road.correlation == pytest.approx(1.0)
    same = compare_roads(("one", [market], settings), ("two", [market], settings))
    assert all(step.is_whole for step in same.steps.values())
    assert same.messages == same.own_messages > 1000


def test_columns_are_described_without_what_is_not_known():
    got = describe_columns(pl.DataFrame({"x": [1.0, None, np.nan, 3.0], "y": [None, None, None, None]}), ["x", "y"])
    assert got["x"] == pytest.approx((2.0, 1.0, 1.1, 2.9))
    assert np.isnan(got["y"]).all()
