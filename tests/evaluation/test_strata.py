"""Strata by hand, thresholds of train rows alone, and parts that add up to the whole."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.money import MONEY_SCALE, Money
from ofiml.backtest.scenarios import make_latency
from ofiml.backtest.traded_bars import TradedBars
from ofiml.backtest.trading import Execution, TradedMarket, trade_session
from ofiml.config import Instrument
from ofiml.evaluation.strata import (
    KINDS,
    UNKNOWN,
    add_trailing_volatility,
    assign_strata,
    compute_thresholds,
)
from ofiml.samples.tape import record_session
from ofiml.strategy.build import TradedSession
from ofiml.units import PRICE_SCALE, SECOND
from tests.backtest.scripts import NO_LIMITS, at, book, decide, make_session
from tests.books import TICK

MINUTE = 60 * SECOND


def rows(closes, volatility=None, spread=1.0, symbol="A", session="d"):
    n = len(closes)
    return pl.DataFrame(
        {
            "symbol": [symbol] * n,
            "session": [session] * n,
            "bar_close": np.array(closes, np.int64),
            "trailing_volatility": [None] * n if volatility is None else list(map(float, volatility)),
            "spread_ticks": [float(spread)] * n,
        },
        schema_overrides={"trailing_volatility": pl.Float64},
    )


def test_time_of_day_by_hand():
    train = rows([0], [1.0])
    day = 390 * MINUTE
    closes = [1, 30 * MINUTE, 30 * MINUTE + 1, day - 30 * MINUTE, day - 30 * MINUTE + 1, day]
    got = assign_strata(rows(closes, [1.0] * 6), train, {("A", "d"): (0, day)})["stratum_time_of_day"].to_list()
    assert got == ["open", "open", "midday", "midday", "close", "close"]
    for length in (119 * MINUTE, 24 * 60 * MINUTE):  # short, or hardly closing
        closes = [1, length // 3, length // 3 + 1, 2 * length // 3, 2 * length // 3 + 1, length]
        got = assign_strata(rows(closes, [1.0] * 6), train, {("A", "d"): (0, length)})["stratum_time_of_day"].to_list()
        assert got == [f"{third} third" for third in ("first", "first", "second", "second", "last", "last")]


def test_volatility_and_tick_size_by_hand():
    # Terciles of 1 … 7 are 3 and 5; those of B ten times that.
    train = pl.concat([rows(range(7), range(1, 8), 1.5), rows(range(7), range(10, 80, 10), 1.6, "B")])
    hours = {(symbol, "d"): (0, 100) for symbol in "ABC"}
    got = assign_strata(rows([1, 2, 3, 4, 5], [0, 3, 3.1, 5, 5.1]), train, hours)
    assert got["stratum_volatility"].to_list() == ["calm", "calm", "middle", "middle", "wild"]
    assert set(got["stratum_tick_size"]) == {"large tick"}
    got = assign_strata(rows([1, 2, 3], [30, 31, 51], symbol="B"), train, hours)
    assert got["stratum_volatility"].to_list() == ["calm", "middle", "wild"]
    assert set(got["stratum_tick_size"]) == {"small tick"}
    # A symbol that no train row has, and a session that is too young.
    got = assign_strata(pl.concat([rows([1], [3.0], symbol="C"), rows([1], None)]), train, hours)
    assert got["stratum_volatility"].to_list() == [UNKNOWN, UNKNOWN]
    assert got["stratum_tick_size"].to_list() == [UNKNOWN, "large tick"]


def test_trailing_volatility_by_hand():
    rng = np.random.default_rng(1)
    mid = np.cumsum(rng.integers(-3, 4, 60)) / 2 + 100
    table = pl.DataFrame({"symbol": ["A"] * 60, "session": ["d"] * 40 + ["e"] * 20, "mid": mid})
    got = add_trailing_volatility(table)["trailing_volatility"].to_list()
    for i in range(60):
        start = 0 if i < 40 else 40
        moves = np.diff(mid[start : i + 1])[-30:]
        assert got[i] == (pytest.approx(np.sqrt(np.mean(moves**2))) if len(moves) >= 10 else None)


def test_thresholds_are_of_the_train_rows(run, monkeypatch):
    """What is tested moves no threshold: test rows with wild mids change strata of their own alone."""
    from ofiml.study import run as experiment

    seen = {}

    def watched(which):
        def inner(predicted, train, hours):
            seen.setdefault(which, []).append((compute_thresholds(train), predicted.height))
            return assign_strata(predicted, train, hours)

        return inner

    monkeypatch.setattr(experiment, "assign_strata", watched("before"))
    study = run("debug=tiny", "model=ols")
    first_test = study.predictions["bar_close"][0]
    of_rows = experiment.add_trailing_volatility

    def corrupted(table):
        table = of_rows(table)
        changed = pl.when(pl.col("bar_close") < first_test)
        return table.with_columns(
            changed.then(pl.col("trailing_volatility")).otherwise(pl.lit(1e6)).alias("trailing_volatility")
        )

    monkeypatch.setattr(experiment, "add_trailing_volatility", corrupted)
    monkeypatch.setattr(experiment, "assign_strata", watched("after"))
    wild = run("debug=tiny", "model=ols")
    assert seen["before"][0][0].equals(seen["after"][0][0])
    assert not seen["before"][1][0].equals(seen["after"][1][0])  # whose train rows hold the first fold's test rows
    assert set(wild.predictions.filter(pl.col("fold") == 0)["stratum_volatility"]) == {"wild"}


def test_measures_of_a_stratum_are_those_of_its_rows(run):
    study = run("debug=tiny", "model=ols")
    entries = study.report.strata
    assert [e.kind for e in entries] == sorted((e.kind for e in entries), key=list(KINDS).index)
    for kind in KINDS:
        parts = [e for e in entries if e.kind == kind]
        assert sum(e.rows for e in parts) == study.predictions.height
        assert sum(e.net_pnl for e in parts) == pytest.approx(study.report.backtest.net_pnl, abs=1e-6)
    assert study.report.backtest.net_pnl != 0
    calm = study.predictions.filter(pl.col("stratum_volatility") == "calm")
    entry = next(e for e in entries if e.stratum == "calm")
    assert entry.ic == pytest.approx(np.corrcoef(calm["y"], calm["y_hat"])[0, 1])
    for fold, entry in zip(study.report.metrics.folds, entries, strict=False):
        assert (entry.kind, entry.stratum) == ("fold", str(fold.fold))
        assert {k: getattr(entry, k) for k in ("ic", "rank_ic", "r2", "hit_rate")} == {
            k: fold.values[k] for k in ("ic", "rank_ic", "r2", "hit_rate")
        }
    whole = next(e for e in entries if e.kind == "symbol")
    pooled = study.report.metrics.pooled["ic"]
    assert (whole.ic, whole.low, whole.high) == pytest.approx((pooled.value, pooled.low, pooled.high))


def test_gains_belong_to_the_bar_that_decided(configure):
    """One lot bought at the first bar: its cost is the first bar's, each later move is of the bar before it."""
    mids = (100, 101, 103, 102)
    made = make_session([book(10 * k + 5, (mid - 1, 5, mid + 1, 5)) for k, mid in enumerate(mids)])
    market = record_session(replace(made, close=41 * SECOND))
    closes = [SECOND * k for k in (10, 20, 30, 40)]
    bars = TradedBars(np.array(closes) - 10 * SECOND, np.array(closes), np.full(4, 100 * SECOND))
    key = TradedSession("TEST", "d")
    plans = {key: (decide(at(10, "target", 1), *(at(t, "hold") for t in (20, 30, 40))), NO_LIMITS)}
    config = configure("backtest.latency_curve=[]", "backtest.sizes=[]").backtest
    money = Money.of(Instrument(TICK / PRICE_SCALE, 1.0, "24/7", quote="USD"))
    execution = Execution.of(config, make_latency(config, 0), plans, 0)
    result = trade_session(TradedMarket(market, money), bars, key, plans, execution)
    # Half the spread to get in, then +1, +2, -1; half the spread to get out is of the last bar.
    ticks = (result.decided["net"] / (TICK / PRICE_SCALE)).tolist()
    assert ticks == pytest.approx([0.0, 2.0, -1.0, -1.0], abs=1e-9)
    assert result.ledger.totals.net == round(sum(ticks) * TICK / PRICE_SCALE * MONEY_SCALE) == 0
    assert result.fills["lots"].tolist() == [1, -1]
