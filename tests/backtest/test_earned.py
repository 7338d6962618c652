"""What must be earned: by who knows the future, by nobody, in a mirrored market; and what could have been had."""

import numpy as np
import pytest

from ofiml.backtest.latency import draw_latency
from ofiml.backtest.money import MONEY_SCALE
from ofiml.backtest.result import tabulate
from tests.backtest.fills import Fees, make_money
from tests.backtest.scripts import NO_LIMITS, at, book, decide
from tests.backtest.test_kernel import draw_decisions, draw_session
from tests.backtest.traded import make_config, make_targets, trade, walk
from tests.books import SECOND, mirrored

FEES = make_money(taker=Fees(per_unit=0.001), maker=Fees(per_unit=-0.0005))


def test_who_knows_the_future_earns_each_move_less_the_spread():
    rng = np.random.default_rng(5)
    mids = 10_000 + np.cumsum(rng.integers(-3, 4, 200))
    known = np.diff(mids)[:-1]
    targets = 4 * np.sign(known)
    bars = np.arange(1, len(targets) + 1)
    fees = make_money(taker=Fees(per_unit=0.001))
    session = trade(
        walk(mids.tolist()), make_targets(bars, targets.tolist()), config=make_config(latency="100ms"), money=fees,
        close=len(targets) + 1,
    )  # fmt: skip
    turned = np.abs(np.diff([0, *targets, 0])).sum()
    totals = session.ledger.totals
    assert totals.gross == 4 * int(np.abs(known).sum()) * MONEY_SCALE // 100
    assert totals.spread == turned * MONEY_SCALE // 100
    assert totals.commission == turned * MONEY_SCALE // 1000
    assert (totals.latency, totals.waiting, totals.depth) == (0, 0, 0)
    # And who believes the opposite loses as much, and pays the same.
    wrong = trade(
        walk(mids.tolist()), make_targets(bars, (-targets).tolist()), config=make_config(latency="100ms"), money=fees,
        close=len(targets) + 1,
    ).ledger.totals  # fmt: skip
    assert (wrong.gross, wrong.costs) == (-totals.gross, totals.costs)


def test_the_null_market_loses_its_costs():
    rng = np.random.default_rng(8)
    steps = rng.choice([-1, 1], 3000)
    mids = 100_000 + np.cumsum(steps)
    targets = rng.integers(-3, 4, 2990)
    session = trade(
        walk(mids.tolist()), make_targets(range(1, 2991), targets.tolist()), config=make_config(latency="100ms")
    )
    totals = session.ledger.totals
    error = np.sqrt((targets**2).sum()) * MONEY_SCALE / 100  # of the gross profit: each step is ±1 tick
    assert abs(totals.gross) < 4 * error
    assert totals.net == totals.gross - totals.spread
    assert totals.spread > 8 * error


@pytest.mark.parametrize("seed", range(4))
def test_a_mirrored_market_and_mirrored_decisions_have_the_same_profit(seed: int) -> None:
    session, _ = draw_session(seed)
    top = 10_000 * session.tick
    decisions = draw_decisions(seed, session)
    bars = np.linspace(session.open, session.close, 20)[1:] / SECOND
    flipped = decisions._replace(
        target=-decisions.target,
        bid=top - decisions.ask, bid_size=decisions.ask_size, ask=top - decisions.bid, ask_size=decisions.bid_size,
    )  # fmt: skip
    limits = NO_LIMITS._replace(cap=8, stop=3)
    config = make_config(latency="20ms", remainder="rest")
    a = trade(session, decisions, config=config, money=FEES, limits=limits, bars=bars)
    b = trade(mirrored(session, top), flipped, config=config, money=FEES, limits=limits, bars=bars)
    assert a.ledger.totals.fills > 0
    for name in ("gross", "net", "latency", "waiting", "spread", "depth", "commission", "traded"):
        assert getattr(a.ledger.totals, name) == getattr(b.ledger.totals, name)
    np.testing.assert_array_equal(a.ledger.net, b.ledger.net)


# --- executable quotes -----------------------------------------------------------------------------------------------


def test_quotes_one_latency_after_decision_and_horizon():
    rows = [*walk([100, 110, 120, 130]), book(4.2, (141, 5, 140, 5)), book(5.5, (149, 5, 151, 5))]
    session = trade(
        rows, decide(at(1, "hold"), at(2, "hold"), at(3, "hold"), at(5, "hold")), config=make_config(latency="600ms"),
        hold=1.0, close=6,
    )  # fmt: skip
    got = tabulate([session], "executable")
    entry, out = got.select(got["entry_bid"] - got["entry_bid"][0], "entry_ask", "exit_bid"), got
    # 0.6 s after 1 s the mid is 110, after 2 s 120, after 3 s 130, after 5 s 150.
    assert entry["entry_bid"].to_list() == [0, 10, 20, 40]
    gains = (out["exit_bid"] - out["entry_ask"]).to_list()
    # The exits: 120 - 1 - (110 + 1), 130 - 1 - (120 + 1), then a crossed book, then after the close.
    assert gains == [8, 8, None, None]


def test_an_expected_latency_of_draws_is_the_median():
    rows, bars = walk([100, 110, 120, 130, 140]), decide(at(1, "hold"), at(2, "hold"))
    fixed = trade(rows, bars, config=make_config(latency="100ms"))
    drawn = trade(rows, bars, config=make_config(latency="100ms", latency_jitter=3.0))
    assert tabulate([fixed], "executable").equals(tabulate([drawn], "executable"))
    assert draw_latency(10**8, 3.0, 3).values[0] != 10**8
