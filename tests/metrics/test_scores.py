"""Measures against scikit-learn and scipy, and where they are not defined; the bootstrap's blocks and coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from ofiml.evaluation.shap_values import measure_rank_agreement, rank_features
from ofiml.metrics import scores as m
from ofiml.metrics.bootstrap import (
    assign_blocks,
    compute_percentile_interval,
    compute_tail_probability,
    estimate_group_means,
)
from ofiml.metrics.measure_draws import draw_measures
from ofiml.metrics.measures import Forecast
from ofiml.metrics.sampling import sample_evenly
from ofiml.units import SECOND


def estimate_mean_interval(x, block, seed):
    """The interval of the mean of x, as a mean of one group."""
    _, low, high = estimate_group_means(x, np.zeros(len(x), np.int64), block, samples=200, level=0.95, seed=seed)
    return low[0], high[0]


@pytest.fixture(params=range(5))
def pair(request):
    rng = np.random.default_rng(request.param)
    y = rng.integers(-3, 4, 400).astype(float)
    return y, 0.3 * y + rng.standard_normal(400).round(1)


def test_against_other_libraries(pair):
    y, y_hat = pair
    mean = np.full(len(y), y.mean())
    assert m.r2(y, y_hat, mean) == pytest.approx(sk.r2_score(y, y_hat))
    assert m.ic(y, y_hat) == pytest.approx(stats.pearsonr(y, y_hat).statistic)
    assert m.rank_ic(y, y_hat) == pytest.approx(stats.spearmanr(y, y_hat).statistic)
    moved = y != 0
    assert m.auc(y, y_hat) == pytest.approx(sk.roc_auc_score(y[moved] > 0, y_hat[moved]))
    up = np.clip((1 + y_hat / 10) / 2, 0.01, 0.99)
    assert m.log_loss(y, up) == pytest.approx(sk.log_loss(y[moved] > 0, up[moved]))
    assert m.brier(y, up) == pytest.approx(sk.brier_score_loss(y[moved] > 0, up[moved]))
    chances = np.column_stack([0.7 * (1 - up), np.full(len(y), 0.3), 0.7 * up])
    assert m.class_log_loss(np.sign(y), chances) == pytest.approx(sk.log_loss(np.sign(y), chances))
    np.testing.assert_allclose(m.condition_on_move(chances), up)
    assert m.condition_on_move(np.array([[0.0, 1.0, 0.0]])).tolist() == [0.5]
    np.testing.assert_array_equal(m.compute_ranks(y), stats.rankdata(y))
    called = moved & (y_hat != 0)
    assert m.hit_rate(y, y_hat) == pytest.approx(np.mean(np.sign(y[called]) == np.sign(y_hat[called])))


@pytest.mark.parametrize("x", [[], [3.0], [np.nan, 2.0, -0.0, np.nan, 0.0, 2.0, -1.0, 2.0], [np.nan] * 3])
def test_ranks_of_ties_and_of_unknown_values(x):
    _, place, counts = np.unique(np.array(x), return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(m.compute_ranks(np.array(x)), (np.cumsum(counts) - (counts - 1) / 2)[place])


def test_undefined_is_nan_and_not_an_error():
    y, zeros, empty = np.array([1.0, -1.0, 2.0]), np.zeros(3), np.array([])
    for measure in (m.ic, m.rank_ic, m.hit_rate, m.auc, m.log_loss):
        assert np.isnan(measure(empty, empty))
    assert np.isnan(m.ic(y, np.full(3, 0.1)))
    assert np.isnan(m.rank_ic(zeros, y))
    assert np.isnan(m.hit_rate(y, zeros))
    assert np.isnan(m.auc(np.abs(y), y))
    assert np.isnan(m.r2(zeros, y, zeros))
    assert m.log_loss(y, (y > 0).astype(float)) == pytest.approx(0)
    assert np.isfinite(m.log_loss(y, (y < 0).astype(float)))
    assert np.isfinite(m.class_log_loss(np.sign(y), np.tile([0.0, 1.0, 0.0], (3, 1))))
    assert np.isnan(m.class_log_loss(empty, np.empty((0, 3))))
    assert np.isnan(m.coverage(empty, empty))


def test_r2_is_against_the_train_mean():
    y = np.array([1.0, 2.0, 3.0])
    assert m.r2(y, np.full(3, 2.0), np.zeros(3)) == pytest.approx(1 - 2 / 14)
    assert m.r2(y, np.zeros(3), np.zeros(3)) == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3000)), min_size=1, max_size=40))
def test_blocks_stay_in_a_session_and_in_their_length(rows):
    rows = sorted(rows)
    session = np.array([f"day {d}" for d, _ in rows])
    close = np.array([(d * 86_400 + s) * SECOND for d, s in rows])
    block = assign_blocks(session, close, 600 * SECOND, span=10 * SECOND)
    for b in np.unique(block):
        inside = block == b
        assert len(set(session[inside])) == 1
        assert np.ptp(close[inside]) < 600 * SECOND
    assert set(block) == set(range(block.max() + 1))


def test_a_block_is_one_interval_of_one_session():
    """Numbers follow the names of sessions, then time; symbols that trade at the same times share them."""
    session = np.array(["b", "b", "b", "a", "a", "b"])
    close = np.array([10, 10, 25, 10, 31, 22]) * SECOND
    assert assign_blocks(session, close, 10 * SECOND, 0).tolist() == [2, 2, 3, 0, 1, 3]
    huge = np.array([0, 2**62, 2**62 + 1])
    assert assign_blocks(np.array(["a", "b", "b"]), huge, 1, 0).tolist() == [0, 1, 2]


def test_blocks_are_sessions_where_there_are_enough_and_long_for_long_labels():
    session = np.repeat([f"{d:02d}" for d in range(10)], 50)
    close = np.arange(500) * 60 * SECOND
    assert len(np.unique(assign_blocks(session, close, None, span=SECOND))) == 10
    few = np.repeat(["a", "b"], 250)
    spans = {s: len(np.unique(assign_blocks(few, close, None, span=s * SECOND))) for s in (10, 300)}
    assert spans[10] == pytest.approx(100, abs=2)  # 5 minutes
    assert spans[300] == pytest.approx(10, abs=2)  # 10 labels of 5 minutes


@pytest.mark.slow
@pytest.mark.parametrize("trials", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_the_interval_covers_what_it_should_under_dependence(trials):
    """Means of rows that come in runs of 20: blocks keep the interval honest, single rows would not."""
    covered, naive = 0, 0
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        x = np.repeat(rng.standard_normal(60), 20) + 0.1 * rng.standard_normal(1200)
        for wide in (True, False):
            block = np.arange(1200) // (20 if wide else 1)
            low, high = estimate_mean_interval(x, block, seed)
            if wide:
                covered += low < 0 < high
            else:
                naive += low < 0 < high
    assert covered / trials > 0.88
    assert naive / trials < 0.6


def test_few_blocks_widen_the_interval():
    """Ten blocks of one value each: percentiles cover about 90 %, the expanded ones about 95 %."""
    covered, trials = 0, 200
    for seed in range(trials):
        x = np.random.default_rng(seed).standard_normal(10)
        low, high = estimate_mean_interval(x, np.arange(10), seed)
        covered += low < 0 < high
    assert 0.92 < covered / trials < 0.98
    assert compute_tail_probability(0.95, 10) == pytest.approx(stats.norm.cdf(np.sqrt(10 / 9) * stats.t.ppf(0.025, 9)))
    assert compute_tail_probability(0.95, 100_000) == pytest.approx(0.025, rel=1e-3)


def test_equal_blocks_are_resampled_as_arch_does(pair):
    from arch.bootstrap import IIDBootstrap  # a second, which only the worker of this test needs

    y, y_hat = pair
    rows = np.split(np.arange(400), 20)

    def of_blocks(drawn):
        return m.ic(*(side[np.concatenate([rows[b] for b in drawn])] for side in pair))

    inside = 1 - 2 * compute_tail_probability(0.95, 20)
    arch = IIDBootstrap(np.arange(20), seed=np.random.default_rng(3)).conf_int(of_blocks, 200, "percentile", inside)
    draws = draw_measures(Forecast(y, y_hat, np.zeros(400)), ["ic"], np.arange(400) // 20, samples=200, seed=3)["ic"]
    np.testing.assert_allclose(compute_percentile_interval(draws, 0.95, 20), arch.ravel(), rtol=1e-12)


def test_an_interval_needs_two_blocks():
    assert np.isnan(compute_percentile_interval(np.ones(10), 0.95, 1)).all()
    assert compute_percentile_interval(np.ones(10), 0.95, 2) == (1.0, 1.0)


def test_importance_orders_and_shows_disagreement():
    by_fold = np.array([[1.0, 3.0, 2.0], [1.0, 2.0, 3.0]])
    entries = rank_features(["a", "b", "c"], by_fold)
    assert [e.feature for e in entries] == ["b", "c", "a"]
    assert (entries[0].rank_low, entries[0].rank_high) == (1, 2)
    assert measure_rank_agreement(by_fold) == pytest.approx(0.5)
    assert np.isnan(measure_rank_agreement(by_fold[:1]))


def test_sample_spreads_over_all_rows():
    rows = np.arange(10, 1010)
    picked = sample_evenly(rows, 100)
    assert len(picked) == 100
    assert (picked[0], picked[-1]) == (10, 1009)
    np.testing.assert_array_equal(sample_evenly(rows[:5], 100), rows[:5])
