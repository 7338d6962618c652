"""hftbacktest fills the same orders as the event loop: marketable ones alike, resting ones inside of its bracket."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ofiml.backtest.orders import Queue
from ofiml.samples.tape import build_tape
from tests.backtest.scripts import book, make_session
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import backtest_cases as cases
import backtest_checks as checks
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
