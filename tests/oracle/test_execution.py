"""The oracle of execution, held against scripts of a few events worked out by hand."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from ofiml.data.schema import F_LAST, F_SNAPSHOT, ORDER_TIME, SIDE, TIME, Session
from tests.books import SECOND, TICK, random_session, session
from tests.oracle.execution import Decision, Exchange, Limits, Money, Order, Scenario, simulate
from tests.oracle.messages import ASK, BID, Level, Trade, list_messages

QUEUES = ["through", "touch", "pessimistic", "proportional", "power", "exact"]


def at(seconds: float) -> int:
    return round(seconds * SECOND)


def state(t, best=(100, 5, 102, 4), deep=(99, 7, 103, 6), **other):
    return {"t": t, "book": [best, deep], **other}


def trade(t, side, price, size, best, deep=(99, 7, 103, 6), **other):
    return state(t, best, deep, action="T", side=side, price=price, size=size, **other)


def day(*rows, close=100, order_times=None) -> Session:
    made = session(rows, levels=2, close=close)
    if order_times is None:
        return made
    times = pl.Series(ORDER_TIME, [None if t is None else at(t) for t in order_times], pl.Int64).cast(TIME)
    return replace(made, events=made.events.with_columns(times))


def target(t, lots, until=math.inf):
    return Decision(at(t), "TARGET", lots, until=2**62 if until == math.inf else at(until))


def hold(t):
    return Decision(at(t), "HOLD")


def quote(t, bid=0, bid_size=0, ask=0, ask_size=0):
    return Decision(at(t), "QUOTE", bid=bid * TICK, bid_size=bid_size, ask=ask * TICK, ask_size=ask_size)


def late(seconds):
    return Scenario(latency=lambda number, time: at(seconds))


def fills(outcome):
    """(seconds, ticks, signed lots, maker) of each fill."""
    return [(f.time / SECOND, f.price, f.lots, f.maker) for f in outcome.fills]


def orders(outcome):
    """(side, lots, filled, reason, status) of each order."""
    return [(o.side, o.lots, o.filled, o.reason, o.status) for o in outcome.orders]


# --- what a market did -----------------------------------------------------------------------------------------------


def test_levels_that_leave_the_window_are_not_cancelled():
    messages = list_messages(
        day(state(1), state(2, (101, 1, 102, 4), (100, 5, 103, 6)), state(3, (99, 7, 102, 4), (98, 1, None, 0)))
    )
    assert messages[1].changes == [Level(BID, 101, 1, None)]
    gone = {(c.side, c.price): c.size for c in messages[2].changes}
    assert gone == {(BID, 101): 0, (BID, 100): 0, (BID, 99): 7, (BID, 98): 1, (ASK, 103): 0}


def test_a_message_of_two_rows_is_one_and_a_trade_comes_first():
    rows = day(state(1), trade(2, "B", 102, 4, (100, 5, 102, 4), flags=0), state(2, (100, 5, 103, 6), (99, 7, 104, 1)))
    first, second = list_messages(rows)
    assert second.changes == [Trade(BID, 102, 102, 4), Level(ASK, 102, 0, None), Level(ASK, 104, 1, None)]
    assert (first.tradable, second.tradable, second.mid2()) == (True, True, 203)


def test_a_halt_a_crossed_and_an_empty_book_do_not_trade():
    rows = day(
        state(1),
        state(2, action="N", side="N", flags=F_LAST | F_SNAPSHOT),
        state(2.5, (100, 6, 102, 4)),
        trade(3, "B", 102, 1, (100, 6, 102, 4)),  # trading has resumed
        state(4, (102, 6, 102, 4)),
        state(5, (None, 0, None, 0), (None, 0, None, 0), action="R", side="N"),
        state(6),
    )
    assert [m.tradable for m in list_messages(rows)] == [True, False, False, True, False, False, True]


# --- marketable orders -----------------------------------------------------------------------------------------------


def test_a_marketable_order_walks_the_book_that_it_meets():
    market = day(state(1), state(2, (101, 3, 103, 2), (100, 5, 104, 3)), state(9))
    outcome = simulate(market, [target(1.5, 4)], Limits(cap=10), late(0.5))
    assert fills(outcome)[:2] == [(2.0, 103, 2, False), (2.0, 104, 2, False)]
    (order, closing) = outcome.orders
    assert (order.status, order.mid2_decided, order.mid2_arrived) == ("FILLED", 202, 204)
    assert [f.touch for f in outcome.fills[:2]] == [103, 103]
    assert (closing.reason, outcome.position) == ("CLOSE", 0)
    early = simulate(market, [target(1.5, 4)], Limits(cap=10), late(0.4))
    assert fills(early)[0] == (1.9, 102, 4, False)


@pytest.mark.parametrize(("remainder", "status"), [("cancel", "PARTLY"), ("rest", "FILLED")])
def test_what_the_book_does_not_show_is_cancelled_or_rests(remainder, status):
    # 4 + 6 shown, 12 wanted: 2 rest at 103, the worst price reached. The asks at 2 s are those that it took; 2 more
    # reach it at 3 s.
    market = day(state(1), state(2), state(3, (100, 5, 102, 6)))
    outcome = simulate(market, [target(1.5, 12)], Limits(cap=20), Scenario(remainder=remainder))
    assert outcome.orders[0].status == status
    expected = [(1.5, 102, 4, False), (1.5, 103, 6, False)] + [(3.0, 103, 2, True)] * (remainder == "rest")
    assert [f for f in fills(outcome) if f[0] < 99] == expected


def test_a_part_of_what_is_shown_can_be_had():
    outcome = simulate(day(state(1)), [target(1.5, 12)], Limits(cap=20), Scenario(share_of_shown=0.5))
    assert fills(outcome)[:2] == [(1.5, 102, 2, False), (1.5, 103, 3, False)]


def test_an_empty_side_fills_nothing():
    outcome = simulate(day(state(1, (100, 5, None, 0), (99, 7, None, 0))), [target(1.5, 1)])
    assert orders(outcome) == []  # there is nobody to buy from
    market = day(state(1), state(2, (100, 5, None, 0), (99, 7, None, 0)), state(4))
    outcome = simulate(market, [target(1.5, 1)], Limits(), late(1))
    assert orders(outcome) == [(1, 1, 0, "SIGNAL", "CANCELLED")]


def test_what_was_taken_is_not_there_again():
    """2 of the 4 lots at 102 are bought, then 4 more are wanted of the same book: 2 are left there, 2 are at 103.

    A change of that level to 5 adds 1, and an ask of 3 at 101 is new. When the best ask has passed 102, all is new.
    """
    market = day(
        state(1), state(3, (100, 5, 102, 5)), state(4, (100, 5, 101, 3), (99, 7, 102, 5)),
        state(5, (100, 5, 103, 6), (99, 7, 104, 1)), state(6),
    )  # fmt: skip
    wanted = [target(1.5, 2), target(2, 4), target(3.5, 6), target(4.5, 9), target(6.5, 10)]
    outcome = simulate(market, wanted, Limits(cap=20))
    expected = [(1.5, 102, 2), (2.0, 102, 2), (3.5, 102, 1), (3.5, 103, 1), (4.5, 101, 3), (6.5, 102, 1)]
    assert [f[:3] for f in fills(outcome) if f[0] < 99] == expected


def test_an_order_in_a_halt_waits_for_the_first_book_that_trades():
    rows = [state(1), state(1.5, action="N", side="N", flags=F_LAST | F_SNAPSHOT), state(3)]
    market = day(*rows, trade(5, "B", 104, 1, (100, 5, 104, 4), (99, 7, 105, 1)))
    outcome = simulate(market, [target(2, 1)])
    assert fills(outcome)[0] == (5.0, 104, 1, False)
    assert outcome.orders[0].mid2_arrived == 202


# --- resting orders --------------------------------------------------------------------------------------------------


def rest(*rows, queue="pessimistic", lots=2, order_times=None, decisions=(), **scenario):
    """Lots bid for at 100 behind 5 others at 1.5 s, then `rows`; fills before the close."""
    market = day(state(1), *rows, order_times=order_times)
    outcome = simulate(
        market, [target(1.5, lots), *decisions], Limits(cap=10, post=True), Scenario(queue=queue, **scenario)
    )
    return [f for f in fills(outcome) if f[0] < 99], outcome


def test_trades_eat_what_is_ahead_first():
    got, outcome = rest(
        trade(2, "A", 100, 3, (100, 2, 102, 4)), trade(3, "A", 100, 3, (99, 7, 102, 4), (98, 1, 103, 6))
    )
    assert got == [(3.0, 100, 1, True)]
    order = outcome.orders[0]
    assert (order.ahead_at_join, order.filled, order.status) == (5.0, 1, "PARTLY")
    assert outcome.fills[0].mid2_filled == 202  # the book before the message


@pytest.mark.parametrize(
    ("queue", "lots"),
    [("pessimistic", 0), ("proportional", 1), ("power", 1), ("exact", 2), ("through", 0), ("touch", 2)],
)
def test_cancels_are_shared_by_the_model(queue, lots):
    """5 ahead; 5 more come; 4 of the 10 are cancelled, all by an order that is older than ours; then 4 trade.

    Ahead after the cancel: pessimistic 5, proportional and a power of 1 5·(1 - 4/10) = 3, exact 5 - 4 = 1.
    """
    got, _ = rest(
        state(2, (100, 10, 102, 4)),
        state(3, (100, 6, 102, 4), action="C"),
        trade(4, "A", 100, 4, (100, 2, 102, 4)),
        queue=queue, order_times=[None, 2, 1, None],
    )  # fmt: skip
    assert sum(f[2] for f in got) == lots


@pytest.mark.parametrize(("power", "lots"), [(1.0, 2), (2.0, 1)])
def test_the_power_of_a_queue(power, lots):
    """5 of 10 ahead and 4 cancelled: 3 ahead for any power. Then 3 of 9 ahead and 6 cancelled.

    A power of 1 takes 6·3/9 = 2 from ahead and leaves 1; one of 2 takes 6·9/(9 + 36) = 1.2 and leaves 1.8. A trade of 3
    leaves 2 lots, and 1.2.
    """
    rows = [
        state(2, (100, 10, 102, 4)),
        state(3, (100, 6, 102, 4), action="C"),
        state(4, (100, 9, 102, 4)),
        state(5, (100, 3, 102, 4), action="C"),
        trade(6, "A", 100, 3, (99, 7, 102, 4), (98, 1, 103, 6)),
    ]
    assert rest(*rows, queue="power", power=power)[0] == [(6.0, 100, lots, True)]
    if power == 1.0:
        assert rest(*rows, queue="proportional")[0] == [(6.0, 100, lots, True)]


@pytest.mark.parametrize(("order_time", "lots"), [(1.0, 2), (1.5, 2), (1.6, 0), (None, 0)])
def test_an_exact_queue_knows_who_cancelled(order_time, lots):
    """At the same time as our arrival an order stands ahead: we meet the book after all messages of that time.

    A cancel of an unknown order is shared: 5 - 4·5/9 = 2.8 are ahead, and a trade of 3 leaves nothing whole.
    """
    got, _ = rest(
        state(2, (100, 9, 102, 4)),
        state(3, (100, 5, 102, 4), action="C"),
        trade(4, "A", 100, 3, (100, 2, 102, 4)),
        queue="exact", order_times=[None, 2, order_time, None],
    )  # fmt: skip
    assert sum(f[2] for f in got) == lots


def test_the_removal_that_follows_a_trade_is_no_cancel():
    """As order-by-order feeds have it: the print, then the removal in a message of its own, at the same time."""
    rows = [
        state(2, (100, 10, 102, 4)),
        trade(3, "A", 100, 3, (100, 10, 102, 4)),
        state(3, (100, 7, 102, 4), action="C"),
        trade(4, "A", 100, 3, (100, 4, 102, 4)),
    ]
    assert rest(*rows, queue="proportional")[0] == [(4.0, 100, 1, True)]
    later = [*rows[:2], state(3.1, (100, 7, 102, 4), action="C"), rows[3]]
    assert rest(*later, queue="proportional")[0] == [(4.0, 100, 1, True)]
    assert rest(*later, queue="exact", order_times=[None, None, None, 1, None])[0] == [(4.0, 100, 2, True)]
    assert rest(*rows, queue="exact", order_times=[None, None, None, 1, None])[0] == [(4.0, 100, 1, True)]


def test_a_print_beyond_our_price_fills_us():
    got, _ = rest(trade(2, "A", 99, 1, (98, 7, 102, 4), (97, 1, 103, 6)))
    assert got == [(2.0, 100, 1, True)]
    got, _ = rest(trade(2, "A", 99, 9, (98, 7, 102, 4), (97, 1, 103, 6)), queue="through", share_of_traded=0.2)
    assert got == [(2.0, 100, 1, True)]


def test_the_opposite_quote_at_our_price_fills_us():
    got, _ = rest(state(2, (99, 5, 100, 1), (98, 7, 103, 6)), state(3, (98, 5, 99, 1), (97, 7, 103, 6)))
    assert got == [(2.0, 100, 1, True), (3.0, 100, 1, True)]


def test_trades_of_an_unknown_side_reach_both_and_those_of_our_side_none():
    assert rest(trade(2, "N", 100, 7, (100, 5, 102, 4)))[0] == [(2.0, 100, 2, True)]
    assert rest(trade(2, "B", 100, 7, (100, 5, 102, 4)))[0] == []


def test_nothing_fills_in_a_crossed_book_nor_as_it_is_left():
    crossed = trade(2, "A", 100, 9, (103, 1, 102, 4), (100, 5, 103, 6))
    left = trade(3, "A", 100, 9, (100, 5, 102, 4))
    got, _ = rest(crossed, left, trade(4, "A", 100, 6, (100, 4, 102, 4)))
    assert got == [(4.0, 100, 1, True)]


def test_a_hidden_level_keeps_its_queue():
    """Our price leaves the window with 5 in front and comes back with 4: the missing lot was cancelled."""
    rows = [
        state(2, (102, 1, 104, 4), (101, 7, 105, 6)),
        state(3, (100, 4, 104, 4), (99, 7, 105, 6)),
        trade(4, "A", 100, 4, (99, 7, 104, 4), (98, 7, 105, 6)),
    ]
    assert rest(*rows)[0] == []
    assert rest(*rows, queue="proportional")[0] == []
    assert rest(*rows[:2], trade(4, "A", 100, 5, (99, 7, 104, 4), (98, 7, 105, 6)))[0] == [(4.0, 100, 1, True)]


def test_a_crossing_post_is_rejected():
    market = day(state(1), state(1.8, (98, 1, 100, 4), (97, 7, 103, 6)))
    outcome = simulate(market, [target(1.5, 1)], Limits(post=True), late(0.5))
    assert orders(outcome) == [(1, 1, 0, "SIGNAL", "REJECTED")]


def test_two_own_orders_share_a_trade_in_time_priority():
    """2 of ours behind 5 at 100; 3 more of the market, then 3 of ours: 5 + 3 of the market stand before these.

    A trade of 11: 5 of the market, 2 of ours, 3 of the market, and 1 of our second order.
    """
    assert share_trades(trade(3, "A", 100, 11, (99, 7, 102, 4), (98, 1, 103, 6))) == [(0, 2), (1, 1)]


def test_what_one_own_order_gets_of_a_trade_does_not_move_the_other():
    """A trade of 7 is 5 of the market and 2 of ours: 3 of the market still stand before the second order.

    The recorded book has 8 + 4 - 7 = 5 lots left. Of a trade of 5 the second order gets 2.
    """
    rows = [state(2.6, (100, 12, 102, 4)), trade(3, "A", 100, 7, (100, 5, 102, 4))]
    assert share_trades(*rows, trade(4, "A", 100, 5, (99, 7, 102, 4), (98, 1, 103, 6))) == [(0, 2), (1, 2)]


def share_trades(*rows):
    """What two bids at 100 get of rows: one of 2 lots behind 5 others, one of 3 behind 8."""
    earned = []
    exchange = Exchange(Scenario(), lambda order, time, price, lots, *rest: earned.append((order.id, lots)), end)
    messages = list_messages(day(state(1), state(2, (100, 8, 102, 4)), *rows))
    for i, lots in enumerate((2, 3)):
        exchange.apply(messages[i])
        exchange.arrive(Order(i, 1, lots, 100, "QUOTE", at(1), None, post=True), at(i + 1.5))
    for message in messages[2:]:
        exchange.apply(message)
    return earned


def test_two_own_orders_share_what_the_opposite_side_shows():
    earned = []
    exchange = Exchange(Scenario(), lambda order, time, price, lots, *rest: earned.append((price, lots)), end)
    messages = list_messages(day(state(1), state(2, (99, 7, 100, 3), (98, 1, 103, 6))))
    exchange.apply(messages[0])
    for i, price in enumerate((100, 101)):
        exchange.arrive(Order(i, 1, 2, price, "QUOTE", at(1), None, post=True), at(1.5))
    exchange.apply(messages[1])
    assert earned == [(101, 2), (100, 1)]


def end(order, time, status):
    order.status, order.ended = status, time


def test_a_trade_fills_the_better_price_first():
    market = day(state(1), trade(3, "A", 100, 8, (99, 7, 102, 4), (98, 1, 103, 6)))
    decisions = [quote(1.5, 100, 2), quote(2.95, 101, 2)]
    outcome = simulate(market, decisions, Limits(cap=9), late(0.1))
    # The request that makes the bid at 100 one at 101 arrives too late: 3 of 8 lots are left for the 2 at 100.
    assert fills(outcome)[0] == (3.0, 100, 2, True)
    assert [o.status for o in outcome.orders[:2]] == ["FILLED", "CANCELLED"]


def test_a_share_of_each_trade():
    rows = [trade(2, "A", 100, 9, (100, 5, 102, 4)), trade(3, "A", 100, 4, (100, 1, 102, 4))]
    assert rest(*rows, lots=9, share_of_traded=0.25)[0] == [(2.0, 100, 2, True), (3.0, 100, 1, True)]


# --- what we decide --------------------------------------------------------------------------------------------------


def test_a_cancel_races_with_a_fill():
    """The entry ends its holding time at 3 s; the cancel arrives at 3.5 s, the print at 3.4 s fills one lot first."""
    rows = [
        trade(2, "A", 100, 5, (100, 3, 102, 4)),
        trade(3.4, "A", 100, 1, (100, 2, 102, 4)),
        trade(3.6, "A", 100, 9, (100, 1, 102, 4)),
        state(5),
    ]
    market = day(state(1), *rows)
    decisions = [target(1.0, 2, until=3), hold(3), hold(4)]
    outcome = simulate(market, decisions, Limits(cap=5, post=True), late(0.5))
    assert [f for f in fills(outcome) if f[0] < 99] == [(3.4, 100, 1, True), (4.5, 100, -1, False)]
    assert orders(outcome) == [(1, 2, 1, "SIGNAL", "PARTLY"), (-1, 1, 1, "EXPIRED", "FILLED")]


def test_no_second_order_while_one_is_on_its_way():
    outcome = simulate(day(state(1)), [target(2, 1), target(2.5, -1), target(3.5, -1)], Limits(cap=1), late(1.0))
    assert [f[:3] for f in fills(outcome)] == [(3.0, 102, 1), (4.5, 100, -2), (100.0, 102, 1)]


def test_fates_are_known_after_the_response():
    slow = Scenario(latency=lambda number, time: at(1), response=at(1))
    outcome = simulate(day(state(1)), [target(2, 1), target(3.9, -1), target(4, -1)], Limits(cap=1), slow)
    assert [(o.decided / SECOND, o.lots) for o in outcome.orders] == [(2.0, 1), (4.0, 2), (100.0, 1)]
    assert outcome.fills[0].known == at(4)


def test_a_position_ends_at_the_first_decision_after_its_time():
    outcome = simulate(day(state(1), state(4)), [target(2, 1, until=3.5), hold(3), hold(5)])
    assert [f[:3] for f in fills(outcome)] == [(2.0, 102, 1), (5.0, 100, -1)]
    assert [o.reason for o in outcome.orders] == ["SIGNAL", "EXPIRED"]


@pytest.mark.parametrize(
    ("limits", "reason", "when"),
    [({"stop": 3}, "STOP", 3.0), ({"take": 2}, "TAKE_PROFIT", 4.0), ({"stop": 4}, "CLOSE", 100.0)],
)
def test_stop_and_take_profit_look_at_the_closing_side_on_every_event(limits, reason, when):
    """Bought at 102. The bid is 99 at 3 s, 3 ticks below; 104 at 4 s, 2 above."""
    rows = [state(1), state(3, (99, 5, 101, 4), (98, 7, 103, 6)), state(4, (104, 5, 106, 4), (103, 7, 107, 6))]
    outcome = simulate(day(*rows), [target(2, 1)], Limits(cap=1, **limits))
    assert (outcome.orders[1].reason, outcome.fills[1].time / SECOND) == (reason, when)


def test_a_stop_waits_for_the_receipt():
    made = day(state(1), state(3, (99, 5, 101, 4), (98, 7, 103, 6)), state(4))
    received = made.events.with_columns(ts_recv=(pl.col("ts_recv").to_physical() + at(0.5)).cast(TIME))
    made = replace(made, events=received)
    outcome = simulate(made, [target(2, 1)], Limits(cap=1, stop=3), late(0.25))
    assert [f[:3] for f in fills(outcome)] == [(2.25, 102, 1), (3.75, 99, -1)]


def test_the_cap_bounds_targets_and_quotes():
    outcome = simulate(day(state(1)), [target(2, 9)], Limits(cap=3))
    assert fills(outcome)[0][2] == 3
    outcome = simulate(day(state(1)), [quote(2, 100, 9, 102, 9), quote(3, 99, 9)], Limits(cap=3), late(0.1))
    # The new bid replaces the old one: only one of them can be filled.
    assert [(o.side, o.lots, o.price) for o in outcome.orders] == [(1, 3, 100), (-1, 3, 102), (1, 3, 99)]
    assert [(o.ended, o.status) for o in outcome.orders[::2]] == [(at(3.1), "CANCELLED"), (at(100), "EXPIRED")]
    # What is filled on the way of the replacement is less to place.
    market = day(state(1), trade(3.05, "A", 100, 7, (100, 5, 102, 4)))
    outcome = simulate(market, [quote(2, 100, 9), quote(3, 99, 9)], Limits(cap=3), late(0.1))
    assert [(o.lots, o.filled, o.price) for o in outcome.orders[:2]] == [(3, 2, 100), (1, 0, 99)]


def test_a_quote_that_stays_keeps_its_place():
    rows = [state(2, (100, 9, 102, 4)), trade(4, "A", 100, 6, (100, 3, 102, 4))]
    outcome = simulate(day(state(1), *rows), [quote(1.5, 100, 1), quote(3, 100, 1)], Limits(cap=3))
    assert fills(outcome)[0] == (4.0, 100, 1, True)
    assert len(outcome.orders) == 2


def test_a_smaller_quote_replaces_a_larger_one():
    outcome = simulate(day(state(1)), [quote(1.5, 100, 3), quote(3, 100, 1)], Limits(cap=9))
    assert [(o.lots, o.status) for o in outcome.orders] == [(3, "CANCELLED"), (1, "EXPIRED")]


def test_flat_before_the_close():
    market = day(state(1), state(6, (101, 5, 103, 4), (100, 5, 104, 4)), state(8))
    outcome = simulate(market, [target(2, 1), target(7, 1)], Limits(cap=1, flat_from=at(5)))
    assert [f[:3] for f in fills(outcome)] == [(2.0, 102, 1), (5.0, 100, -1)]
    assert [o.reason for o in outcome.orders] == ["SIGNAL", "CLOSE"]


def test_the_loss_limit_stops_the_session():
    """Bought at 102 with a fee of 1 and marked at the bid: -3 at once, -4 at 3 s; the limit of 3 is passed at 3 s."""
    market = day(state(1), state(2.5), state(3, (99, 5, 101, 4), (98, 7, 103, 6)), state(4))
    outcome = simulate(
        market, [target(2, 1), target(3.5, 1)], Limits(cap=1, loss=3.0), money=Money(taker=Fraction(1))
    )  # fmt: skip
    assert [o.reason for o in outcome.orders] == ["SIGNAL", "LOSS_LIMIT"]
    assert [f[:3] for f in fills(outcome)] == [(2.0, 102, 1), (3.0, 99, -1)]


def test_the_close_walks_the_last_book_and_counts_what_it_does_not_show():
    market = day(state(1, (100, 5, 102, 9)), state(3), state(4, (None, 0, 102, 4), (None, 0, 103, 6)))
    outcome = simulate(market, [target(2, 15)], Limits(cap=20))
    assert [f[:3] for f in fills(outcome)[2:]] == [(100.0, 100, -5), (100.0, 99, -10)]
    assert outcome.beyond_shown == 3


def test_an_order_that_arrives_after_the_close_is_late():
    outcome = simulate(day(state(1), close=10), [target(9.5, 1)], Limits(), late(1.0))
    assert orders(outcome) == [(1, 1, 0, "SIGNAL", "LATE")]


# --- what always holds -----------------------------------------------------------------------------------------------


def random_market(seed):
    made = random_session(seed, 150, 3)
    rng = np.random.default_rng(seed)
    side = {"A": "ask", "B": "bid"}
    rows, before = [], {}
    for row in made.events.iter_rows(named=True):
        # Prints are at the quotes of the row before, as those of a real book.
        if row["action"] == "T" and before.get("bid_px_00") and before.get("ask_px_00"):
            row["price"] = before[f"{side['B' if row['side'] == 'A' else 'A']}_px_00"]
        elif row["action"] == "T":
            row["action"] = "A"
        row[ORDER_TIME] = row["ts_event"] if rng.random() < 0.5 else None
        rows.append(row)
        before = row
    events = pl.DataFrame(rows, schema=dict(made.events.schema) | {ORDER_TIME: TIME})
    return replace(made, events=events)


def random_decisions(seed, made, kind):
    rng = np.random.default_rng(seed)
    made_at = np.sort(rng.integers(made.open, made.close, 40))
    if kind == "quote":
        mids = rng.integers(990, 1010, 40)
        return [
            Decision(int(t), "QUOTE", 0, 0, int(m - 1) * TICK, 2, int(m + 1) * TICK, 2)
            for t, m in zip(made_at, mids, strict=True)
        ]
    return [
        Decision(int(t), "TARGET" if rng.random() < 0.6 else "HOLD", int(rng.integers(-3, 4)), int(t) + at(5))
        for t in made_at
    ]


@pytest.mark.parametrize("seed", range(12))
def test_the_accounts_add_up_and_caps_hold(seed):
    made, rng = random_market(seed), np.random.default_rng(seed)
    kind = "quote" if seed % 3 == 0 else "target"
    limits = Limits(cap=3, stop=int(rng.integers(0, 4)), take=int(rng.integers(0, 4)), post=bool(seed % 2), loss=40.0)
    scenario = Scenario(
        latency=lambda number, time: at(0.2 * (number % 3)), response=at(0.1 * (seed % 4)), queue=QUEUES[seed % 6],
        remainder="rest" if seed % 4 == 1 else "cancel", share_of_shown=0.7, share_of_traded=0.6,
    )  # fmt: skip
    outcome = simulate(made, random_decisions(seed, made, kind), limits, scenario)
    assert len(outcome.orders) > 3
    assert outcome.position == 0
    for order in outcome.orders:
        assert order.filled == sum(abs(f.lots) for f in outcome.fills if f.order == order.id) <= order.lots
        assert order.status
        assert order.ended >= (order.decided if order.arrived is None else order.arrived) >= order.decided
    position = 0
    for fill in outcome.fills:
        position += fill.lots
        assert abs(position) <= 3
        assert fill.time >= outcome.orders[fill.order].arrived
        if fill.maker:
            assert fill.price == outcome.orders[fill.order].price


@pytest.mark.parametrize("seed", range(6))
def test_the_queue_models_lie_between_their_bounds(seed):
    """One bid of 3 lots at the touch, followed under each model: lots by any time, through <= model <= touch."""
    made = random_market(seed + 50)
    filled = {}
    for queue in QUEUES:
        decision = Decision(made.open + at(3), "TARGET", 3)
        outcome = simulate(made, [decision], Limits(cap=3, post=True), Scenario(queue=queue))
        times = np.array([f.time for f in outcome.fills if f.maker for _ in range(f.lots)])
        filled[queue] = np.searchsorted(times, np.arange(made.open, made.close, SECOND))
    for queue in ("pessimistic", "proportional", "power", "exact"):
        assert (filled["through"] <= filled[queue]).all()
        assert (filled[queue] <= filled["touch"]).all()
    assert (filled["pessimistic"] <= filled["proportional"]).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_mirrored_book_gives_mirrored_fills(seed):
    made = random_market(seed)
    middle, swap = 2000 * TICK, {"A": "B", "B": "A", "N": "N"}
    names = {c: {"bid": "ask", "ask": "bid"}.get(c[:3], c[:3]) + c[3:] for c in made.events.columns}
    prices = [c for c in made.events.columns if c == "price" or "_px_" in c]
    events = made.events.with_columns(
        *((middle - pl.col(c)).alias(c) for c in prices), pl.col("side").cast(pl.String).replace_strict(swap).cast(SIDE)
    ).rename(names)  # fmt: skip
    mirrored = replace(made, events=events)
    decisions = random_decisions(seed, made, "target")
    opposite = [Decision(d.time, d.kind, -d.target, d.until) for d in decisions]
    limits, scenario = Limits(cap=3, stop=2, post=bool(seed % 2)), Scenario(queue="proportional", response=at(0.1))
    ours, theirs = simulate(made, decisions, limits, scenario), simulate(mirrored, opposite, limits, scenario)
    assert len(ours.fills) > 2
    assert [(f.time, 2000 - f.price, -f.lots) for f in ours.fills] == [(f.time, f.price, f.lots) for f in theirs.fills]
