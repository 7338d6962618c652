"""Price impact in half-hour windows: R², slopes with their errors, and the law of depth."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LinearRegression

from ofiml.evaluation.impact import EarlierImpact, ImpactScore, measure_adjusted_r2_windows, measure_impact
from ofiml.metrics.hac import choose_lag
from ofiml.reporting.impact import describe_impact
from ofiml.study.json_border import decode, encode

SECOND = 1_000_000_000
OPEN = {("A", "d"): 0}


def rows(x, y, step=10):
    columns = {f"ofi_{m:02d}": x[:, m] for m in range(x.shape[1])}
    opens = step * SECOND * np.arange(len(y))
    return pl.DataFrame({"symbol": "A", "session": "d", "bar_open": opens, "move_ticks": y, **columns})


def test_each_window_is_a_regression_of_its_own():
    rng = np.random.default_rng(1)
    x = rng.integers(-50, 50, (400, 3))
    y = x @ np.array([0.3, 0.2, 0.1]) + 10 * rng.normal(size=400)
    y[180:] -= 0.8 * x[180:, 0]
    expected = []
    for part in (slice(0, 180), slice(180, 360), slice(360, 400)):
        plain = LinearRegression().fit(x[part], y[part]).score(x[part], y[part])
        n = len(y[part])
        expected.append(1 - (1 - plain) * (n - 1) / (n - 4))
    got = measure_adjusted_r2_windows(rows(x, y), OPEN, ["ofi_00", "ofi_01", "ofi_02"])
    assert got == pytest.approx(expected, abs=1e-12)


def test_levels_that_say_nothing_gain_nothing():
    rng = np.random.default_rng(2)
    values = []
    for _ in range(60):
        x, y = rng.integers(-50, 50, (60, 10)), rng.normal(size=60)
        values += measure_adjusted_r2_windows(rows(x, y, step=30), OPEN, [f"ofi_{m:02d}" for m in range(10)])
    assert len(values) == 60
    # Unadjusted, ten columns on 60 rows explain 10/59.
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60) < 0.1


def test_a_repeated_or_silent_level_counts_for_nothing():
    rng = np.random.default_rng(3)
    x = rng.integers(-50, 50, (180, 1))
    y = x[:, 0] + 20 * rng.normal(size=180)
    thrice = np.column_stack([x, 2 * x, np.zeros_like(x)])
    one = measure_adjusted_r2_windows(rows(thrice, y), OPEN, ["ofi_00"])
    three = measure_adjusted_r2_windows(rows(thrice, y), OPEN, ["ofi_00", "ofi_01", "ofi_02"])
    assert three == pytest.approx(one, abs=1e-12)


def test_a_window_without_variation_or_rows_is_left_out():
    x = np.arange(180)[:, None] % 7
    assert measure_adjusted_r2_windows(rows(x, np.zeros(180)), OPEN, ["ofi_00"]) == []
    assert measure_adjusted_r2_windows(rows(0 * x, np.arange(180.0)), OPEN, ["ofi_00"]) == []
    assert measure_adjusted_r2_windows(rows(x[:29], np.arange(29.0)), OPEN, ["ofi_00"]) == []
    wide = np.random.default_rng(4).integers(-9, 9, (30, 20))
    assert measure_adjusted_r2_windows(rows(wide, np.arange(30.0)), OPEN, [f"ofi_{m:02d}" for m in range(20)]) == []


# --- slopes and depth ------------------------------------------------------------------------------------------------


def bars(flow, trades, move, depth=100.0, symbol="A"):
    n = len(flow)
    opens = 10 * SECOND * np.arange(n)
    return pl.DataFrame(
        {
            "symbol": symbol, "session": "d", "bar_open": opens, "bar_close": opens + 10 * SECOND, "move_ticks": move,
            "ofi_00": flow, "depth_best": np.broadcast_to(np.asarray(depth, np.float64), n),
            "buy_volume": np.maximum(trades, 0.0), "sell_volume": np.maximum(-trades, 0.0),
        }
    )  # fmt: skip


def market(n=180, seed=0):
    rng = np.random.default_rng(seed)
    flow = rng.integers(-80, 80, n)
    trades = np.rint(0.4 * flow + 20 * rng.normal(size=n))
    noise = np.convolve(rng.normal(size=n + 4), np.ones(5), "valid") * (1 + np.abs(flow) / 40)
    return flow, trades, 0.05 * flow + 0.03 * trades + noise


def fit(move, *columns):
    """The regression of statsmodels, with Newey & West's errors."""
    x = sm.add_constant(np.column_stack(columns).astype(np.float64))
    return sm.OLS(move, x).fit(cov_type="HAC", cov_kwds={"maxlags": choose_lag(len(move), 0)})


def test_slopes_and_errors_are_those_of_statsmodels():
    flow, trades, move = market()
    (window,) = measure_impact(bars(flow, trades, move), OPEN).windows
    alone, both, square = fit(move, flow), fit(move, flow, trades), fit(move, flow * np.abs(flow), flow)
    expected = [
        (window.flow, alone, 1),
        (window.flow_beside_trades, both, 1),
        (window.trades_beside_flow, both, 2),
        (window.square, square, 1),
    ]
    for got, fitted, k in expected:
        assert got.value == pytest.approx(fitted.params[k], rel=1e-9)
        assert got.t == pytest.approx(fitted.tvalues[k], rel=1e-9)
    assert window.r2 == pytest.approx(alone.rsquared)
    assert window.trades_r2 == pytest.approx(fit(move, trades).rsquared)
    assert window.both_r2 == pytest.approx(both.rsquared)
    assert window.square_r2 == pytest.approx(square.rsquared)
    assert (window.bars, window.depth, window.start) == (180, 100.0, "1970-01-01T00:00:00")


def test_flow_that_trades_explain_has_no_slope_beside_them():
    flow, _, move = market()
    (window,) = measure_impact(bars(flow, 2.0 * flow, move), OPEN).windows
    assert np.isnan(window.flow_beside_trades.value)
    assert window.both_r2 == pytest.approx(window.r2)


def test_without_trades_flow_stands_alone():
    flow, trades, move = market()
    (window,) = measure_impact(bars(flow, 0 * trades, move), OPEN).windows
    assert np.isnan([window.trades_r2, window.trades_beside_flow.t]).all()
    assert window.both_r2 == pytest.approx(window.r2)
    assert window.flow_beside_trades == window.flow


def test_the_law_of_depth_is_the_one_that_was_planted():
    rng, parts = np.random.default_rng(5), []
    for symbol, power in (("A", 1.0), ("B", 0.5)):
        depth = np.repeat(rng.uniform(50, 400, 12), 180)
        flow = rng.integers(-80, 80, len(depth))
        move = 0.5 / depth**power * flow + 1e-3 * rng.normal(size=len(depth))
        parts.append(bars(flow, 0.0 * flow, move, depth, symbol))
    score = measure_impact(pl.concat(parts), {("A", "d"): 0, ("B", "d"): 0})
    first, second = score.depth_laws
    assert (first.symbol, first.windows, second.symbol) == ("A", 12, "B")
    assert first.exponent == pytest.approx(1.0, abs=0.01)
    assert first.scale == pytest.approx(0.5, abs=0.01)
    assert second.exponent == pytest.approx(0.5, abs=0.01)
    assert first.r2 > 0.99
    assert encode(decode(ImpactScore, encode(score), "impact")) == encode(score)
    assert "The slope of B falls with depth: λ = 0.50" in " ".join(describe_impact(score))
    vague = replace(score, depth_laws=[replace(second, error=0.4)])
    assert describe_impact(vague)[-1].startswith("The slope does not clearly fall with depth: λ = 0.50 ± 0.40")


def test_depths_that_do_not_differ_have_no_law():
    rng = np.random.default_rng(6)
    flow = rng.integers(-80, 80, 1800)
    score = measure_impact(bars(flow, 0.0 * flow, flow + rng.normal(size=1800)), OPEN)
    assert len(score.windows) == 10
    assert score.depth_laws == []


def test_a_report_of_an_earlier_version_has_r2_alone():
    earlier = decode(EarlierImpact, {"r2_windows": [0.5, 0.7], "r2_window_mean": 0.6}, "impact")
    assert describe_impact(earlier) == ["Mean in-sample R² of best-level flow over 2 half-hour windows: 0.6000."]
