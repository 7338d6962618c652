"""hftbacktest fills the same orders as the event loop: marketable ones alike, resting ones inside of its bracket."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ofiml.backtest.orders import Queue
from ofiml.samples.tape import LEVEL, TRADE, build_tape
from tests.backtest.scripts import book, make_session
from tests.backtest.scripts import trade as print_trade
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import backtest_cases as cases
import backtest_checks as checks
import backtest_queues as queues
from backtest_cases import MS, SECOND

VARIABLE = "OFIML_HFTBACKTEST"
HOURS = 0.5


@pytest.fixture(scope="module")
def market() -> Any:
    return cases.make_market(HOURS, seed=7)


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of hftbacktest's environment."""
    path = os.environ.get(VARIABLE, "")
    if not Path(path).is_file():
        pytest.skip(
            "hftbacktest absent: make its environment (python benchmarks/backtest.py --make FOLDER) and set "
            f"{VARIABLE} to FOLDER/bin/python"
        )
    return Path(path)


@pytest.fixture(scope="module")
def peer(python: Path, market: Any) -> Iterator[cases.Peer]:
    with cases.Peer(python, market) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("latency", [0, 5 * MS, 500 * MS])
@pytest.mark.parametrize("stop", [0, 5])
@pytest.mark.parametrize("interval", [10 * SECOND, 100 * MS])
def test_small_marketable_orders_have_the_same_fills(peer, market, interval, stop, latency):
    workload = cases.make_taker(market, interval, stop=stop)
    theirs = peer.run(workload, latency, 3 * MS).fills
    (trades,) = cases.trade(market, workload, [latency], 3 * MS)
    ours = cases.list_fills(market, trades)
    assert len(ours) > 20
    np.testing.assert_array_equal(ours, theirs)
    if stop:
        assert (trades.orders["reason"] == cases.Reason.STOP).sum() > 5


@pytest.mark.slow
def test_large_marketable_orders_differ_only_where_the_best_level_shows_too_little(peer, market):
    workload = cases.make_taker(market, 10 * SECOND, lots=200)
    theirs = peer.run(workload, 5 * MS, 5 * MS).fills
    (trades,) = cases.trade(market, workload, [5 * MS], 5 * MS)
    check = checks.check_taker(market.tape, cases.list_fills(market, trades), theirs)
    assert check.unexplained == []
    assert check.equal > 0
    assert check.walked > 0


@pytest.mark.slow
@pytest.mark.parametrize("interval", [SECOND, 100 * MS])
@pytest.mark.parametrize("latency", [0, 5 * MS])
def test_resting_orders_fill_inside_of_the_bracket(peer, market, interval, latency):
    workload = cases.make_quoter(market, interval, once=True)
    theirs = peer.run(workload, latency, 5 * MS).fills
    through, model, touch = (
        cases.list_fills(market, cases.trade(market, workload, [latency], 5 * MS, queue)[0])
        for queue in (Queue.THROUGH, Queue.POWER, Queue.TOUCH)
    )
    check = checks.check_maker(through, model, theirs, touch)
    assert check.outside == []
    assert 0 < check.through < check.theirs < check.touch
    # It fills an order once half a lot of the expected queue is through, the event loop once a whole lot is.
    assert check.differ <= 0.005 * check.theirs
    explained, unexplained = queues.explain_differences(market.tape, model, theirs, latency, cases.POWER)
    assert len(explained) + len(unexplained) == check.differ
    assert unexplained == []


@pytest.mark.slow
def test_where_queues_are_of_a_few_lots_each_difference_is_explained(python):
    """A half lot matters there: both models are followed event by event to the fill that only one of them has."""
    made = cases.make_market(3.0, seed=7)
    tape = made.tape
    counts = (tape.kind == LEVEL) | (tape.kind == TRADE)
    lots = np.maximum(tape.size // 40, tape.size > 0)
    small = made._replace(tape=tape._replace(size=np.where(counts, lots, tape.size)))
    workload = cases.make_quoter(small, SECOND, once=True)
    with cases.Peer(python, small) as running:
        theirs = running.run(workload, 5 * MS, 5 * MS).fills
    (trades,) = cases.trade(small, workload, [5 * MS], 5 * MS, Queue.POWER)
    explained, unexplained = queues.explain_differences(
        small.tape, cases.list_fills(small, trades), theirs, 5 * MS, cases.POWER
    )
    assert unexplained == []
    assert explained


# --- the comparison itself -------------------------------------------------------------------------------------------


def make_fills(*rows: tuple[int, int, int, int]) -> Any:
    return np.array(list(rows), cases.FILL)


@pytest.fixture
def tape() -> Any:
    return build_tape(make_session([book(1, (10, 5, 12, 7)), book(2, (10, 5, 12, 3)), book(3, (10, 5, 12, 7))]))


def test_fills_at_another_time_or_price_are_unexplained(tape):
    fill = (SECOND, 2 * SECOND, 12, 1)
    assert checks.check_taker(tape, make_fills(fill), make_fills(fill)) == (1, 0, [])
    for other in ((SECOND, SECOND, 12, 1), (SECOND, 2 * SECOND, 13, 1), (SECOND, 2 * SECOND, 12, 2)):
        assert len(checks.check_taker(tape, make_fills(fill), make_fills(other)).unexplained) == 1
    assert len(checks.check_taker(tape, make_fills(fill), make_fills()).unexplained) == 1


def test_an_order_goes_deeper_only_beyond_what_the_tape_shows(tape):
    theirs = make_fills((SECOND, 2 * SECOND, 12, 5))

    def check(first: int, price: int = 13) -> tuple[int, int, int]:
        ours = make_fills((SECOND, 2 * SECOND, 12, first), (SECOND, 2 * SECOND, price, 5 - first))
        equal, walked, unexplained = checks.check_taker(tape, ours, theirs)
        return equal, walked, len(unexplained)

    assert check(3) == (0, 1, 0)
    assert check(2) == check(4) == check(3, price=11) == (0, 0, 1)


def test_a_resting_order_outside_of_the_bracket_is_named():
    early, middle, late, none = (
        make_fills((0, 1, 9, 1)),
        make_fills((0, 2, 9, 1)),
        make_fills((0, 3, 9, 1)),
        make_fills(),
    )
    assert checks.check_maker(late, middle, middle, early) == (1, 1, 1, 1, 0, [])
    assert checks.check_maker(none, none, middle, early) == (0, 0, 1, 1, 1, [])
    for through, theirs, touch in ((early, middle, early), (none, early, middle), (late, none, early)):
        assert len(checks.check_maker(through, middle, theirs, touch).outside) == 1
    assert len(checks.check_maker(none, none, middle, none).outside) == 1


def test_each_difference_has_the_event_that_made_it():
    """Of 5 lots ahead 3 are traded, and half a lot of one that is cancelled: 1.5 are left when 2 are traded."""
    rows = [
        book(1, (10, 5, 12, 7)),
        print_trade(3, "A", 10, 3, (10, 2, 12, 7)),
        book(4, (10, 4, 12, 7)),
        book(5, (10, 3, 12, 7)),
        print_trade(6, "A", 10, 2, (10, 1, 12, 7)),
        print_trade(7, "A", 10, 1, (10, 5, 12, 7)),
    ]
    tape = build_tape(make_session(rows))
    steps = queues.follow_order(tape, 1, 10, 2 * SECOND, 8 * SECOND, 2.0)
    assert [step.event for step in steps if "trade" in step.event] == ["a trade of 3", "a trade of 2", "a trade of 1"]
    # 2 of 4 are ahead when one is cancelled: by half a lot, so that 1.5 are left before the trade of 2.
    before = next(step for step in steps if step.event == "a trade of 2")
    assert (before.ours, before.theirs) == (1.5, 1.5)
    assert (before.fills_ours, before.fills_theirs) == (False, True)
    sent, ours, theirs = 2 * SECOND, 7 * SECOND, 6 * SECOND
    mine, other = make_fills((sent, ours, 10, 1)), make_fills((sent, theirs, 10, 1))
    explained, unexplained = queues.explain_differences(tape, mine, other, 0, 2.0)
    assert unexplained == []
    assert explained == [
        f"bid at 10 sent at {sent}: ofiml fills it at {ours}, hftbacktest fills it at {theirs}; a trade of 2 at "
        f"{theirs} met 1.500 lots ahead in ofiml, 1.500 in hftbacktest"
    ]
    assert queues.explain_differences(tape, mine, mine, 0, 2.0) == ([], [])
    early = make_fills((sent, 3 * SECOND, 10, 1))
    for wrong in ((mine, early), (other, mine), (make_fills(), mine)):
        assert len(queues.explain_differences(tape, *wrong, 0, 2.0)[1]) == 1
