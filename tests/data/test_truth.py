"""What is planted in the synthetic market is in its data: V, Λ, PIN, and what the oracle makes of them.

Every estimate lies within four of its own standard errors of the truth, and these errors are small enough to tell.
"""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.bars.time import compute_mid_ticks, find_quotes_at, select_states
from ofiml.data.schema import F_LAST, extract_times
from ofiml.data.synthetic import simulate
from ofiml.data.synthetic.oracle import compute_expected_move, measure_gap, measure_transient
from ofiml.data.truth import Truth, to_json
from ofiml.microstructure.toxicity.pin import count_orders, fit_pin
from ofiml.reporting.sentences import write_sentences
from ofiml.units import SECOND

# Market orders without memory, daily pattern or regard for the book: what their estimators assume.
POISSON = ["excitation=0.0", "state_dependence=0.0", "u_shape=0.0", "session_variation=0.0"]

# V moves by Λ and stays there.
LASTING = ["permanent_impact=1.0", "news_move=0.0"]
# Private news that quotes and informed orders know, and impact that decays.
PRIVATE = ["period=30s", "news_move=8", "news_decay=10s", "quote_reaction=0.7", "permanent_impact=0.3",
           "impact_decay=15s", "informed_orders=6", "informed_decay=20s", "uninformed_orders=4"]  # fmt: skip

BARE = ["evaluation.permutation_repeats=0", "evaluation.interactions=0", "evaluation.decay=[]"]


def dataset(configure, *overrides):
    return configure(*(o if o.startswith("dataset=") else f"dataset.{o}" for o in overrides)).dataset


def signed_volume(session, edges):
    """Executed lots, buys less sells, of each interval between `edges`."""
    e = session.events.filter(pl.col("action") == "T")
    signed = e["size"].to_numpy() * np.where(e["side"] == "B", 1, -1)
    return np.diff(np.concatenate([[0], np.cumsum(signed)])[np.searchsorted(extract_times(e), edges, side="right")])


def mids(session, at):
    return compute_mid_ticks(find_quotes_at(select_states(session, "message"), at), session.tick).to_numpy()


def grid(session, step):
    return np.arange(session.open + 60 * SECOND, session.close, step * SECOND)


def regression(x, y):
    """Coefficients of y (n,) on x (n, k), no constant, and their errors, robust to unequal variances (White 1980)."""
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ (x.T @ y)
    residual = y - x @ beta
    return beta, np.sqrt(np.diag(inverse @ (x.T * residual**2) @ x @ inverse))


@pytest.mark.slow
def test_without_information_v_is_a_martingale_and_trades_have_memory_all_the_same(configure):
    config = dataset(configure, "dataset=synthetic_null")
    moves, flows, signs = [], [], []
    for i in range(4):
        s = simulate(config, i)[0]
        at = grid(s, 2)
        moves.append(np.diff(measure_gap(s, at) + mids(s, at)))
        flows.append(signed_volume(s, at))
        trades = s.events.filter((pl.col("action") == "T") & ((pl.col("flags") & F_LAST) != 0))
        signs.append(np.where(trades["side"] == "B", 1.0, -1.0))
    move, flow, sign = (np.concatenate(x) for x in (moves, flows, signs))
    bound = 4 / np.sqrt(len(move))
    assert abs(move.mean()) < bound * move.std()
    assert abs(np.corrcoef(move[1:], move[:-1])[0, 1]) < bound
    # Past flow foretells flow, and says nothing of the price.
    assert np.corrcoef(sign[1:], sign[:-1])[0, 1] > 0.15
    assert np.corrcoef(flow[1:], flow[:-1])[0, 1] > bound
    assert abs(np.corrcoef(flow[:-1], move[1:])[0, 1]) < bound


@pytest.mark.slow
def test_news_moves_v_as_it_says(configure):
    """Slope 1 of V's move on the expected move, and on each of its three parts apart."""
    config = dataset(configure, *PRIVATE, "session_variation=0.3", "volatility=0.2", "impact=[[0.005]]", "news_move=4")
    expected, realised = [], []
    for i in range(4):
        s = simulate(config, i)[0]
        at = np.arange(s.open, s.close, 10 * SECOND)
        v = measure_gap(s, at) + np.nan_to_num(mids(s, at))
        start, ticks = at[1:-1], measure_transient(s, at[1:-1])
        without = replace(s.planted, mu=[0.0])
        news = without.compute_expected_move(start, 0, 10 * SECOND, np.zeros(len(start)))
        parts = news, without.compute_expected_move(start, 0, 10 * SECOND, ticks) - news
        informed = s.planted.compute_informed_move(start, 0, 10 * SECOND)
        expected.append(np.stack([*parts, informed], axis=1))
        realised.append(np.diff(v)[1:])
    x, y = np.concatenate(expected), np.concatenate(realised)
    slopes, errors = regression(x, y)
    assert (np.abs(slopes - 1) < 4 * errors).all(), (slopes, errors)
    assert (errors < [0.15, 0.15, 0.35]).all(), errors
    slope, error = regression(x.sum(axis=1)[:, None], y)
    assert abs(slope[0] - 1) < 4 * error[0]
    assert error[0] < 0.05


@pytest.mark.slow
def test_the_impact_slope_is_recovered_from_mids_and_trades(configure):
    config = dataset(configure, "dataset=synthetic_null", *POISSON)
    flow, move = [], []
    for i in range(8):
        s = simulate(config, i)[0]
        at = grid(s, 60)
        flow.append(signed_volume(s, at))
        move.append(np.diff(mids(s, at)))
    slope, error = regression(np.concatenate(flow)[:, None].astype(float), np.concatenate(move))
    assert abs(slope[0] - config.impact[0][0]) < 4 * error[0]
    assert error[0] < 0.05 * config.impact[0][0]


@pytest.mark.slow
def test_the_cross_impact_matrix_is_recovered_from_mids_and_trades(configure):
    changes = "informed_probability=0.0", "limit_rate=4.0"
    config = dataset(configure, "dataset=synthetic_basket", *POISSON, *LASTING, *changes)
    flows, moves = [], []
    for i in range(6):
        sessions = simulate(config, i)
        at = grid(sessions[0], 60)
        flows.append(np.stack([signed_volume(s, at) for s in sessions], axis=1))
        moves.append(np.stack([np.diff(mids(s, at)) for s in sessions], axis=1))
    flow, move = np.concatenate(flows).astype(float), np.concatenate(moves)
    for i, row in enumerate(config.impact):
        slopes, errors = regression(flow, move[:, i])
        assert (np.abs(slopes - row) < 4 * errors).all()
        assert (errors < 0.001).all()


@pytest.mark.slow
def test_pin_is_recovered_from_the_counts_of_trades(configure):
    config = dataset(configure, *POISSON, "limit_rate=4.0", "session_length=6h", "period=1m", "uninformed_orders=12.0",
                     "informed_orders=10.0", "informed_probability=0.3")  # fmt: skip
    buys, sells = np.concatenate([count_orders(simulate(config, i)[0], 60 * SECOND) for i in range(3)], axis=1)
    found = fit_pin(buys, sells, one_epsilon=True)
    true = {"alpha": 0.3, "delta": 0.5, "mu": 10.0, "epsilon_buy": 12.0}
    widest = {"alpha": 0.03, "delta": 0.04, "mu": 0.5, "epsilon_buy": 0.24}
    for name, value in true.items():
        assert abs(getattr(found.parameters, name) - value) < 4 * found.errors[name]
        assert found.errors[name] < widest[name]
    assert found.pin == pytest.approx(simulate(config, 0)[0].planted.pin()[0], abs=0.02)


def test_the_informed_move_by_hand():
    truth = Truth(symbols=["A", "B"], symbol=1, open=0, close=90 * SECOND, period=60 * SECOND, decay=30.0,
                  mean_size=10.0, alpha=[0.5, 0.5], mu=[4.0, 8.0], epsilon=[9.0, 9.0], impact=[[0.1, 0.0], [0.2, 0.05]],
                  sigma=1.0, news=[[1, -1], [0, 1]],
                  news_move=0.0, news_decay=1.0, permanent_impact=1.0, impact_decay=1.0)  # fmt: skip
    # B answers 0.2·10·4 = 8 ticks to A's good news, and 0.05·10·8 = 4 to its own, bad: 4 in the first period.
    share = (np.exp(-1 / 3) - np.exp(-2 / 3)) / (1 - np.exp(-2))
    whole = 1.0  # from before its start to beyond its end
    at = np.array([5, 10, 30, 60, 89, 90, -1]) * SECOND
    first = truth.compute_informed_move(at, 5 * SECOND, 10 * SECOND)
    assert first[0] == pytest.approx(4 * share)
    assert truth.compute_informed_move(np.array([0]), 0, 300 * SECOND)[0] == pytest.approx(4 * whole)
    # The second period is cut short by the close; after it nothing is expected.
    assert truth.compute_informed_move(at, 0, 600 * SECOND)[3] == pytest.approx(4 * (1 - np.exp(-1)) / (1 - np.exp(-2)))
    assert first[5] == first[6] == 0
    assert truth.pin() == [2 / (2 + 18), 4 / (4 + 18)]
    assert json.loads(to_json([truth]))[0]["impact"] == [[0.1, 0.0], [0.2, 0.05]]
    assert truth.informative
    assert not replace(truth, alpha=[0.0, 0.0]).informative


def integrate_v(truth, at, delay, horizon, transient, steps):
    """E[V] after `delay` + `horizon` less that after `delay`, by Euler steps of its differential equations."""
    since = (at - truth.open) / SECOND
    period, close = truth.period / SECOND, (truth.close - truth.open) / SECOND
    part = min(int(since // period), len(truth.news) - 1)
    end = min((part + 1) * period, close)
    # Private news of the periods so far, one jump after the other.
    private = sum(
        truth.news_move * truth.news[p][truth.symbol] * np.exp(-(since - p * period) / truth.news_decay)
        for p in range(part + 1)
    )
    scale = truth.decay * (1 - np.exp(-period / truth.decay))
    flow = sum(
        truth.impact[truth.symbol][j] * truth.mean_size * truth.mu[j] * truth.news[part][j] / scale
        for j in range(len(truth.symbols))
    )
    step = (delay + horizon) / SECOND / steps
    v, start = 0.0, 0.0 if delay == 0 else None
    for i in range(steps):
        now = since + (i + 0.5) * step
        rate = flow * np.exp(-(now - part * period) / truth.decay) if now < end else 0.0
        v += step * (private / truth.news_decay - transient / truth.impact_decay + rate)
        private -= step * private / truth.news_decay
        transient += step * ((1 - truth.permanent_impact) * rate - transient / truth.impact_decay)
        if start is None and i + 1 == round(steps * delay / (delay + horizon)):
            start = v
    return v - start


@pytest.mark.parametrize(("decay", "impact_decay"), [(30.0, 30.0), (30.0, 7.0), (5.0, 40.0), (30.0, 30.0 * (1 + 1e-9))])
@pytest.mark.parametrize(("after", "delay", "horizon"), [(10, 0, 10), (55, 2, 20), (119, 1, 60), (130, 0, 15)])
def test_the_expected_move_solves_its_differential_equations(decay, impact_decay, after, delay, horizon):
    truth = Truth(symbols=["A", "B"], symbol=1, open=10**18, close=10**18 + 140 * SECOND, period=60 * SECOND,
                  decay=decay, mean_size=10.0, alpha=[0.5, 0.5], mu=[4.0, 8.0], epsilon=[9.0, 9.0],
                  impact=[[0.1, 0.0], [0.2, 0.05]], sigma=1.0, news=[[1, -1], [0, 1], [1, -1]],
                  news_move=3.0, news_decay=12.0, permanent_impact=0.3, impact_decay=impact_decay)  # fmt: skip
    at, spans = truth.open + after * SECOND, (delay * SECOND, horizon * SECOND)
    expected = truth.compute_expected_move(np.array([at]), *spans, np.array([1.7]))
    assert expected[0] == pytest.approx(integrate_v(truth, at, *spans, 1.7, steps=20_000), abs=2e-3)
    assert np.isfinite(
        replace(truth, impact_decay=1e-4).compute_expected_move(np.array([at]), *spans, np.ones(1))
    ).all()
    assert np.isfinite(replace(truth, decay=1e-2).compute_expected_move(np.array([at]), *spans, np.ones(1))).all()


def test_the_informed_move_stays_by_the_permanent_share_alone():
    """Long after the news, what is left of the informed orders' impact is its permanent share."""
    truth = Truth(symbols=["A"], symbol=0, open=0, close=10_000 * SECOND, period=60 * SECOND, decay=30.0,
                  mean_size=10.0, alpha=[0.5], mu=[4.0], epsilon=[9.0], impact=[[0.1]], sigma=1.0,
                  news=[[1], *[[0]] * 166],
                  news_move=0.0, news_decay=1.0, permanent_impact=0.25, impact_decay=20.0)  # fmt: skip
    assert truth.compute_informed_move(np.array([0]), 0, 5000 * SECOND)[0] == pytest.approx(0.25 * 4.0)
    assert truth.informative
    assert replace(truth, alpha=[0.0]).informative
    assert not replace(truth, alpha=[0.0], permanent_impact=1.0).informative
    assert replace(truth, mu=[0.0], permanent_impact=1.0, news_move=1.0).informative


def test_private_news_is_known_from_its_periods_start_on():
    truth = Truth(symbols=["A"], symbol=0, open=0, close=90 * SECOND, period=30 * SECOND, decay=30.0, mean_size=10.0,
                  alpha=[0.5], mu=[4.0], epsilon=[9.0], impact=[[0.1]], sigma=1.0, news=[[0], [1], [-1]],
                  news_move=2.0, news_decay=15.0, permanent_impact=1.0, impact_decay=1.0)  # fmt: skip
    at = np.array([-1, 0, 29, 30, 45, 60, 90]) * SECOND
    expected = [0, 0, 0, 2, 2 * np.exp(-1), 2 * np.exp(-2) - 2, 0]
    np.testing.assert_allclose(truth.compute_private_news(at), expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [[], PRIVATE])
def test_moves_are_on_average_what_the_oracle_says(configure, changes):
    config, delay = dataset(configure, *changes), SECOND // 20
    expected, realised = {1: [], 10: [], 60: []}, {1: [], 10: [], 60: []}
    for i in range(6):
        s = simulate(config, i)[0]
        for horizon in expected:
            at = np.arange(s.open + 60 * SECOND, s.close - (horizon + 1) * SECOND, horizon * SECOND)
            expected[horizon].append(compute_expected_move(s, config, at, delay, horizon * SECOND))
            realised[horizon].append(mids(s, at + delay + horizon * SECOND) - mids(s, at + delay))
    for horizon in expected:
        said, moved = np.concatenate(expected[horizon]), np.concatenate(realised[horizon])
        known = np.isfinite(moved)
        slope, error = regression(said[known, None], moved[known])
        assert abs(slope[0] - 1) < 4 * error[0], horizon
        assert error[0] < 0.06, horizon


def test_the_oracle_knows_nothing_of_news_to_come(configure):
    """What it says at t is the same if all news after t's period is turned round."""
    config = dataset(configure, "session_length=20m")
    s = simulate(config, 0)[0]
    known = 600 * SECOND // s.planted.period  # periods until the last time below
    turned = [row if i < known else [-x for x in row] for i, row in enumerate(s.planted.news)]
    other = replace(s, planted=replace(s.planted, news=turned))
    at = np.arange(s.open, s.open + 600 * SECOND, 7 * SECOND)
    for horizon in (10, 300):
        said = [compute_expected_move(x, config, at, 0, horizon * SECOND) for x in (s, other)]
        np.testing.assert_array_equal(*said)
    assert any(turned[i] != s.planted.news[i] for i in range(known, 2 * known))


@pytest.mark.slow
def test_the_study_finds_a_share_of_what_the_oracle_knows(run):
    study = run("tuning=off", *BARE)
    ic, oracle = study.report.metrics.pooled["ic"], study.report.metrics.oracle
    assert ic.low > 0
    assert 0.05 < ic.value < 0.2
    assert 0.1 < oracle.shares["ic"] < 0.5
    assert oracle.shares["ic"] == pytest.approx(ic.value / oracle.values["ic"])
    assert "oracle" not in study.report.model.features
    assert any(
        f"IC {oracle.values['ic']:.3f}" in line and f"{oracle.shares['ic']:.0%}" in line
        for line in write_sentences(study)
    )


@pytest.mark.parametrize("model", [pytest.param("lgbm", marks=pytest.mark.slow), "ridge"])
@pytest.mark.slow
def test_the_study_finds_nothing_in_the_null_market(run, model):
    study = run("dataset=synthetic_null", f"model={model}", "tuning.trials=3", *BARE)
    ic = study.report.metrics.pooled["ic"]
    assert ic.low < 0 < ic.high
    assert study.report.metrics.pooled["r2"].value < 0.005
    assert np.isnan(study.report.metrics.oracle.shares["ic"])
    assert any(line.startswith("This market has no informed orders") for line in write_sentences(study))


@pytest.mark.slow
def test_the_oracle_speaks_the_units_of_the_label(run):
    ticks, bps = (run("debug=tiny", "model=zero", f"target.unit={unit}").predictions for unit in ("ticks", "bps"))
    scaled = ticks.select(1e4 * pl.col("oracle") / pl.col("mid")).to_series()
    np.testing.assert_allclose(bps["oracle"], scaled)
    assert run("debug=tiny", "model=logistic", "target=direction").report.metrics.oracle.values["auc"] > 0.5
    assert run("debug=tiny", "model=ols", "target=impact").report.metrics.oracle is None
