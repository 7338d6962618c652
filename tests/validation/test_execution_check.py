"""The leak check of execution: an execution that looks ahead is caught, and a sound one passes."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.backtest import trading
from ofiml.backtest.scenarios import make_latency
from ofiml.backtest.trading import Execution, TradedMarket
from ofiml.errors import LeakError
from ofiml.samples import tape as tapes
from ofiml.strategy.build import TradedSession
from ofiml.validation.altered_future import alter_future
from ofiml.validation.execution_check import compare_executions, record_altered, turn_decisions
from tests.backtest.fills import make_money
from tests.backtest.scripts import NO_LIMITS
from tests.backtest.test_kernel import draw_decisions
from tests.backtest.traded import collect, make_config, trade
from tests.books import SECOND
from tests.oracle.markets import draw_market

KEY = TradedSession("TEST", "1970-01-01")


def check(seed, *, at=0.5, post=False, **keys):
    """Trade a drawn session, and again with another future; the numbers of orders and fills compared."""
    session = draw_market(seed, 300)
    bars = np.linspace(session.open, session.close, 40)[1:] / SECOND
    decisions = draw_decisions(seed, session, len(bars))._replace(time=np.rint(bars * SECOND).astype(np.int64))
    limits = NO_LIMITS._replace(cap=8, stop=1, post=post)
    config = make_config(**{"latency": "30ms", **keys})
    study = collect([trade(session, decisions, config=config, limits=limits, key=KEY)])
    t = int(decisions.time[round(at * len(decisions.time))])
    plans = {KEY: (decisions, limits)}
    execution = Execution.of(config, make_latency(config, 3), plans, 3)
    market = TradedMarket(record_altered(session, t), make_money())
    later = turn_decisions(decisions, t)
    return compare_executions(market, later, limits, execution, (study.orders, study.fills), KEY, t)


WAYS = [
    {},
    {"post": True, "response": "200ms"},
    {"remainder": "rest", "latency_jitter": 1.0, "share_of_shown": 0.5},
    {"feed_latency": "300ms", "feed_jitter": 0.7, "queue": "power", "share_of_traded": 0.5},
]


@pytest.mark.parametrize("way", WAYS)
def test_what_came_before_does_not_depend_on_what_comes_after(way):
    orders = fills = 0
    for seed in range(8):
        for at in (0.3, 0.7):
            compared = check(seed, at=at, **way)
            orders, fills = orders + compared[0], fills + compared[1]
    assert orders > 100
    assert fills > 50


def known_early(monkeypatch):
    """Messages are known before they happen, so that stops see them."""
    simulate = trading.simulate

    def wrong(tape, *args, **keys):
        ahead = tape._replace(bid=np.roll(tape.bid, -5), ask=np.roll(tape.ask, -5))
        return simulate(ahead, *args, **keys)

    monkeypatch.setattr(trading, "simulate", wrong)


def kind_to_good_trades(monkeypatch):
    """A fill that loses by the end of the session gets a better price."""
    simulate = trading.simulate

    def wrong(tape, *args, **keys):
        done = simulate(tape, *args, **keys)
        last = tape.bid[tape.bid >= 0][-1]
        for trades in done:
            losing = (trades.fills["price"] - last) * trades.fills["lots"] > 0
            trades.fills["price"] -= np.where(losing, np.sign(trades.fills["lots"]), 0)
        return done

    monkeypatch.setattr(trading, "simulate", wrong)


def sizes_of_the_session(monkeypatch):
    """Orders are as large as the mean trade of the whole session allows."""
    simulate = trading.simulate

    def wrong(tape, decisions, *args, **keys):
        mean = int(tape.size[tape.kind == tapes.TRADE].mean())
        return simulate(tape, decisions._replace(target=np.sign(decisions.target) * mean), *args, **keys)

    monkeypatch.setattr(trading, "simulate", wrong)


def a_tape_that_is_ahead(monkeypatch):
    """The tape shows the levels of the next message."""
    record = tapes.record_session

    def wrong(session):
        tape, meta = record(session)
        return tapes.SessionTape(tape._replace(size=np.roll(tape.size, -40)), meta)

    monkeypatch.setattr(tapes, "record_session", wrong)
    monkeypatch.setattr("tests.backtest.traded.record_session", wrong)


def check_some():
    for seed in range(8):
        check(seed)


@pytest.mark.parametrize("plant", [known_early, kind_to_good_trades, sizes_of_the_session, a_tape_that_is_ahead])
def test_an_execution_that_looks_ahead_is_caught(plant, monkeypatch):
    plant(monkeypatch)
    with pytest.raises(LeakError, match=r"the execution of TEST 1970-01-01 depends on the future: .* Fix the backtest"):
        check_some()


def test_the_queue_of_a_feed_does_not_depend_on_the_cut():
    """Replaced events may be cancels of orders without a place, which would choose another model of the queue."""
    session = draw_market(2, 300)
    placed = session.events.with_columns(order_time=pl.col("order_time").fill_null(pl.col("ts_event")))
    added = pl.col("action") == "A"
    session = replace(session, events=placed.with_columns(pl.when(~added).then("order_time").alias("order_time")))
    t = int(np.quantile(session.events["ts_recv"].to_physical().to_numpy(), 0.5))
    assert tapes.record_session(session).meta.exact
    assert not tapes.record_session(alter_future(session, t)).meta.exact
    assert record_altered(session, t).meta.exact
