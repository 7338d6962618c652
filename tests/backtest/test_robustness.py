"""The event loop where there is little or nothing to trade on, and where numbers are extreme."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.latency import fix_latency
from ofiml.backtest.orders import Queue
from ofiml.backtest.requests import scale_lots
from ofiml.backtest.simulate import ContractNumbers, ExecutionRules, Scenario, simulate
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.errors import DataError
from ofiml.samples.tape import build_tape
from ofiml.strategy.decisions import LAST, Decisions, Limits
from tests.backtest.scripts import NO_LIMITS, act, at, book, decide, make_session, trade
from tests.books import SECOND

EVERY = [Scenario(fix_latency(0), queue) for queue in Queue]
HALT = {"action": "N", "flags": F_LAST | F_SNAPSHOT}


def trade_all(session, decisions, limits=NO_LIMITS, **other):
    return simulate(build_tape(session), decisions, limits, ContractNumbers(), EVERY, close=session.close, **other)


def test_one_message_is_a_market() -> None:
    done = act([book(1, (10, 2, 12, 3))], decide(at(1, "target", 5), at(1, "quote", 10, 1, 12, 1)), close=2)
    # Of 5 lots 3 are shown; they are closed at the bid. The quotes come while the first order is out, and stay.
    assert done.fills == [(1, 12, 3), (2, 10, -3)]


def test_before_the_first_message_nothing_is_decided() -> None:
    rows = [book(5, (10, 2, 12, 3)), book(6, (10, 2, 12, 3))]
    for decision in (at(1, "target", 1), at(1, "quote", 10, 1, 12, 1), at(1, "hold")):
        assert act(rows, decide(decision)).orders == []
    # At the first message's own time it is known.
    assert act(rows, decide(at(5, "target", 1))).fills[0] == (5, 12, 1)
    # One that happened, but is not known yet, is no ground for an order.
    late = act(rows, decide(at(5, "target", 1), at(7, "target", 1)), received=[6, 7], close=9)
    assert late.fills[0] == (7, 12, 1)


@pytest.mark.parametrize("missing", [(10, 2, None, 0), (None, 0, 12, 3), (None, 0, None, 0)])
def test_a_side_that_is_missing_fills_nothing_and_is_no_error(missing) -> None:
    rows = [book(0, (10, 2, 12, 3)), book(2, missing), book(4, missing)]
    decisions = decide(at(3, "target", 1), at(3.2, "target", -1), at(3.4, "quote", 10, 1, 12, 1), at(3.6, "hold"))
    done = act(rows, decisions)
    assert all(price in (10, 12) for _, price, _ in done.fills)
    assert sum(lots for *_, lots in done.fills) == 0
    if missing[0] is None and missing[2] is None:
        assert [fill for fill in done.fills if fill[0] < 4] == []


def test_a_book_that_never_has_two_sides_is_not_traded() -> None:
    session = make_session([book(t, (10, 2, None, 0)) for t in range(4)])
    for trades in trade_all(session, decide(at(1, "target", -1), at(2, "quote", 10, 1, 12, 1))):
        assert len(trades.orders) == trades.position == 0


def test_a_session_that_is_halted_throughout_fills_nothing() -> None:
    rows = [book(0, (10, 2, 12, 3)) | HALT, trade(1, "B", 12, 1, (10, 2, 12, 2)) | HALT, book(3, (10, 2, 12, 3))]
    session = make_session(rows)
    for trades in trade_all(session, decide(at(0.5, "target", 1), at(2, "quote", 10, 1, 12, 1))):
        assert len(trades.fills) == 0


def test_a_position_in_a_halt_is_closed_at_the_last_book_before_it() -> None:
    rows = [book(0, (10, 2, 12, 3)), book(2, (3, 2, 20, 3)) | HALT, book(3, (3, 2, 20, 3)), book(9, (3, 2, 20, 3))]
    # The stop's order waits in the halt until the session's end.
    done = act(rows, decide(at(1, "target", 1)), stop=5)
    assert done.fills == [(1, 12, 1), (9, 10, -1)]
    assert [o[:2] for o in done.orders] == [("SIGNAL", "FILLED"), ("STOP", "EXPIRED"), ("CLOSE", "FILLED")]


def test_nothing_happens_after_the_close() -> None:
    rows = [book(t, (10, 2, 12, 3)) for t in range(9)]
    done = act(rows, decide(at(3, "target", 1), at(4.5, "target", 2), at(6, "target", -1)), close=5, latency=1)
    assert done.fills == [(4, 12, 1), (5, 10, -1)]
    assert [o[1] for o in done.orders] == ["FILLED", "LATE", "FILLED"]
    # A close before the first message, and one between the orders' way and their arrival.
    assert act(rows[2:], decide(at(1, "target", 1)), close=1).orders == []
    assert act(rows, decide(at(4.5, "target", 1)), close=5, latency=1).orders == [("SIGNAL", "LATE", 0, 1)]


def test_forecasts_that_are_absent_ask_for_nothing() -> None:
    """A rule turns NaN into HOLD: with nothing else there is no order, and a position keeps its own end."""
    rows = [book(t, (10, 2, 12, 3)) for t in range(9)]
    assert act(rows, decide(*[at(t, "hold") for t in range(9)])).orders == []
    done = act(rows, decide(at(1, "target", 1, until=4), *[at(t, "hold") for t in range(2, 9)]))
    assert done.fills == [(1, 12, 1), (4, 10, -1)]


def test_prices_below_zero() -> None:
    shift = -500
    rows = [
        book(0, (shift + 10, 2, shift + 12, 3)),
        trade(2, "A", shift + 10, 4, (shift + 9, 2, shift + 12, 3)),
        book(4, (shift + 9, 2, shift + 12, 3)),
    ]
    done = act(rows, decide(at(1, "quote", shift + 10, 1, 0, 0), at(3, "target", 3)), queue=Queue.PROPORTIONAL)
    assert done.fills == [(2, shift + 10, 1), (3, shift + 12, 2), (4, shift + 9, -3)]
    # A fee on the value is paid at prices below zero, too: the loss limit of 4 is passed by 0.1·490 a lot.
    fee = act(rows, decide(at(1, "target", 1)), loss=4.0, numbers=ContractNumbers(taker_rate=0.1))
    assert fee.orders[1][0] == "LOSS_LIMIT"
    with pytest.raises(DataError, match="inverse contract"):
        act(rows, decide(at(1, "target", 1)), numbers=ContractNumbers(contract=1))


@pytest.mark.parametrize("queue", list(Queue))
def test_huge_sizes_and_prices_do_not_overflow(queue: Queue) -> None:
    lots = 2**52
    high = 2**63 // 10_000_000 - 50  # ticks: the highest prices in int64 at a tick of 1e-2
    rows = [
        book(0, (high, lots, high + 2, lots)),
        trade(2, "A", high, 2 * lots, (high - 1, lots, high + 2, lots)),
        book(3, (high - 1, lots, high, lots)),
        book(4, (high - 1, lots, high + 2, lots)),
    ]
    decisions = decide(at(1, "quote", high, lots, 0, 0), at(3.5, "target", lots + 5))
    done = act(rows, decisions, queue=queue, power=3.0, cap=2**60, loss=1e30)
    position = np.cumsum([fill[2] for fill in done.fills])
    assert position[-1] == 0
    # THROUGH is filled by the asks of 3, which then are not there for the target.
    assert position.max() == lots + 5 * (queue != Queue.THROUGH)
    assert {price for _, price, _ in done.fills} <= {high - 1, high, high + 2}


def test_times_before_1970_and_latencies_without_end() -> None:
    rows = [book(t, (10, 2, 12, 3)) for t in (-9, -5, -1)]
    done = act(rows, decide(at(-8, "target", 1), at(-4, "target", -1)), latency=1, response=1)
    assert done.fills == [(-7, 12, 1), (-3, 10, -2), (-1, 12, 1)]
    never = act(rows, decide(at(-8, "target", 1)), latency=2**62 / SECOND)
    assert never.orders == [("SIGNAL", "LATE", 0, 1)]
    unknown = act(rows, decide(at(-8, "target", 1), at(-4, "target", -1)), response=2**62 / SECOND)
    assert unknown.fills == [(-8, 12, 1), (-1, 10, -1)]


def test_sizes_are_scaled_exactly_and_do_not_overflow() -> None:
    assert [scale_lots(lots, 1.0) for lots in (2**62, -(2**53) - 1)] == [2**62, -(2**53) - 1]
    assert [scale_lots(lots, 10.0) for lots in (2**62, -(2**62))] == [2**61, -(2**61)]
    assert [scale_lots(lots, 0.5) for lots in (3, -3, 1)] == [2, -2, 1]


def test_an_empty_session_is_an_error_that_says_so() -> None:
    session = make_session([book(1, (10, 2, 12, 3))])
    with pytest.raises(DataError, match="no events"):
        build_tape(replace(session, events=session.events.head(0)))


def test_no_lots_are_asked_for_beyond_the_cap() -> None:
    rows = [book(t, (10, 9, 12, 9)) for t in range(9)]
    decisions = decide(at(1, "target", 2**62), at(2, "target", -(2**62)), at(3, "quote", 10, 2**62, 12, 2**62))
    done = act(rows, decisions, cap=7)
    position = np.cumsum([fill[2] for fill in done.fills])
    assert np.abs(position).max() == 7
    assert act(rows, decisions, cap=0).orders == []


def test_shares_of_less_than_a_lot_fill_nothing() -> None:
    rows = [book(t, (10, 9, 12, 9)) for t in range(4)]
    rules = ExecutionRules(rest=True, share_of_shown=0.1, share_of_traded=0.1)
    assert act(rows, decide(at(1, "target", 5)), rules=rules).orders == [("SIGNAL", "CANCELLED", 0, 5)]


def test_rows_of_an_unfinished_message_are_left_out() -> None:
    session = make_session([book(0, (10, 2, 12, 3)), book(2, (10, 2, 11, 3)) | {"flags": 0}])
    for trades in trade_all(session, decide(at(1, "target", 1))):
        assert [int(f["price"]) + build_tape(session).base for f in trades.fills] == [12, 10]


def test_decisions_of_no_kind_or_none_at_all() -> None:
    session = make_session([book(0, (10, 2, 12, 3)), book(2, (10, 2, 12, 3))])
    empty = Decisions(*(column[:0] for column in decide(at(1, "hold"))))
    limits = Limits(cap=1, stop=1, take=1, flat_from=session.open, loss=0.0, post=True)
    for trades in trade_all(session, empty, limits):
        assert len(trades.orders) == 0
    assert pl.Series([LAST]).dtype == pl.Int64
