"""Marketable orders, stops and limits in a dozen events, worked by hand. Times in seconds, prices in ticks."""

import numpy as np
import pytest

from ofiml.backtest.latency import Latency
from ofiml.backtest.simulate import INVERSE, ContractNumbers, ExecutionRules
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from tests.backtest.scripts import act, at, book, decide, trade
from tests.books import SECOND

QUIET = [book(t, (10, 9, 12, 9)) for t in range(10)]


def test_an_order_meets_the_book_after_its_latency_and_leaves_at_the_first_decision_after_its_time() -> None:
    rows = [
        book(0, (10, 9, 12, 9)),
        book(2, (11, 9, 13, 9)),  # on its way the ask moved from 12 to 13
        book(5, (14, 9, 15, 9)),
        book(9, (14, 9, 15, 9)),
    ]
    decisions = decide(at(1, "target", 5, until=4), at(3, "hold"), at(6, "hold"), at(7, "hold"))
    done = act(rows, decisions, latency=1.5)
    # Decided at 1, it arrives at 2.5. At 3 its time is not over; at 6 it is, and the sale arrives at 7.5. At 7 that
    # order is still on its way.
    assert done.fills == [(2.5, 13, 5), (7.5, 14, -5)]
    assert done.orders == [("SIGNAL", "FILLED", 5, 5), ("EXPIRED", "FILLED", 5, 5)]
    f = done.trades.fills
    assert (f["mid2_decided"] + 2 * done.tape.base).tolist() == [22, 29]
    assert (f["mid2_arrived"] + 2 * done.tape.base).tolist() == [24, 29]
    assert (f["mid2_filled"] == f["mid2_arrived"]).all()
    assert (f["touch"] + done.tape.base).tolist() == [13, 14]
    assert done.trades.orders["arrived"].tolist() == [2.5 * SECOND, 7.5 * SECOND]


def test_an_order_meets_the_book_after_all_messages_of_its_time() -> None:
    rows = [book(0, (10, 9, 12, 9)), book(2, (10, 9, 13, 9)), book(2, (10, 9, 14, 9)), book(3, (10, 9, 15, 9))]
    assert act(rows, decide(at(1, "target", 5)), latency=1).fills[0] == (2, 14, 5)
    # Without latency, a decision at 2 meets what it knows.
    assert act(rows, decide(at(2, "target", 5))).fills[0] == (2, 14, 5)


def test_an_order_walks_the_shown_levels() -> None:
    rows = [book(t, (10, 9, 12, 5), (9, 9, 13, 2), (8, 9, 15, 4)) for t in (0, 3)]
    done = act(rows, decide(at(1, "target", 8)))
    # 5 at 12, 2 at 13, nothing at 14, 1 at 15; the position is closed at 10.
    assert done.fills == [(1, 12, 5), (1, 13, 2), (1, 15, 1), (3, 10, -8)]
    assert set(done.trades.fills["touch"][:3] + done.tape.base) == {12}
    short = act(rows, decide(at(1, "target", -20)))
    assert short.fills == [(1, 10, -9), (1, 9, -9), (1, 8, -2), (3, 12, 5), (3, 13, 2), (3, 15, 13)]
    assert short.trades.fills["beyond_shown"].tolist() == [0, 0, 0, 0, 0, 9]


def test_a_share_of_each_level_is_taken() -> None:
    rows = [book(t, (10, 9, 12, 5), (9, 9, 13, 3), (8, 9, 15, 4)) for t in (0, 3)]
    done = act(rows, decide(at(1, "target", 8)), rules=ExecutionRules(share_of_shown=0.5))
    # Half of 5, 3 and 4, rounded down: 2, 1, 2. The remaining 3 lots are cancelled. At the close half of 9 is 4.
    assert done.fills == [(1, 12, 2), (1, 13, 1), (1, 15, 2), (3, 10, -4), (3, 9, -1)]
    assert done.orders == [("SIGNAL", "PARTLY", 5, 8), ("CLOSE", "FILLED", 5, 5)]


def test_what_is_left_is_cancelled_or_rests_at_the_worst_price_reached() -> None:
    rows = [
        book(0, (10, 9, 12, 2), (9, 9, 13, 3)),
        book(2, (10, 9, 14, 5), (9, 9, 15, 5)),  # the asks it took leave; it would be the best bid, at 13
        trade(3, "A", 13, 4, (10, 9, 14, 5), (9, 9, 15, 5)),  # a sale of 4 at 13
        book(4, (10, 9, 14, 5), (9, 9, 15, 5)),
    ]
    decisions = decide(at(1, "target", 8))
    cancelled = act(rows, decisions)
    assert cancelled.fills == [(1, 12, 2), (1, 13, 3), (4, 10, -5)]
    assert cancelled.orders[0] == ("SIGNAL", "PARTLY", 5, 8)
    rests = act(rows, decisions, rules=ExecutionRules(rest=True))
    # 3 of its lots rest at 13 with nobody ahead: the sale of 4 fills them.
    assert rests.fills == [(1, 12, 2), (1, 13, 3), (3, 13, 3), (4, 10, -8)]
    assert rests.makers == [0, 0, 1, 0]
    assert rests.orders[0] == ("SIGNAL", "FILLED", 8, 8)


def test_a_resting_remainder_does_not_take_the_same_lots_twice() -> None:
    rows = [
        book(0, (10, 9, 12, 2)),
        book(2, (10, 9, 12, 2)),  # the recorded ask of 2 still stands: own orders do not change it
        book(3, (10, 9, 12, 5)),  # 3 lots more: those are new
        book(4, (10, 9, 14, 5)),
        book(5, (10, 9, 12, 1)),  # the sides part, and meet again: 1 lot
        book(6, (10, 9, 14, 1)),
    ]
    done = act(rows, decide(at(1, "target", 8)), rules=ExecutionRules(rest=True))
    assert done.fills == [(1, 12, 2), (3, 12, 3), (5, 12, 1), (6, 10, -6)]


def test_a_new_target_is_reached_from_the_known_position() -> None:
    decisions = decide(at(1, "target", 5), at(2, "target", -4), at(3, "target", -4), at(4, "target", 0))
    done = act(QUIET, decisions)
    assert done.fills == [(1, 12, 5), (2, 10, -9), (4, 12, 4)]
    # With an answer that takes 1.5 s the trader does not know at 2 that it has bought; at 3 it does.
    slow = act(QUIET, decisions, response=1.5)
    assert slow.fills == [(1, 12, 5), (3, 10, -9), (9, 12, 4)]
    assert slow.trades.fills["known"].tolist() == [2.5 * SECOND, 4.5 * SECOND, 10.5 * SECOND]


def test_the_cap_bounds_targets_and_the_size_factor_scales_both() -> None:
    decisions = decide(at(1, "target", 5), at(2, "target", -50))
    done = act(QUIET, decisions, cap=7)
    assert [lots for _, _, lots in done.fills] == [5, -9, 7 - 3]  # 9 shown, of 12 wanted
    twice = act([book(t, (10, 99, 12, 99)) for t in range(4)], decisions, cap=7, size_factor=2.5)
    # 5 x 2.5 = 12.5 is 13; the cap 7 x 2.5 = 17.5 is 18.
    assert [lots for _, _, lots in twice.fills] == [13, -31, 18]


# --- stops and limits ------------------------------------------------------------------------------------------------


def fall(*bids: int) -> list:
    return [book(t, (b, 9, b + 2, 9)) for t, b in enumerate(bids)]


def test_a_stop_is_seen_on_the_message_that_reaches_it() -> None:
    rows = fall(10, 10, 9, 8, 7, 7, 7)
    done = act(rows, decide(at(1, "target", 5)), stop=4, latency=0.5)
    # Bought at 12 at 1.5. The bid is 8, 4 below, at 3; the sale arrives at 3.5.
    assert done.fills == [(1.5, 12, 5), (3.5, 8, -5)]
    assert done.orders[1][0] == "STOP"
    # It is known 0.8 s later: the sale arrives at 4.3, at 7.
    late = act(rows, decide(at(1, "target", 5)), stop=4, latency=0.5, received=[t + 0.8 for t in range(7)])
    assert late.fills == [(1.5, 12, 5), (4.3, 7, -5)]
    assert late.trades.orders["decided"][1] == 3.8 * SECOND


def test_a_take_profit_and_stops_of_shorts() -> None:
    rows = fall(10, 10, 11, 13, 14, 15)
    done = act(rows, decide(at(1, "target", 5)), take=1, stop=9)
    assert done.fills == [(1, 12, 5), (3, 13, -5)]
    assert done.orders[1][0] == "TAKE_PROFIT"
    # A short from 10 is stopped when the ask is 15, at 3; one with a profit of 1 needs an ask of 9.
    short = act(rows, decide(at(1, "target", -5)), take=1, stop=5)
    assert short.fills == [(1, 10, -5), (3, 15, 5)]
    assert short.orders[1][0] == "STOP"
    down = act(fall(10, 10, 9, 7, 7), decide(at(1, "target", -5)), take=1, stop=5)
    assert down.fills == [(1, 10, -5), (3, 9, 5)]
    assert down.orders[1][0] == "TAKE_PROFIT"


def test_stops_look_at_the_average_entry() -> None:
    rows = [book(0, (12, 9, 13, 1), (9, 9, 17, 3)), *fall(0, 12, 12, 11, 11)[1:]]
    done = act(rows, decide(at(0, "target", 4)), stop=5)
    # 1 at 13 and 3 at 17 are 16 on average: the stop is at 11.
    assert done.fills == [(0, 13, 1), (0, 17, 3), (3, 11, -4)]


def test_a_position_that_turns_has_a_new_entry() -> None:
    rows = fall(10, 10, 10, 12, 13, 14)
    done = act(rows, decide(at(1, "target", 4), at(2, "target", -4)), stop=5)
    # Bought 4 at 12, sold 8 at 10: the short of 4 entered at 10 and is stopped at an ask of 15, at 4.
    assert done.fills == [(1, 12, 4), (2, 10, -8), (4, 15, 4)]
    # A part that is closed leaves the entry of the rest: at 12, whose stop is at 7 or below.
    part = act(fall(10, 10, 10, 8, 7, 6), decide(at(1, "target", 4), at(2, "target", 2)), stop=5)
    assert part.fills == [(1, 12, 4), (2, 10, -2), (4, 7, -2)]


def test_a_stop_is_tried_again_until_flat_and_the_next_target_may_enter() -> None:
    rows = [
        book(0, (10, 9, 12, 9)),
        book(1, (10, 9, 12, 9)),
        book(2, (6, 2, 8, 9)),  # 2 lots of 5 find a bid
        book(2.5, (6, 2, 8, 9)),  # still those
        book(3, (6, 4, 8, 9)),  # 2 more
        book(4, (None, 0, 8, 9)),  # none
        book(5, (5, 1, 8, 9)),  # the last
        book(6, (5, 1, 8, 9)),
        book(7, (7, 9, 8, 9)),
        book(8, (7, 9, 8, 9)),
    ]
    done = act(rows, decide(at(1, "target", 5), at(3, "target", 5), at(6, "target", 5)), stop=3)
    # The target at 3 is not looked at: the stop is not done.
    # Bought at 8 and marked at 5, the new position is at its stop at once; the lot at 5 is the one that it sold to.
    assert done.fills == [(1, 12, 5), (2, 6, -2), (3, 6, -2), (5, 5, -1), (6, 8, 5), (7, 7, -5)]
    assert [o[0] for o in done.orders] == ["SIGNAL", "STOP", "STOP", "STOP", "STOP", "SIGNAL", "STOP", "STOP"]
    # What must get out does not rest.
    rests = act(rows, decide(at(1, "target", 5), at(3, "target", 5)), stop=3, rules=ExecutionRules(rest=True))
    assert rests.fills == done.fills[:4]


def test_the_loss_limit_stops_trading_for_the_session() -> None:
    rows = fall(10, 10, 9, 8, 7, 9, 9)
    decisions = decide(at(1, "target", 5), at(5, "target", 5))
    # Bought at 12: the loss at bids of 9 and 8 is 15 and 20. A fee of 0.5 a lot makes it 17.5 and 22.5.
    done = act(rows, decisions, loss=17.0)
    assert done.fills == [(1, 12, 5), (3, 8, -5)]
    assert done.orders[1][0] == "LOSS_LIMIT"
    fees = act(rows, decisions, loss=17.0, numbers=ContractNumbers(taker_lot=0.5))
    assert fees.fills == [(1, 12, 5), (2, 9, -5)]
    # A loss of exactly the limit is allowed, and a quarter of the factor makes a quarter of the loss.
    assert act(rows, decisions, loss=20.0).fills[1] == (4, 7, -5)
    quarter = act(rows, decisions, loss=5.0, numbers=ContractNumbers(factor=0.25))
    assert quarter.fills[1] == (4, 7, -5)
    # The fee of 2 % of the value: 0.02 x 5 x 12 = 1.2.
    assert act(rows, decisions, loss=15.0, numbers=ContractNumbers(taker_rate=0.02)).fills[1] == (2, 9, -5)


def test_the_loss_limit_of_an_inverse_contract() -> None:
    rows = fall(10, 10, 9, 8, 7, 9, 9)
    # N(1/P0 - 1/P1) with N = 100: a lot bought at 12 loses 100/9 - 100/12 = 2.78 at 9 and 4.17 at 8.
    inverse = ContractNumbers(contract=INVERSE, factor=100.0)
    assert act(rows, decide(at(1, "target", 5)), loss=13.8, numbers=inverse).fills[1] == (2, 9, -5)
    assert act(rows, decide(at(1, "target", 5)), loss=14.0, numbers=inverse).fills[1] == (3, 8, -5)
    # A lot sold at 10 and bought back at 14 loses 100/10 - 100/14 = 2.86.
    up = fall(10, 10, 11, 12, 14)
    assert act(up, decide(at(1, "target", -5)), loss=14.2, numbers=inverse).fills[1] == (3, 14, 5)
    assert act(up, decide(at(1, "target", -5)), loss=14.3, numbers=inverse).fills[1] == (4, 16, 5)


def test_flat_from_closes_and_allows_nothing_new() -> None:
    decisions = decide(at(1, "target", 5), at(3, "target", 5), at(4, "target", -5))
    done = act(QUIET, decisions, flat_from=round(2.5 * SECOND), latency=0.2)
    assert done.fills == [(1.2, 12, 5), (2.7, 10, -5)]
    assert done.orders[1][0] == "CLOSE"
    # An order on its way is waited for, and then closed.
    late = act(QUIET, decisions, flat_from=round(1.1 * SECOND), latency=0.2)
    assert late.fills == [(1.2, 12, 5), (1.4, 10, -5)]


def test_orders_after_the_close_are_late_and_positions_are_closed_at_the_last_book() -> None:
    rows = [book(0, (10, 9, 12, 9)), book(2, (10, 9, 12, 9)), book(3, (None, 0, 12, 9))]
    done = act(rows, decide(at(1, "target", 5), at(3, "target", 0)), latency=0.5, close=3.2)
    # The last two-sided book is that of 2.
    assert done.fills == [(1.5, 12, 5), (3.2, 10, -5)]
    assert done.orders == [("SIGNAL", "FILLED", 5, 5), ("CLOSE", "FILLED", 5, 5)]  # no bid is known at 3: no order
    late = act(rows, decide(at(2.9, "target", 5)), latency=0.5, close=3.2)
    assert late.orders == [("SIGNAL", "LATE", 0, 5)]
    assert late.trades.orders["arrived"].tolist() == [-1]


@pytest.mark.parametrize("latency", [0, 0.2])
def test_nothing_is_asked_for_at_the_close(latency: float) -> None:
    rows = [book(0, (10, 9, 12, 9)), book(5, (8, 9, 12, 9))]
    bought = at(1, "target", 5)
    closed = [(1 + latency, 12, 5), (5, 8, -5)]
    for flat_from, stop, decisions in (
        (5, 0, decide(bought)),  # the position would be closed from the close on
        (9, 3, decide(bought)),  # the stop is reached at the close
        (9, 0, decide(bought, at(5, "target", -5), at(6, "quote", 8, 1, 12, 1))),
    ):
        done = act(rows, decisions, flat_from=flat_from * SECOND, stop=stop, latency=latency, close=5)
        assert done.fills == closed
        assert done.orders == [("SIGNAL", "FILLED", 5, 5), ("CLOSE", "FILLED", 5, 5)]


# --- when nothing can be traded --------------------------------------------------------------------------------------


def test_an_order_waits_while_nothing_is_tradable() -> None:
    halt = book(2, (10, 9, 12, 9)) | {"action": "N", "flags": F_LAST | F_SNAPSHOT}
    rows = [
        book(0, (10, 9, 12, 9)),
        halt,
        book(3, (10, 9, 13, 9)),
        trade(5, "B", 14, 3, (10, 9, 14, 9)),  # trading is resumed
        book(6, (10, 9, 15, 9)),
    ]
    done = act(rows, decide(at(2.5, "target", 5)), latency=0.1)
    assert done.fills == [(5, 14, 5), (6, 10, -5)]
    assert done.trades.orders["arrived"][0] == 2.6 * SECOND
    assert (done.trades.fills["mid2_filled"][0], done.trades.fills["mid2_arrived"][0]) == (
        24 - 2 * done.tape.base,
        22 - 2 * done.tape.base,
    )
    # A halt that is never lifted: the order expires.
    never = act(rows[:3], decide(at(2.5, "target", 5)), latency=0.1)
    assert never.orders == [("SIGNAL", "EXPIRED", 0, 5)]


def test_a_crossed_book_fills_nothing() -> None:
    rows = [book(0, (10, 9, 12, 9)), book(1, (13, 9, 12, 9)), book(2, (10, 9, 12, 9))]
    assert act(rows, decide(at(1, "target", 5))).fills[0] == (2, 12, 5)


def test_no_order_is_sent_before_the_market_was_seen_or_into_an_empty_side() -> None:
    rows = [book(1, (10, 9, None, 0)), book(2, (10, 9, 12, 9)), book(3, (10, 9, None, 0)), book(4, (10, 9, 12, 9))]
    assert act(rows, decide(at(0, "target", 5), at(1, "target", 5), at(3, "target", 5))).orders == []
    # A sale may meet a book of bids alone, once a mid is known.
    assert act(rows, decide(at(3, "target", -5))).fills[0] == (3, 10, -5)


def test_a_message_applies_as_a_whole() -> None:
    # Between the two rows of the message at 2 the ask would be 11.
    rows = [
        book(0, (10, 9, 12, 9)),
        book(2, (10, 9, 11, 9)) | {"flags": 0},
        book(2, (10, 9, 13, 9)),
        book(3, (10, 9, 12, 9)),
    ]
    assert act(rows, decide(at(2, "target", 5))).fills[0] == (2, 13, 5)


def test_prices_below_zero() -> None:
    rows = [book(t, (b, 9, b + 2, 9)) for t, b in enumerate((-1, -1, -3, -5, -5))]
    done = act(rows, decide(at(1, "target", 5)), stop=4)
    assert done.fills == [(1, 1, 5), (2, -3, -5)]
    with pytest.raises(Exception, match="inverse contract has a price of 0 or below"):
        act(rows, decide(at(1, "target", 5)), numbers=ContractNumbers(contract=INVERSE))


# --- latency ---------------------------------------------------------------------------------------------------------


def test_drawn_latencies_are_cycled_by_request_and_never_overtake() -> None:
    draws = Latency(np.array([2, 1], np.int64) * SECOND // 2)
    decisions = decide(at(1, "target", 5), at(3, "target", 0), at(5, "target", 5))
    assert [f[0] for f in act(QUIET, decisions, latency=draws).fills] == [2, 3.5, 6, 9]


def test_recorded_latencies_are_those_of_the_last_time() -> None:
    table = Latency(np.array([1, 2, 0], np.int64) * SECOND // 2, times=np.array([2, 3, 6], np.int64) * SECOND)
    decisions = decide(at(1, "target", 5), at(3, "target", 0), at(5, "target", 5), at(7, "target", 0))
    assert [f[0] for f in act(QUIET, decisions, latency=table).fills] == [1.5, 4, 6, 7]
