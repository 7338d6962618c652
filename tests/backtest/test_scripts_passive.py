"""Resting orders, queues and races in a dozen events, worked by hand. Times in seconds, prices in ticks."""

import numpy as np
import pytest

from ofiml.backtest.latency import Latency
from ofiml.backtest.orders import Queue
from ofiml.backtest.simulate import ExecutionRules
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from tests.backtest.scripts import act, at, book, decide, trade
from tests.books import SECOND

# A bid of 4 lots joins 6 shown at 10. Then 2 of 6 are traded, 3 of the remaining 4 are cancelled, 5 are added, and 5 of
# 6 are traded; at last a trade at 9.
QUEUE = [
    book(0, (10, 6, 12, 9), (9, 9, 13, 9)),
    trade(2, "A", 10, 2, (10, 4, 12, 9), (9, 9, 13, 9)),
    book(3, (10, 1, 12, 9), (9, 9, 13, 9)),
    book(4, (10, 6, 12, 9), (9, 9, 13, 9)),
    trade(5, "A", 10, 5, (10, 1, 12, 9), (9, 9, 13, 9)),
    trade(6, "A", 9, 3, (9, 6, 12, 9), (8, 9, 13, 9)),
    book(8, (9, 6, 12, 9), (8, 9, 13, 9)),
]
BID = decide(at(1, "quote", 10, 4, 20, 0))


@pytest.mark.parametrize(
    ("queue", "fills"),
    [
        # Only the trade at 9, beyond the price: 3 lots.
        (Queue.THROUGH, [(6, 10, 3)]),
        # The first trade at 10 fills it whole.
        (Queue.TOUCH, [(2, 10, 4)]),
        # 6 ahead, 4 after the trade. The cancels were behind, but only 1 lot is shown: 1 ahead. It takes 1 of the
        # trade of 5; 4 are left.
        (Queue.PESSIMISTIC, [(5, 10, 4)]),
        (Queue.PROPORTIONAL, [(5, 10, 4)]),
    ],
)
def test_a_queue(queue: Queue, fills: list[tuple[float, int, int]]) -> None:
    done = act(QUEUE, BID, queue=queue)
    assert done.fills[:-1] == fills
    assert done.fills[-1][:2] == (8, 9)
    assert done.makers == [1] * len(fills) + [0]
    assert done.trades.fills["ahead_at_join"][0] == 6
    assert done.trades.fills["touch"][0] == done.trades.fills["price"][0]


# A bid of 4 lots joins 8 shown, 8 more come behind it; 8 of 16 are cancelled; a trade of 8 leaves nothing.
BEHIND = [
    book(0, (10, 8, 12, 9)),
    book(2, (10, 16, 12, 9)),
    book(3, (10, 8, 12, 9)),
    trade(4, "A", 10, 6, (10, 2, 12, 9)),
    book(5, (10, 2, 12, 9)),
]


@pytest.mark.parametrize(
    ("queue", "power", "lots"),
    [
        # All cancels behind: 8 ahead. The trade of 6 leaves 2 ahead.
        (Queue.PESSIMISTIC, 1, 0),
        # Half of the 8 cancels ahead: 4 are left, and the trade of 6 reaches the order with 2.
        (Queue.PROPORTIONAL, 1, 2),
        # With as much ahead as behind, any power says the same.
        (Queue.POWER, 1, 2),
        (Queue.POWER, 3, 2),
    ],
)
def test_cancels_ahead_and_behind(queue: Queue, power: float, lots: int) -> None:
    done = act(BEHIND, BID, queue=queue, power=power)
    assert [f[2] for f in done.fills] == [lots, -lots] * (lots > 0)


def test_a_power_of_the_queue() -> None:
    # 8 ahead, 4 behind, 6 of 12 cancelled. In proportion 6·8/12 = 4 were ahead: 4 stay. With the square 64/(64 + 16) of
    # 6 is 4.8: 3.2 stay; with a high power all 6, of which 2 stay. A trade of 6 leaves 2, 2.8 and 4 lots.
    rows = [
        book(0, (10, 8, 12, 9)),
        book(2, (10, 12, 12, 9)),
        book(3, (10, 6, 12, 9)),
        trade(4, "A", 10, 6, (9, 6, 12, 9)),
        book(5, (9, 6, 12, 9)),
    ]
    for power, lots in ((1, 2), (2, 2), (40, 4)):
        assert act(rows, BID, queue=Queue.POWER, power=power).fills[0] == (4, 10, lots)
    # With a power near 0 half of the cancels were ahead, but no more than 4 can have been behind: 3 each.
    assert act(rows, BID, queue=Queue.POWER, power=1e-9).fills[0] == (4, 10, 1)


def test_not_more_cancels_than_stand_behind() -> None:
    # 8 ahead and 2 behind; 9 of 10 go: at least 7 of them were ahead. In the square nearly all.
    rows = [
        book(0, (10, 8, 12, 9)),
        book(2, (10, 10, 12, 9)),
        book(3, (10, 1, 12, 9)),
        trade(4, "A", 10, 2, (9, 6, 12, 9)),
        book(5, (9, 6, 12, 9)),
    ]
    # 8·(1 - 9/10) = 0.8 in proportion: 1.2 of the trade's 2 lots are left, 1 whole.
    assert act(rows, BID, queue=Queue.PROPORTIONAL).fills[0] == (4, 10, 1)
    assert act(rows, BID, queue=Queue.PESSIMISTIC).fills[0] == (4, 10, 1)


def test_the_exact_queue_knows_which_cancel_was_ahead() -> None:
    rows = [
        book(0, (10, 8, 12, 9)),
        book(2, (10, 16, 12, 9)),
        book(3, (10, 13, 12, 9)) | {"action": "C", "side": "B", "price": 10, "size": 3},
        book(4, (10, 8, 12, 9)) | {"action": "C", "side": "B", "price": 10, "size": 5},
        trade(5, "A", 10, 6, (10, 2, 12, 9)),
        book(6, (10, 2, 12, 9)),
    ]
    times = {
        "both ahead": ([0.5, 1], [(5, 10, 4)]),  # 8 - 3 - 5 = 0 ahead; at its arrival itself counts as before
        "one ahead": ([0.5, 1.5], [(5, 10, 1)]),  # 5 ahead
        "none": ([2, 1.1], []),  # 8 ahead
    }
    for name, (stamps, fills) in times.items():
        done = act(rows, BID, queue=Queue.EXACT, order_times=[None, None, *stamps, None, None])
        assert done.fills[:1] == fills, name
    # Where it is not known: 3 of 16, 8 ahead: 8 - 1.5 = 6.5; 5 of 13: 6.5 - 2.5 = 4; the trade of 6 leaves 2.
    unknown = act(rows, BID, queue=Queue.EXACT, order_times=[None] * 6)
    assert unknown.fills[0] == (5, 10, 2)


def test_trades_are_not_taken_for_cancels_even_if_their_level_changes_later() -> None:
    rows = [
        book(0, (10, 60, 12, 99)),
        trade(2, "A", 10, 20, (10, 60, 12, 99)),  # the trade alone
        book(3, (10, 40, 12, 99)),  # its level
        book(4, (10, 20, 12, 99)),  # a cancel of 20 of 40, all ahead
        trade(5, "A", 10, 30, (9, 99, 12, 99)),
        book(6, (9, 99, 12, 99)),
    ]
    # 60, 40, 40, 20 ahead; 10 of the trade of 30 are left.
    done = act(rows, decide(at(1, "quote", 10, 20, 20, 0)), queue=Queue.PROPORTIONAL)
    assert done.fills[0] == (5, 10, 10)


def test_a_trade_beyond_the_price_leaves_nobody_ahead() -> None:
    rows = [
        book(0, (10, 6, 12, 9)),
        trade(2, "A", 9, 1, (10, 6, 12, 9)),
        trade(3, "A", 10, 1, (10, 6, 12, 9)),
        book(4, (10, 6, 12, 9)),
    ]
    assert act(rows, BID).fills == [(2, 10, 1), (3, 10, 1), (4, 10, -2)]


def test_requests_of_one_trader_do_not_overtake() -> None:
    draws = Latency(np.array([4, 1], np.int64) * SECOND // 2)
    done = act([book(t, (10, 6, 12, 9)) for t in range(5)], decide(at(1, "quote", 10, 4, 12, 4)), latency=draws)
    assert done.trades.orders["arrived"].tolist() == [3 * SECOND, 3 * SECOND]


def test_two_rows_of_one_message_are_the_levels_of_its_trade() -> None:
    step = {"action": "C", "side": "B", "price": 10}
    rows = [
        book(0, (10, 6, 12, 9)),
        trade(2, "A", 10, 4, (10, 6, 12, 9)) | {"flags": 0},
        book(2, (10, 5, 12, 9)) | step | {"flags": 0, "size": 1},
        book(2, (10, 2, 12, 9)) | step | {"flags": F_LAST, "size": 3},
        book(3, (10, 1, 12, 9)) | step,  # a cancel of 1 of 2, all ahead
        trade(4, "A", 10, 3, (9, 9, 12, 9)),
        book(5, (9, 9, 12, 9)),
    ]
    assert act(rows, BID, queue=Queue.PROPORTIONAL).fills[0] == (4, 10, 2)


def test_a_better_price_than_any_has_nobody_ahead_and_is_filled_by_quotes() -> None:
    rows = [
        book(0, (10, 6, 14, 9)),
        book(2, (10, 6, 12, 3)),  # an ask of 3 at the own bid's price
        book(3, (10, 6, 12, 3)),  # the same: nothing new
        book(4, (10, 6, 11, 2), (9, 9, 12, 3)),  # 2 more, beyond it
        book(5, (10, 6, 14, 9)),
        book(6, (10, 6, 14, 9)),
    ]
    bid = decide(at(1, "quote", 12, 9, 20, 0))
    done = act(rows, bid)
    assert done.fills == [(2, 12, 3), (4, 12, 2), (6, 10, -5)]
    assert done.makers == [1, 1, 0]
    assert act(rows, bid, queue=Queue.THROUGH).fills == done.fills
    assert act(rows, bid, queue=Queue.TOUCH).fills[0] == (2, 12, 9)
    assert act(rows, bid, rules=ExecutionRules(share_of_shown=0.5)).fills[:2] == [(2, 12, 1), (4, 12, 1)]


def test_a_post_only_order_that_would_cross_is_rejected() -> None:
    rows = [book(0, (10, 6, 14, 9)), book(2, (10, 6, 12, 9)), book(4, (10, 6, 12, 9))]
    done = act(rows, decide(at(1, "quote", 12, 9, 20, 0)), latency=1)
    assert done.orders == [("QUOTE", "REJECTED", 0, 9)]
    assert done.trades.orders["ended"].tolist() == [2 * SECOND]


def test_a_share_of_each_trade() -> None:
    done = act(QUEUE, BID, queue=Queue.PESSIMISTIC, rules=ExecutionRules(share_of_traded=0.4))
    # 0.4 of the trade of 5, and of that of 3, rounded down.
    assert done.fills[:-1] == [(5, 10, 2), (6, 10, 1)]
    assert done.orders[0] == ("QUOTE", "PARTLY", 3, 4)


def test_trades_of_either_side_and_of_the_wrong_one() -> None:
    def rows(aggressor: str) -> list:
        return [book(0, (10, 1, 12, 1)), trade(2, aggressor, 10, 5, (9, 9, 12, 1)), book(3, (9, 9, 12, 1))]

    assert act(rows("N"), BID).fills[0] == (2, 10, 4)
    assert act(rows("A"), BID).fills[0] == (2, 10, 4)
    assert act(rows("B"), BID).fills == []


def test_an_ask_is_the_mirror_of_a_bid() -> None:
    rows = [
        book(0, (10, 9, 12, 6)),
        trade(2, "B", 12, 2, (10, 9, 12, 4)),
        book(3, (10, 9, 12, 1)),
        trade(4, "B", 12, 5, (10, 9, 13, 4)),
        trade(5, "B", 13, 1, (10, 9, 13, 3)),
        book(6, (10, 9, 13, 3)),
    ]
    done = act(rows, decide(at(1, "quote", 1, 0, 12, 7)))
    # 1 is ahead; 4 of the trade of 5; 1 of the trade at 13 beyond the price. Bought back at 13, 2 lots unseen.
    assert done.fills == [(4, 12, -4), (5, 12, -1), (6, 13, 5)]
    assert done.trades.fills["beyond_shown"].tolist() == [0, 0, 2]


def test_nothing_rests_into_a_halt_or_fills_in_it() -> None:
    halt = {"action": "N", "flags": F_LAST | F_SNAPSHOT}
    rows = [
        book(0, (10, 1, 12, 9)),
        book(2, (10, 1, 12, 9)) | halt,
        trade(3, "A", 10, 5, (10, 1, 12, 9)),  # the trade that ends the halt may be an auction's
        trade(4, "A", 10, 5, (9, 1, 12, 9)),
        book(5, (9, 1, 12, 9)),
    ]
    assert act(rows, BID).fills[0] == (4, 10, 4)


def test_a_hidden_level_keeps_its_queue() -> None:
    rows = [
        book(0, (10, 6, 12, 9)),
        book(2, (11, 1, 12, 9)),  # 10 is no longer among the shown levels: 1 level is shown
        book(4, (10, 5, 12, 9)),  # it is back
        trade(5, "A", 10, 6, (9, 5, 12, 9)),
        book(6, (9, 5, 12, 9)),
    ]
    done = act(rows, decide(at(3, "quote", 10, 4, 20, 0)))
    assert done.trades.fills["ahead_at_join"][0] == 6
    assert done.fills[0] == (5, 10, 1)
    # It cannot be sold to while hidden: the level shown is 11 alone.
    sold = act(rows, decide(at(3, "target", -3)))
    assert sold.fills[0] == (3, 11, -1)
    assert sold.orders[0] == ("SIGNAL", "PARTLY", 1, 3)


def test_after_a_clear_the_queue_is_at_most_what_is_shown() -> None:
    rows = [
        book(0, (10, 6, 12, 9)),
        book(2, (None, 0, None, 0)) | {"action": "R"},
        book(3, (10, 2, 12, 9)),
        trade(4, "A", 10, 3, (9, 5, 12, 9)),
        book(5, (9, 5, 12, 9)),
    ]
    assert act(rows, BID).fills[0] == (4, 10, 1)


# --- races -----------------------------------------------------------------------------------------------------------


def test_fills_before_a_cancel_arrives_count() -> None:
    rows = [
        book(0, (10, 1, 12, 9)),
        trade(3, "A", 10, 3, (10, 1, 12, 9)),
        trade(5, "A", 10, 9, (10, 1, 12, 9)),
        book(6, (10, 1, 12, 9)),
    ]
    # Placed at 1.5, with 1 ahead; the cancel of 2.8 arrives at 3.3, after 2 of its lots are filled.
    decisions = decide(at(1, "quote", 10, 4, 20, 0), at(2.8, "quote", 10, 0, 20, 0))
    done = act(rows, decisions, latency=0.5)
    assert done.fills == [(3, 10, 2), (6, 10, -2)]
    assert done.orders[0] == ("QUOTE", "PARTLY", 2, 4)
    assert done.trades.orders["ended"][0] == pytest.approx(3.3 * SECOND)
    # One that arrives as the message does comes after it.
    assert act(rows, decisions, latency=0.2).fills[0] == (3, 10, 2)
    # A cancel that comes too late does nothing.
    late = act(rows, decide(at(1, "quote", 10, 2, 20, 0), at(2.8, "quote", 10, 0, 20, 0)), latency=0.5)
    assert late.orders[0] == ("QUOTE", "FILLED", 2, 2)


def test_a_replacement_is_smaller_by_what_was_filled_meanwhile() -> None:
    rows = [
        book(0, (10, 1, 12, 9), (9, 5, 13, 9)),
        trade(3, "A", 10, 3, (10, 1, 12, 9), (9, 5, 13, 9)),
        trade(5, "A", 9, 20, (8, 9, 12, 9), (7, 5, 13, 9)),
        book(6, (8, 9, 12, 9), (7, 5, 13, 9)),
    ]
    decisions = decide(at(1, "quote", 10, 4, 20, 0), at(2.8, "quote", 9, 4, 20, 0))
    done = act(rows, decisions, latency=0.5)
    # 2 are filled at 10 on the way of the replacement at 9: 2 of its 4 lots are placed, behind 5 lots.
    assert done.fills == [(3, 10, 2), (5, 9, 2), (6, 8, -4)]
    assert done.orders[:2] == [("QUOTE", "PARTLY", 2, 4), ("QUOTE", "FILLED", 2, 2)]
    assert done.trades.fills["ahead_at_join"].tolist() == [1, 5, 0]
    # If all was filled, nothing is placed.
    gone = act(rows, decide(at(1, "quote", 10, 2, 20, 0), at(2.8, "quote", 9, 2, 20, 0)), latency=0.5)
    assert gone.orders[:2] == [("QUOTE", "FILLED", 2, 2), ("QUOTE", "CANCELLED", 0, 2)]


def test_one_request_a_side_at_a_time() -> None:
    rows = [book(t, (10, 1, 14, 9)) for t in range(9)]
    decisions = decide(
        at(1, "quote", 10, 4, 20, 0),
        at(2, "quote", 11, 4, 20, 0),  # the first order is on its way until 2.5
        at(3, "quote", 12, 4, 20, 0),  # it is replaced
        at(4, "quote", 13, 4, 20, 0),  # the replacement is on its way until 4.5
        at(5, "quote", 12, 4, 20, 0),  # it is where it should be
        at(6, "quote", 12, 9, 20, 0),  # a quote that is not too large is kept, with its place
        at(7, "quote", 12, 3, 20, 0),  # one that is too large is replaced
    )
    done = act(rows, decisions, latency=1.5)
    sent = done.trades.orders
    assert (sent["sent"] / SECOND).tolist() == [1, 3, 7]
    assert (sent["price"] + done.tape.base).tolist() == [10, 12, 12]
    assert (sent["ended"] / SECOND).tolist() == [4.5, 8, 8]
    assert [o[1] for o in done.orders] == ["CANCELLED", "EXPIRED", "LATE"]


def test_two_own_orders_at_one_price_share_a_trade() -> None:
    rows = [
        book(0, (10, 1, 12, 2)),
        book(2, (10, 1, 14, 9), (9, 9, 15, 9)),  # the ask that it took leaves
        book(3, (12, 3, 14, 9), (10, 1, 15, 9)),  # others bid 3 at 12, behind it
        trade(5, "A", 12, 10, (10, 9, 14, 9), (9, 9, 15, 9)),
        book(6, (10, 9, 14, 9), (9, 9, 15, 9)),
    ]
    # At 1 a market order of 6 takes 2 and rests 4 at 12. At 4 a quote of 9 joins behind 3 others and the own 4: of
    # the trade of 10, the first takes 4; 10 - 3 - 4 = 3 are the second's.
    decisions = decide(at(1, "target", 6), at(4, "quote", 12, 9, 20, 0))
    done = act(rows, decisions, rules=ExecutionRules(rest=True))
    assert done.fills == [(1, 12, 2), (5, 12, 4), (5, 12, 3), (6, 10, -9)]
    # No more than half of the trade for both.
    half = act(rows, decisions, rules=ExecutionRules(rest=True, share_of_traded=0.5))
    assert half.fills[1:3] == [(5, 12, 4), (5, 12, 1)]


def test_quotes_stay_within_the_cap_with_all_that_is_outstanding() -> None:
    rows = [book(0, (10, 1, 12, 1)), trade(3, "A", 10, 5, (10, 1, 12, 1)), book(8, (10, 1, 12, 1))]
    decisions = decide(at(1, "quote", 10, 9, 12, 9), at(4, "quote", 10, 9, 12, 9), at(5, "quote", 10, 9, 12, 9))
    done = act(rows, decisions, cap=6)
    # 6 of 9 are placed on each side. 4 are bought: 2 remain on the bid, and the ask of 6 may become one of 9 when it is
    # placed again; it is kept.
    assert [o[2:] for o in done.orders] == [(4, 6), (0, 6), (4, 4)]
    assert done.fills == [(3, 10, 4), (8, 10, -4)]


# --- posted entries --------------------------------------------------------------------------------------------------


def test_posted_entries_follow_the_touch_and_exits_are_marketable() -> None:
    rows = [
        book(0, (10, 1, 13, 9)),
        book(2, (11, 1, 13, 9)),
        trade(4, "A", 11, 4, (11, 1, 13, 9)),
        book(6, (11, 9, 13, 9)),
        book(9, (11, 9, 13, 9)),
    ]
    decisions = decide(at(1, "target", 3, until=7), at(3, "target", 3, until=7), at(5, "hold"), at(7, "hold"))
    done = act(rows, decisions, post=True)
    # Posted at 10, moved to 11 at 3, filled by 3 of 4 with 1 ahead; its time is over at 7.
    assert done.fills == [(4, 11, 3), (7, 11, -3)]
    assert done.makers == [1, 0]
    assert done.orders == [("SIGNAL", "CANCELLED", 0, 3), ("SIGNAL", "FILLED", 3, 3), ("EXPIRED", "FILLED", 3, 3)]


def test_a_posted_entry_is_cancelled_when_its_time_is_over_or_the_target_turns() -> None:
    rows = [book(t, (10, 5, 13, 5)) for t in range(9)]
    over = act(rows, decide(at(1, "target", 3, until=3), at(2, "hold"), at(4, "hold")), post=True)
    assert over.orders == [("SIGNAL", "CANCELLED", 0, 3)]
    assert over.trades.orders["ended"][0] == 4 * SECOND
    turned = act(rows, decide(at(1, "target", 3), at(2, "target", -3), at(3, "target", -3)), post=True)
    # The bid is cancelled at 2; the ask is posted at 3.
    assert turned.orders == [("SIGNAL", "CANCELLED", 0, 3), ("SIGNAL", "EXPIRED", 0, 3)]
    assert turned.trades.orders["side"].tolist() == [1, -1]


def test_a_turned_target_first_leaves_and_then_posts() -> None:
    rows = [
        book(0, (10, 1, 13, 5)),
        trade(2, "A", 10, 4, (10, 1, 13, 5)),
        *[book(t, (10, 9, 13, 5)) for t in (3, 4, 9)],
    ]
    done = act(rows, decide(at(1, "target", 3), at(3, "target", -2), at(4, "target", -2)), post=True)
    assert done.fills == [(2, 10, 3), (3, 10, -3)]
    assert done.orders[2] == ("SIGNAL", "EXPIRED", 0, 2)


def test_a_stop_first_cancels_what_rests() -> None:
    rows = [
        book(0, (10, 1, 13, 9)),
        trade(2, "A", 10, 3, (10, 1, 13, 9)),  # 2 of 5 are bought
        book(4, (7, 9, 13, 9)),  # the bid is 3 below
        trade(4.3, "A", 9, 9, (7, 9, 13, 9)),  # before the cancel arrives at 4.5, a trade beyond the bid fills the rest
        book(8, (7, 9, 13, 9)),
    ]
    done = act(rows, decide(at(1, "target", 5)), post=True, stop=3, latency=0.5)
    # Cancel and sale of the 2 known lots arrive at 4.5; the 3 lots of the race are known then, and sold at 5.
    assert done.fills == [(2, 10, 2), (4.3, 10, 3), (4.5, 7, -2), (5, 7, -3)]


def test_the_cap_holds_in_a_race_of_exit_and_quotes() -> None:
    # Long 5 with an ask of 10 + 5 at rest, which the cap allows: to leave, it must first know the ask to be cancelled.
    rows = [
        book(0, (10, 1, 13, 1)),
        trade(2, "A", 10, 6, (10, 1, 13, 1)),
        book(4, (7, 9, 13, 1)),
        trade(4.3, "B", 13, 99, (7, 9, 14, 9)),  # the race: the whole ask is filled
        book(8, (7, 9, 14, 9)),
    ]
    decisions = decide(at(1, "quote", 10, 5, 13, 0), at(3, "quote", 10, 0, 13, 15))
    done = act(rows, decisions, stop=3, cap=10, latency=0.5)
    position, worst = 0, 0
    for _, _, lots in done.fills:
        position += lots
        worst = max(worst, abs(position))
    assert worst == 10
    assert done.fills[:2] == [(2, 10, 5), (4.3, 13, -15)]


def test_a_bid_keeps_its_place_while_the_ask_is_replaced_many_times() -> None:
    # The bid rests behind 6 lots from 1 to 31; thirty asks are sent meanwhile, each in place of the one before.
    rows = [book(0, (10, 6, 30, 9)), trade(32, "A", 10, 8, (9, 9, 30, 9)), book(33, (9, 9, 30, 9))]
    done = act(rows, decide(*(at(t, "quote", 10, 4, 20 + t % 2, 4) for t in range(1, 31))))
    assert done.fills[0] == (32, 10, 2)
    assert len(done.orders) == 32  # and one to close
    assert done.orders[0] == ("QUOTE", "PARTLY", 2, 4)
    assert done.orders[1:30] == [("QUOTE", "CANCELLED", 0, 4)] * 29
    assert done.trades.orders["decided"][1:31].tolist() == [t * SECOND for t in range(1, 31)]
    assert done.trades.orders["ahead_at_join"][0] == 6


@pytest.mark.parametrize(
    ("prices", "sent"),
    [
        ((10, 10, 10, 10), [1, 5]),
        ((8, 8, 8, 8), [1, 5, 8]),
        ((8, 10, 10, 8), [1, 5, 9]),
        ((8, 8, 10, 10), [1, 5]),
    ],
)
def test_a_quote_that_changes_while_an_answer_is_awaited(prices: tuple[int, ...], sent: list[int]) -> None:
    # The bid at 9 is replaced by one at 10, sent at 5; its end is known at 7.5. Decisions follow at 6 to 9.
    rows = [book(0, (11, 6, 30, 9)), book(20, (11, 7, 30, 9))]
    later = [at(t, "quote", price, 4, 20, 0) for t, price in zip((6, 7, 8, 9), prices, strict=True)]
    decisions = decide(at(1, "quote", 9, 4, 20, 0), at(5, "quote", 10, 4, 20, 0), *later)
    done = act(rows, decisions, latency=1.5, response=1)
    assert done.trades.orders["decided"].tolist() == [t * SECOND for t in sent]


# --- trades and what they remove -------------------------------------------------------------------------------------

REMOVED = {"action": "C", "side": "B", "price": 10}


def test_all_removals_at_the_time_of_the_trades_are_theirs() -> None:
    rows = [
        book(0, (10, 6, 12, 9)),
        book(1.5, (10, 16, 12, 9)),
        trade(2, "A", 10, 2, (10, 16, 12, 9)),  # two prints, then their two removals, in a message each
        trade(2, "A", 10, 2, (10, 16, 12, 9)),
        book(2, (10, 14, 12, 9)) | REMOVED,
        book(2, (10, 12, 12, 9)) | REMOVED,
        trade(4, "A", 10, 3, (9, 9, 12, 9)),
        book(5, (9, 9, 12, 9)),
    ]
    # 6 - 4 = 2 are ahead, and 1 of the trade of 3 is left. Were the second removal a cancel, 2 would be left.
    for queue in (Queue.PROPORTIONAL, Queue.POWER, Queue.EXACT):
        assert act(rows, BID, queue=queue, order_times=[None] * 4 + [0.5, 0.5, None, None]).fills[0] == (4, 10, 1)


def test_a_known_cancel_after_a_trade_that_removed_nothing_is_one() -> None:
    rows = [
        book(0, (10, 6, 12, 9)),
        book(1.5, (10, 16, 12, 9)),
        trade(2, "A", 10, 2, (10, 16, 12, 9)),  # against a hidden order
        book(3, (10, 13, 12, 9)) | REMOVED,
        trade(4, "A", 10, 3, (9, 9, 12, 9)),
        book(5, (9, 9, 12, 9)),
    ]
    times = [None, None, None, 0.5, None, None]
    # 6 - 2 - 3 = 1 is ahead. Without the order's time the removal of 3 is the trade's 2 and a cancel of 1 of 14.
    assert act(rows, BID, queue=Queue.EXACT, order_times=times).fills[0] == (4, 10, 2)
    known_later = act(rows, BID, queue=Queue.EXACT, order_times=[*times[:3], None, None, None])
    assert known_later.fills[:1] != [(4, 10, 2)]


def test_what_one_own_order_gets_of_a_trade_does_not_move_the_other() -> None:
    rows = [
        book(0, (10, 1, 12, 2)),
        book(2, (10, 1, 14, 9), (9, 9, 15, 9)),  # the ask that it took leaves
        book(3, (12, 3, 14, 9), (10, 1, 15, 9)),
        book(4.5, (12, 9, 14, 9), (10, 1, 15, 9)),  # 6 more behind both
        trade(5, "A", 12, 6, (12, 3, 14, 9), (10, 1, 15, 9)),
        trade(6, "A", 12, 3, (10, 9, 14, 9), (9, 9, 15, 9)),
        book(7, (10, 9, 14, 9), (9, 9, 15, 9)),
    ]
    # The first order's 4 lots at 12 are filled by the trade of 6, and 2 of the 3 that stand before the second order:
    # 1 is left, and of the trade of 3 the second order gets 2.
    decisions = decide(at(1, "target", 6), at(4, "quote", 12, 9, 20, 0))
    done = act(rows, decisions, rules=ExecutionRules(rest=True))
    assert done.fills == [(1, 12, 2), (5, 12, 4), (6, 12, 2), (7, 10, -8)]


# --- what was taken --------------------------------------------------------------------------------------------------


def test_lots_that_were_taken_are_not_there_again() -> None:
    rows = [
        book(0, (10, 9, 12, 4), (9, 9, 13, 6)),
        book(3, (10, 9, 12, 5), (9, 9, 13, 6)),  # 1 more at 12
        book(4, (10, 9, 11, 3), (9, 9, 12, 5)),  # 3 at 11 are new
        book(5, (10, 9, 13, 6), (9, 9, 14, 1)),  # 11 and 12 are passed
        book(6, (10, 9, 12, 4), (9, 9, 13, 6)),
        book(8, (10, 9, 12, 4), (9, 9, 13, 6)),
    ]
    decisions = decide(*[at(t, "target", n) for t, n in ((1, 2), (2, 4), (3.5, 6), (4.5, 9), (7, 14))])
    done = act(rows, decisions)
    bought = [(1, 12, 2), (2, 12, 2), (3.5, 12, 1), (3.5, 13, 1), (4.5, 11, 3), (7, 12, 4), (7, 13, 1)]
    assert done.fills[: len(bought)] == bought
    # Two orders between the same messages, of a part of what is shown.
    half = act(rows, decide(at(1, "target", 2), at(2, "target", 4)), rules=ExecutionRules(share_of_shown=0.5))
    assert half.fills[:2] == [(1, 12, 2), (2, 13, 2)]


def test_what_a_quote_gave_is_not_given_again_after_a_locked_book() -> None:
    rows = [
        book(0, (10, 6, 14, 9)),
        book(2, (10, 6, 12, 3)),
        book(3, (12, 1, 12, 3)),  # locked: nothing is tradable
        book(4, (10, 6, 12, 3)),  # the same ask
        book(5, (10, 6, 12, 2)),
        book(6, (10, 6, 12, 4)),  # 2 more
        book(7, (10, 6, 14, 9)),
    ]
    done = act(rows, decide(at(1, "quote", 12, 9, 20, 0)))
    assert done.fills == [(2, 12, 3), (6, 12, 2), (7, 10, -5)]
