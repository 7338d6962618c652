"""Whether a profit survives: chance, one lucky trade, too few round trips."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.trading import SessionResult
from ofiml.config import Backtest
from ofiml.evaluation.profit import Performance, measure_performance
from ofiml.units import SECOND
from tests.backtest.fills import Fees, make_money
from tests.backtest.traded import (
    BOOTSTRAP,
    collect,
    make_config,
    make_predictions,
    make_targets,
    trade,
    trade_walk,
    walk,
)


def measure(session: SessionResult, least: int = 30, config: Backtest | None = None) -> Performance:
    result = collect([session], config=config)
    return measure_performance(result, make_predictions(result), BOOTSTRAP, least)


def test_one_lucky_trade_does_not_survive():
    """Resampled histories without the trade have a Sharpe ratio of 0, not none."""
    mids = np.where(np.arange(900) < 500, 1000, 1040)
    targets = np.where(np.arange(1, 899) == 500, 5, 0)
    session = trade(walk(mids.tolist()), make_targets(range(1, 899), targets.tolist()), close=899)
    got = measure(session)
    assert got.net_pnl == pytest.approx(5 * 0.38)
    assert got.trades.round_trips == 1
    assert got.sharpe_net > 0
    assert got.sharpe_low == 0
    assert got.sharpe_high > got.sharpe_net
    assert got.net_p > 0.05
    assert got.obstacles == ["interval", "hac", "round_trips"]
    assert got.concentration is not None
    assert got.concentration.net_without_best_trades == pytest.approx(0)


def test_a_steady_profit_survives_if_there_are_enough_round_trips():
    session = trade_walk(0, knows=0.95)
    got = measure(session)
    assert got.obstacles == []
    assert 0 < got.sharpe_low < got.sharpe_net < got.sharpe_high
    assert got.net_t > 2
    assert got.net_p < 0.05
    assert got.trades.round_trips > 100
    few = measure(session, least=10_000)
    assert few.obstacles == ["round_trips"]
    assert few.min_round_trips == 10_000


def test_chance_a_loss_and_no_trade():
    chance = measure(trade_walk(3, knows=0.75))
    assert chance.net_pnl > 0
    assert "interval" in chance.obstacles
    assert "hac" in chance.obstacles
    assert measure(trade_walk(1, knows=0.5)).obstacles == ["no_profit"]
    idle = trade(walk([100] * 50), make_targets(range(1, 40), [0] * 39))
    none = measure(idle)
    assert none.obstacles == ["no_fills"]
    assert np.isnan([none.sharpe_net, none.net_t, none.net_p]).all()
    assert (none.sharpe_low, none.sharpe_high) == (0, 0)


def test_without_an_interval_nothing_survives():
    session = trade_walk(0, knows=0.95)
    result = collect([session])
    one_block = replace(BOOTSTRAP, block_ns=10**6 * SECOND)
    got = measure_performance(result, make_predictions(result), one_block, 1)
    assert np.isnan(got.sharpe_low)
    assert got.obstacles == ["interval"]


def test_fees_take_the_profit():
    dear = make_money(taker=Fees(per_unit=0.05))
    assert measure(trade_walk(0, knows=0.95, money=dear)).obstacles == ["no_profit"]
    assert measure(trade_walk(0, knows=0.95)).gross_pnl == measure(trade_walk(0, knows=0.95, money=dear)).gross_pnl


def test_the_ratio_is_annualised_and_its_interval_too():
    result = collect([trade_walk(0, knows=0.95)], bars_per_day=100)
    more = collect([trade_walk(0, knows=0.95)], bars_per_day=400)
    a, b = (measure_performance(r, make_predictions(r), BOOTSTRAP, 1) for r in (result, more))
    assert (b.sharpe_net, b.sharpe_low, b.sharpe_high) == pytest.approx(
        (2 * a.sharpe_net, 2 * a.sharpe_low, 2 * a.sharpe_high)
    )
    assert a.net_t == b.net_t
    assert a.sharpe_unit == "per 1s bar, annualised by sqrt(252 days x 100 bars of a full session)"


def test_the_ratio_is_deflated_by_the_trials_of_the_run():
    """The gains of blocks of 30 s, whose ratio must exceed the best of so many draws without skill."""
    result = collect([trade_walk(3, knows=0.75)])
    one, many = (measure_performance(result, make_predictions(result), BOOTSTRAP, 1, n).deflated for n in (1, 41))
    assert one is not None
    assert many is not None
    stamps = result.gains["bar_close"].to_numpy()
    sums = np.bincount((stamps - 1) // (30 * SECOND), weights=result.gains["net"].to_numpy())[:-1]
    assert one.blocks == pytest.approx(len(sums), abs=1)
    assert one.sharpe_block == many.sharpe_block == pytest.approx(sums.mean() / sums.std(ddof=1), rel=0.2)
    assert (one.trials, one.luck) == (1, 0)
    best = np.random.default_rng(0).standard_normal((4000, 41)).max(axis=1).mean() / np.sqrt(many.blocks - 1)
    assert many.luck == pytest.approx(best, rel=0.05)
    assert many.probability < one.probability < 1
    few = replace(BOOTSTRAP, block_ns=100 * SECOND)
    short = measure_performance(result, make_predictions(result), few, 1, 41).deflated
    assert short is not None
    assert (short.trials, short.blocks) == (41, 5)
    assert np.isnan([short.sharpe_block, short.luck, short.probability]).all()


def test_turnover_is_what_changes_hands_over_the_capital_a_day():
    days = [trade_walk(seed, knows=0.95, day=f"2024-01-0{seed + 1}") for seed in (0, 1)]
    summary = collect(days, cap=10).summary
    value = sum((np.abs(day.fills["lots"]) * day.fills["price"]).sum() for day in days) / 1e9
    assert summary.traded_value == pytest.approx(value)
    assert summary.turnover == pytest.approx(value / summary.capital / 2)


def test_paths_are_pooled():
    sessions = [trade_walk(0, knows=0.95, path=path) for path in range(2)]
    result = collect(sessions)
    predictions = make_predictions(result)
    got = measure_performance(result, predictions, BOOTSTRAP, 30)
    alone = measure(trade_walk(0, knows=0.95))
    assert got.net_pnl == alone.net_pnl
    assert got.net_t == pytest.approx(alone.net_t, rel=1e-6)  # two equal paths are no more evidence
    assert got.sharpe_low == pytest.approx(alone.sharpe_low, rel=0.2)
    assert got.executable.rows == 2 * alone.executable.rows


def test_the_quotes_of_each_bar_are_joined():
    session = trade_walk(2, knows=1.0, config=make_config(latency="100ms"))
    result = collect([session])
    quotes = result.executable
    mid = ((quotes["entry_bid"] + quotes["entry_ask"]) / 2).to_numpy()
    moves = np.diff(mid)
    predictions = make_predictions(result)[:-1].with_columns(y=pl.Series(moves), y_hat=pl.Series(moves))
    got = measure_performance(result, predictions, BOOTSTRAP, 1).executable
    assert got.rows == len(moves)
    assert got.label_ic == pytest.approx(1)
    assert got.mean_ticks == pytest.approx(np.mean(np.abs(moves[moves != 0]) - 2))
    assert got.earnable == pytest.approx(np.mean(np.abs(moves) > 2))
