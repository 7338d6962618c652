"""The slow features themselves, on numbers worked out by hand. Prices in ticks, sizes in lots, times in seconds."""

from dataclasses import replace
from math import exp, isnan, log, nan, sqrt

import polars as pl
import pytest

from ofiml.data.schema import F_LAST, Session
from ofiml.features.catalogue import CATALOGUE
from tests.books import SECOND, TICK, Row, session
from tests.features.slow import CLOCK, FORMULAS, activity_edges, features, flows

HOUR = 3600 * SECOND


def row(t, book, action="A", *, side="B", price=None, size=1, flags=F_LAST) -> Row:
    return {"t": t, "book": book, "action": action, "side": side, "price": price, "size": size, "flags": flags}


def priced(rows: list[Row], **other) -> Session:
    """A session of rows that have prices."""
    made = session(rows, **other)
    prices = [None if r["price"] is None else r["price"] * TICK for r in rows]
    return replace(made, events=made.events.with_columns(pl.Series("price", prices, pl.Int64)))


def edges(step, count):
    return [i * step * SECOND for i in range(count + 1)]


def computed(made: Session, bars: list[int], k: int, per="message", **other) -> dict[str, float]:
    settings = {
        "trade_size": 5,
        "bucket": 3,
        "ofi_levels": made.levels,
        "utc_offset": -5 * HOUR,
        "scheduled_close": HOUR,
    }
    return features(made, per, bars, k, **(settings | other))


def check(values, expected):
    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def book(bids, asks):
    return [(*bid, *ask) for bid, ask in zip(bids, asks, strict=True)]


# Bars of 10 s. Beside each state: what it does to (bid, ask) at the best level, then at the second.
TWO_LEVELS = [
    row(0, book([(100, 5), (99, 10)], [(102, 7), (103, 8)])),  # stands at the open, counts for nothing
    row(2, book([(100, 8), (99, 10)], [(102, 7), (103, 8)])),  # add: bid +3
    row(4, book([(100, 8), (99, 10)], [(102, 7), (103, 8)]), "T", side="B", price=102, size=4, flags=0),
    row(4, book([(100, 8), (99, 10)], [(102, 3), (103, 8)]), "C", side="A"),  # the end of the trade's message: ask -4
    row(6, book([(100, 2), (99, 10)], [(102, 3), (103, 8)]), "C"),  # cancel: bid -6
    row(8, book([(101, 6), (100, 2)], [(102, 3), (103, 9)])),  # add: bid +6; second: bid +2, ask +1
    row(10, book([(100, 2), (99, 11)], [(102, 3), (103, 9)]), "T", side="A", price=101, size=6),  # bid -6; second -2
    row(12, book([(100, 2), (99, 11)], [(102, 3), (103, 9)]), "T", side="N", price=101, size=1),  # changes nothing
    row(15, book([(99, 4), (98, 1)], [(101, 4), (102, 1)]), "R", side="N"),  # a reset: no flow, a new start
    row(18, book([(99, 6), (98, 1)], [(101, 4), (102, 1)])),  # add: bid +2
]


def test_there_is_a_formula_for_each_feature_of_the_catalogue():
    assert set(FORMULAS) == set(CATALOGUE)
    assert set(computed(priced(TWO_LEVELS, levels=2), edges(10, 2), 0)) == set(FORMULAS)


def test_first_bar():
    values = computed(priced(TWO_LEVELS, levels=2), edges(10, 2), 0)
    flow = {
        "bid_flow": 3 - 6 + 6 - 6,
        "ask_flow": -4,
        "ofi_5s": -6 + 6 - 6,  # the states at 6, 8 and 10
        "ofi_10s": 1,  # -3 - (-4); t - 10 s is the start itself
        "ofi_30s": nan,
        "ofi_adds": 3 + 6,
        "ofi_cancels": -6,
        "ofi_trades": 4 - 6,
        "ofi_deep": 2 - 1 - 2,
        "ofi_to_depth": 1 / 2.5,
        "ofi_acceleration": nan,
        "ofi_zscore": nan,
    }
    # At t: bids 2 at 100 and 11 at 99, asks 3 at 102 and 9 at 103; mid 101.
    depth = {
        "depth_best": (2 + 3) / 2,
        "depth_5": (13 + 12) / 2,
        "depth_all": 12.5,
        "queue_imbalance": -1 / 5,
        "imbalance_5": 1 / 25,
        "depth_imbalance": 1 / 25,
        "depth_ratio": log(13 / 12),
        "best_share": 5 / 25,
        "imbalance_change": nan,
    }
    spread = {
        "spread_ticks": 2,
        "spread_bps": 20_000 / 101,
        "spread_mean": (8 * 2 + 2 * 1) / 10,  # 2 until 8, then 1 until 10
        "effective_spread": (4 * 2 * (102 - 101) + 6 * 2 * (101.5 - 101)) / 10,
        "realised_spread": 2 * (102 - 101.5),  # only the buy at 4 comes due, at 9
        "price_impact": 2 * (101.5 - 101),
        "cost_buy": (3 * 102 + 2 * 103) / 5 - 101,
        "cost_sell": 101 - (2 * 100 + 3 * 99) / 5,
    }
    shape = {
        "bid_slope": 13 / 2,
        "ask_slope": 12 / 2,
        "slope_imbalance": 0.5 / 12.5,
        "bid_distance": (2 * 1 + 11 * 2) / 13,
        "ask_distance": (3 * 1 + 9 * 2) / 12,
        "bid_gap": 1,
        "ask_gap": 1,
        "resilience": nan,
    }
    trades = {
        "buy_volume": 4,
        "sell_volume": 6,
        "trade_imbalance": -0.2,
        "trade_count": 2,
        "signed_count": 0,
        "mean_trade_size": 5,
        "large_trade_flow": 0,
        "vwap_distance": 101 - (4 * 102 + 6 * 101) / 10,
        "aggressor_run": -1,
        "signed_volume_60s": nan,
    }
    price = {
        "return_1": nan,
        "return_10s": 101 - 101,
        "realised_volatility": 10_000 * sqrt(2) * log(101.5 / 101),  # up at 8, down at 10
        "range": 0.5,
        "jump": 0.5,  # of two equal ones the first
        "microprice_offset": (102 * 2 + 100 * 3) / 5 - 101,
    }
    arrival = {
        "log_events": log(1 + 5),
        "decayed_events": exp(-8 / 5) + exp(-6 / 5) + exp(-4 / 5) + exp(-2 / 5) + 1,
        "decayed_trades": exp(-6 / 5) + 1,
        "decayed_sign": exp(-6 / 5) - 1,
        "seconds_since_trade": 0,
        "seconds_since_move": 0,
    }
    clock = {
        "time_of_day": 19 + 10 / 3600,
        "minutes_since_open": 1 / 6,
        "minutes_to_close": 60 - 1 / 6,
        "day_of_week": 3,  # 1970-01-01 was a Thursday
    }
    check(values, flow | depth | spread | shape | trades | price | arrival | clock)


def test_nothing_is_measured_across_a_reset_but_plain_sums_keep_what_came_before_it():
    values = computed(priced(TWO_LEVELS, levels=2), edges(10, 2), 1)
    kept = {
        "bid_flow": 2,
        "trade_count": 1,
        "mean_trade_size": 1,
        "trade_imbalance": nan,
        "log_events": log(1 + 3),
        "vwap_distance": 100 - 101,
        "effective_spread": nan,  # the only trade has no side
    }
    anew = {
        "ofi_5s": 2,  # t - 5 s is the start
        "ofi_10s": nan,
        "ofi_acceleration": nan,
        "imbalance_change": nan,
        "return_1": nan,
        "spread_mean": 2,
        "realised_spread": nan,  # the sell at 10 comes due at 15, but traded before the start
        "aggressor_run": 0,
        "seconds_since_trade": nan,
        "seconds_since_move": nan,
        "decayed_events": exp(-5 / 5) + exp(-2 / 5),  # the reset's own state counts
        "decayed_trades": 0,
        "range": 0,
        "jump": 0,
        "realised_volatility": 0,
    }
    check(values, kept | anew)


def test_the_spread_of_a_bar_begins_anew_at_a_reset():
    rows = [row(t, [(100, 1, ask, 1)], action) for t, ask, action in ((0, 104, "A"), (6, 102, "R"), (8, 101, "A"))]
    values = computed(priced(rows), edges(10, 1), 0)
    check(values, {"spread_mean": (2 * 2 + 2 * 1) / 4, "ofi_deep": nan})


def test_all_but_the_clock_is_unknown_before_the_first_state():
    late = [
        row(t, [(100, 1, 102, 1)], "T", price=102, flags=flags) for t, flags in ((3, 0), (12, F_LAST), (13, F_LAST))
    ]
    values = computed(priced(late), edges(10, 2), 0)
    assert {name for name, v in values.items() if not isnan(v)} == set(CLOCK)
    # The first state, at 12, is the start: its own trade comes before it, as that at 3 does, and neither has a mid
    # before it; the trade at 13 pays 102 against 101.
    after = computed(priced(late), edges(10, 2), 1)
    check(after, {"trade_count": 2, "aggressor_run": 1, "effective_spread": 2, "ofi_5s": 0})
    check(computed(priced(late), [0, 10 * SECOND, 16 * SECOND], 1), {"ofi_5s": nan, "ofi_1s": 0, "log_events": log(3)})


def test_a_message_that_is_not_whole_has_traded_but_is_no_state():
    rows = [
        row(0, [(100, 5, 102, 7)]),
        row(9, [(100, 5, 102, 7)], "T", price=102, size=2, flags=0),
        row(11, [(100, 5, 102, 5)], "C"),
    ]
    made = priced(rows)
    cut = replace(made, events=made.events.head(2))
    for known in (made, cut):  # what comes after t changes nothing
        check(
            computed(known, edges(10, 2), 0), {"buy_volume": 2, "log_events": 0, "ask_flow": 0, "effective_spread": 2}
        )
    check(computed(made, edges(10, 2), 1), {"buy_volume": 0, "ofi_trades": 2, "ofi_cancels": 0})
    # Row by row, each is a message of its own.
    check(computed(made, edges(10, 2), 0, per="row"), {"log_events": log(2), "ofi_trades": 0})
    check(computed(made, edges(10, 2), 1, per="row"), {"ofi_trades": 0, "ofi_cancels": 2})


def one_a_second(count) -> Session:
    """At each second the mid rises by 2 (odd ones, a buy of 2 lots at 102) or falls by 1 (even, a sell of 2 at 101).

    From 101 at the open: 103 at 1, 102 at 2, 104 at 3, …: 102 + (t + 1)/2 at an odd t.
    """
    rows, mid = [row(0, [(100, 3, 102, 3)])], 101
    for t in range(1, count + 1):
        mid, side, price = (mid + 2, "B", 102) if t % 2 else (mid - 1, "A", 101)
        rows.append(row(t, [(mid - 1, 3, mid + 1, 3)], "T", side=side, price=price, size=2))
    return priced(rows)


def test_features_of_many_bars():
    made = one_a_second(31)
    check(computed(made, edges(1, 31), 9), {"volatility_30": nan, "kyle_lambda": nan, "amihud": nan})
    # Bars 1 to 10 (bar 0 has none before it) change by -1, 2, -1, …: mean 1/2, all 3/2 from it.
    moves = [
        log(mid / before)
        for before, mid in zip(
            (103, 102, 104, 103, 105, 104, 106, 105, 107, 106),
            (102, 104, 103, 105, 104, 106, 105, 107, 106, 108),
            strict=True,
        )
    ]
    values = computed(made, edges(1, 31), 10)
    expected = {
        "return_1": 2,
        "return_6": 108 - 105,  # at 11 and at 5
        "return_10s": 108 - 103,
        "return_30": nan,
        "efficiency": nan,
        "volatility_30": sqrt(10 * 1.5**2 / 9),
        "kyle_lambda": (2 + 1) / (2 + 2),  # (2, 2) and (-2, -1) lie on one line
        # Value traded in a bar: 2 lots at 1.01 (falls) or 1.02 (rises).
        "amihud": sum(1e4 * abs(m) / (2 * (1.02 if m > 0 else 1.01) / 1e6) for m in moves) / 10,
        "aggressor_run": 1,
        "ofi_acceleration": 6 + 6,  # both prices up: 3 + 3; both down: -3 - 3
        # Bars 0 to 10 have 6, -6, …, 6: mean 6/11; squares 11·36 - 36/11 over 10.
        "ofi_zscore": (6 - 6 / 11) / sqrt((11 * 36 - 36 / 11) / 10),
        "depth_zscore": nan,  # all equal
        "roll_spread": nan,
    }
    check(values, expected)
    check(computed(made, edges(1, 31), 11), {"kyle_lambda": 0.75, "ofi_acceleration": -6 - 6})
    hole = replace(made, events=made.events.with_columns(ask_px_00=pl.when(pl.col("sequence") != 9).then("ask_px_00")))
    check(computed(hole, edges(1, 31), 30), {"return_30": 15, "efficiency": nan, "aggressor_run": 1})
    check(computed(hole, edges(1, 31), 9), {"return_1": nan, "return_6": 106 - 103})
    check(computed(hole, edges(1, 31), 14), {"return_6": nan, "return_1": 2})
    late = {
        "return_30": 118 - 103,  # at 31 and at 1
        "efficiency": 15 / (15 * 2 + 15 * 1),
        # 31 trades, 30 changes -1, 1, …, 1: 29 pairs whose product is -1, with means 1/29 and -1/29.
        "roll_spread": 2 * sqrt(1 - 1 / 29**2),
    }
    check(computed(made, edges(1, 31), 30), late)


def test_what_stands_at_the_open_sets_the_book_and_what_falls_on_an_edge_belongs_to_the_bar_before():
    rows = [
        row(3, [(100, 4, 102, 4)], "T", price=102, size=9),
        row(5, [(100, 4, 104, 4)], "R"),  # a reset at the open starts nothing but the open does: mid 102
        row(10, [(100, 4, 106, 2)], "T", price=103, size=2),  # mid 103
        row(15, [(100, 6, 106, 2)]),
        row(17, [(101, 5, 106, 2)]),  # mid 103.5
    ]
    made = priced(rows, open_=5)
    bars = [edge * SECOND for edge in (5, 10, 15, 20)]
    first = computed(made, bars, 0)
    expected = {"minutes_since_open": 5 / 60, "log_events": log(2), "buy_volume": 2, "jump": 1, "range": 1, "ofi_5s": 4}
    check(first, expected | {"effective_spread": 2 * (103 - 102), "realised_spread": nan, "decayed_events": 1})
    second = computed(made, bars, 1)
    # The trade at 10 comes due at 15; the move at 10 is none of this bar's.
    expected = {"realised_spread": 0, "price_impact": 2, "jump": 0, "range": 0, "realised_volatility": 0, "ofi_1s": 2}
    changes = {"ofi_acceleration": 2 - 4, "imbalance_change": (6 - 2) / 8 - (4 - 2) / 6}
    check(second, expected | changes | {"return_1": 0, "seconds_since_move": 5})
    third = computed(made, bars, 2)
    check(third, {"realised_spread": nan, "jump": 0.5, "range": 0.5, "return_1": 0.5, "ofi_acceleration": 5 - 2})


def test_the_bar_that_a_reset_ends_is_the_first():
    rows = [row(0, [(100, 4, 102, 4)]), row(10, [(100, 4, 104, 4)], "R"), row(15, [(100, 7, 104, 4)])]
    check(computed(priced(rows), edges(10, 2), 0), {"return_1": nan, "ofi_10s": nan, "decayed_events": 1})
    check(computed(priced(rows), edges(10, 2), 1), {"return_1": 0, "ofi_acceleration": 3, "ofi_10s": 3})


def test_near_levels_are_five():
    made = priced([row(0, [(100 - m, 1, 102 + m, 2) for m in range(6)])], levels=6)
    values = computed(made, [0, SECOND], 0, trade_size=6)
    expected = {
        "depth_5": 15 / 2,
        "depth_all": 18 / 2,
        "imbalance_5": -5 / 15,
        "best_share": 3 / 18,
        "bid_slope": 6 / 6,
    }
    check(values, expected | {"cost_sell": (1 + 2 + 3 + 4 + 5 + 6) / 6, "cost_buy": (1 + 2 + 3) / 3})
    locked = priced([row(0, [(100, 1, 100, 2)])])
    check(computed(locked, [0, SECOND], 0), {"bid_slope": nan, "slope_imbalance": nan, "spread_ticks": 0})


def test_how_far_features_look_back():
    # One flow of 3 in bar 0, then none: bars 1 to 30 are all equal.
    rows = [row(0, [(100, 4, 102, 6)]), row(1, [(100, 7, 102, 6)])]
    check(computed(priced(rows), edges(1, 31), 29), {"ofi_zscore": (0 - 0.1) / (3 / sqrt(30))})
    check(computed(priced(rows), edges(1, 31), 30), {"ofi_zscore": nan})
    # A bucket of buys alone, then 50 that are even.
    rows = [row(0, [(100, 4, 102, 6)], "T", price=101, size=9), row(1, [(100, 4, 102, 6)], "T", price=101, size=4)]
    rows += [row(2 + i, [(100, 4, 102, 6)], "T", side="BA"[i % 2], price=101, size=2) for i in range(100)]
    made = priced(rows)
    check(computed(made, [0, 99 * SECOND], 0, bucket=4), {"vpin": 1 / 50})
    check(computed(made, [0, 101 * SECOND], 0, bucket=4), {"vpin": 0})
    # 21 trades: 19 pairs; of 111 the last 101: 99 pairs.
    made = one_a_second(111)
    check(computed(made, edges(1, 111), 19), {"roll_spread": nan})
    check(computed(made, edges(1, 111), 20), {"roll_spread": 2 * sqrt(1 - 1 / 19**2)})
    check(computed(made, [0, 111 * SECOND], 0), {"roll_spread": 2 * sqrt(1 - 1 / 99**2)})


def test_vpin_splits_trades_over_buckets():
    # Buckets of 3 lots from trades of 2: buy 2 and sell 1; sell 1 and buy 2; sell 2 and buy 1; …: 1/3 each.
    made = one_a_second(15)
    check(computed(made, edges(1, 15), 13), {"vpin": nan})  # 28 lots, 9 buckets
    check(computed(made, edges(1, 15), 14), {"vpin": 1 / 3})
    # Buckets of 7: 4 lots of one side and 3 of the other, wherever they begin.
    check(computed(one_a_second(35), edges(1, 35), 34, bucket=7), {"vpin": 1 / 7})


def test_windows_of_a_minute():
    values = computed(one_a_second(61), edges(1, 61), 60)
    expected = {
        "event_rate_60s": 1,
        "trade_rate_60s": 1,
        "signed_volume_60s": 0,  # 30 sells and 30 buys from 2 to 61
        "return_60s": 133 - 103,
        "ofi_60s": 0,
        "ofi_1s": 6,
        "seconds_since_move": 0,
    }
    check(values, expected)
    check(computed(one_a_second(61), [0, 61 * SECOND, 62 * SECOND], 1), {"signed_volume_60s": 2, "ofi_60s": 6})


@pytest.mark.parametrize(
    ("sizes", "flow", "recovered"), [([1] * 10, 3, 2 / 3), ([1] * 9, 0, nan), ([1] * 9 + [2], 0, nan)]
)
def test_a_large_trade_and_what_comes_back_after_it(sizes, flow, recovered):
    full, hit, later = ([(100, 5, 102, best), (99, 5, 103, 8)] for best in (7, 4, 6))
    rows = [row(0, full)]
    rows += [row(1, full, "T", side="A" if i % 2 else "B", price=101, size=size) for i, size in enumerate(sizes)]
    rows.append(row(2, full, "T", side="B", price=102, size=3, flags=0))
    rows.append(row(2, hit, "C", side="A"))  # 15 lots were asked, now 12
    rows.append(row(3, later))  # now 14
    values = computed(priced(rows, levels=2), edges(10, 1), 0)
    check(values, {"large_trade_flow": flow, "resilience": recovered})


def test_a_large_trade_whose_row_ends_its_message():
    full, hit = ([(100, 5, 102, best)] for best in (7, 4))
    small = [row(0, full), *(row(1, full, "T", price=101) for _ in range(10))]
    # The bids are hit, and lose nothing; asks are hit, and 2 of 3 lots come back.
    nothing = [*small, row(2, full, "T", side="A", price=100, size=3), row(3, hit)]
    check(computed(priced(nothing), edges(10, 1), 0), {"resilience": nan, "large_trade_flow": -3})
    back = [*small, row(2, hit, "T", side="B", price=102, size=3), row(3, [(100, 5, 102, 6)])]
    check(computed(priced(back), edges(10, 1), 0), {"resilience": 2 / 3, "large_trade_flow": 3})


def test_zscores_of_ten_bars():
    # Nine bars alike and a tenth that differs by x: mean x/10 above, sd x/sqrt(10), so 0.9·sqrt(10).
    rows = [row(t, [(100, 4, 102, 6)]) for t in range(10)] + [row(10, [(100, 8, 103, 6)])]
    values = computed(priced(rows), edges(1, 10), 9)
    same = 0.9 * sqrt(10)
    # Flow: the bid grows by 4, the ask of 6 leaves upwards.
    check(values, {"ofi_zscore": same, "depth_zscore": same, "spread_zscore": same, "ofi_1s": 4 + 6})
    check(computed(priced(rows), edges(1, 10), 8), {"ofi_zscore": nan, "spread_zscore": nan})
    # A bar without an ask has no spread: nine are left.
    rows[5] = row(5, [(100, 4, None, 0)])
    check(computed(priced(rows), edges(1, 10), 9), {"spread_zscore": nan})


def test_a_side_that_is_missing():
    rows = [row(0, [(100, 4, 102, 6)]), row(4, [(100, 4, None, 0)]), row(7, [(101, 4, 102, 6)])]
    gone = computed(priced(rows), [0, 5 * SECOND], 0)
    expected = {
        "queue_imbalance": 1,
        "depth_best": 2,
        "best_share": 1,
        "spread_ticks": nan,
        "depth_ratio": nan,
        "microprice_offset": nan,
        "bid_slope": nan,
        "bid_gap": nan,
        "ask_flow": -6,  # leaves whole
        "spread_mean": 2,  # of the 4 s with both sides
        "realised_volatility": 0,  # the mid of before is carried
        "range": 0,
        "seconds_since_move": nan,
    }
    check(gone, expected)
    back = computed(priced(rows), edges(5, 2), 1)
    # From the last known mid, 101, to 101.5.
    check(back, {"jump": 0.5, "range": 0.5, "seconds_since_move": 3, "ask_flow": 6, "return_1": nan, "spread_mean": 1})
    none = computed(priced([row(1, [(None, 0, None, 0)])]), [0, 5 * SECOND], 0)
    expected = {
        "queue_imbalance": nan,
        "depth_best": 0,
        "ofi_to_depth": nan,
        "range": nan,
        "jump": 0,
        "log_events": log(2),
    }
    check(none, expected | {"realised_volatility": nan})


def test_gaps_and_distances_of_a_side_with_one_level():
    made = priced([row(0, [(100, 4, 102, 6), (97, 2, None, 0)])], levels=2)
    values = computed(made, [0, SECOND], 0)
    expected = {"bid_gap": 3, "ask_gap": nan, "ask_slope": 6, "bid_slope": 6 / 4, "bid_distance": (4 * 1 + 2 * 4) / 6}
    no_ask = priced([row(0.5, [(100, 4, None, 0), (97, 2, None, 0)], "T", price=None)], levels=2)
    check(computed(no_ask, [0, SECOND], 0), {"bid_gap": nan, "bid_distance": nan, "vwap_distance": nan})
    check(values, expected | {"cost_buy": 1, "cost_sell": 101 - (4 * 100 + 97) / 5})
    check(computed(made, [0, SECOND], 0, trade_size=7), {"cost_buy": nan, "cost_sell": nan})


def test_flows_of_each_level():
    made = priced(TWO_LEVELS, levels=2)
    bar = flows(made, "message", edges(10, 2), 0, levels=2)
    # Sizes of the states at 2, 4, 6, 8, 10, all levels and sides there: 33, 29, 23, 20, 25.
    expected = {
        "bid_flow": [-3, 2 - 2],
        "ask_flow": [-4, 1],
        "adds": [9, 2 - 1],
        "cancels": [-6, 0],
        "trades": [-2, -2],
        "depth": [(33 + 29 + 23 + 20 + 25) / 20],
    }
    assert bar == expected
    window = flows(made, "message", edges(10, 2), 0, levels=1, window=3 * SECOND)
    # The states at 8 (6 and 3 lots) and 10 (2 and 3).
    assert window == {"bid_flow": [0], "ask_flow": [0], "adds": [6], "cancels": [0], "trades": [-6], "depth": [14 / 4]}
    young = flows(made, "message", edges(10, 2), 1, levels=1, window=6 * SECOND)
    assert all(value is None for values in young.values() for value in values)


def test_edges_of_activity():
    book_ = [(100, 1, 102, 1)]
    rows = [
        row(0, book_, "T", price=100, size=9),  # at the open: counts for nothing
        row(1, book_, "T", price=100, size=3),
        row(2, book_, "T", side="N", price=100, size=1),  # a timestamp is never split,
        row(2, book_, "T", price=200, size=4, flags=0),  # so what exceeds 4 here is lost
        row(2, book_, "C"),
        row(5, book_, "T", price=None, size=4),
        row(6, book_, "T", price=100, size=5),
        row(7, book_, "T", price=100, size=1),
        row(8, book_, "T", price=100, size=3),
        row(9, book_, "T", price=100, size=9),
    ]
    made = priced(rows, close=8)

    def seconds(kind, threshold, per="message"):
        return [edge / SECOND for edge in activity_edges(made, per, kind, threshold)]

    assert seconds("volume", 4) == [0, 2, 5, 6, 8]
    assert seconds("trades", 2) == [0, 2, 6, 8]
    assert seconds("events", 2) == [0, 2, 6, 8]  # 1; 2, 2 | 5; 6 | 7; 8
    assert seconds("events", 4) == [0, 5]
    assert seconds("events", 4, per="row") == [0, 2, 8]  # 1; 2, 2, 2 | 5; 6; 7; 8
    # A lot at 100 ticks is 1.00: 3; + 1 + 8 | 0; + 5 | 1; + 3.
    assert seconds("dollar", 12) == [0, 2]
    assert seconds("dollar", 5) == [0, 2, 6]
