"""HAC t-statistics against statsmodels, and what counts as overlapping."""

import numpy as np
import pytest
from scipy.signal import lfilter

from ofiml.metrics import hac
from ofiml.metrics.scores import ic
from tests.conftest import slow_but_each

rng = np.random.default_rng(0)
X = lfilter([1], [1, -0.6], rng.standard_normal(600))
Y = 0.2 * X + lfilter([1, 1, 1], [1], rng.standard_normal(600))
TIME = np.arange(600)


def fit_statsmodels(x, lag):
    """The fit of Y on the columns `x`; imported here, as only one worker needs it."""
    from statsmodels.regression.linear_model import OLS

    return OLS(Y, x).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})


def test_the_slope_is_that_of_statsmodels():
    lag = hac.choose_lag(600, 2)
    fit = fit_statsmodels(np.column_stack([np.ones(600), X]), lag)
    found = hac.compute_hac_statistics(Y, X, TIME, 2)
    assert found.slope.value == pytest.approx(fit.params[1])
    assert found.slope.t == pytest.approx(fit.tvalues[1])
    assert found.lag == lag == 32


def test_a_mean_is_that_of_statsmodels_with_an_honest_distribution():
    fit = fit_statsmodels(np.ones(600), 32)
    found = hac.t_test(float(Y.mean()), Y, TIME, 0)
    assert found.t == pytest.approx(fit.tvalues[0])
    assert found.p > fit.pvalues[0]


def test_the_part_of_each_row_in_the_ic_is_what_leaving_it_out_changes():
    influence = hac.compute_ic_influence(Y, X)
    left_out = np.array([ic(np.delete(Y, i), np.delete(X, i)) for i in range(600)])
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(influence, 599 * (ic(Y, X) - left_out), atol=0.05)


def test_rows_of_one_time_count_once():
    """Five symbols with the same outcome are no more evidence than one."""
    one = hac.t_test(0.1, Y, TIME, 0)
    five = hac.t_test(0.1, np.repeat(Y, 5), np.repeat(TIME, 5), 0)
    assert five.t == pytest.approx(one.t)
    assert five.p == pytest.approx(one.p)


def test_how_many_later_times_a_label_reaches():
    start = np.array([0, 0, 10, 20, 30, 1000])
    assert hac.count_max_overlap(start, start + 10) == 0
    assert hac.count_max_overlap(start, start + 11) == 1
    assert hac.count_max_overlap(start, start + 30) == 2
    assert hac.count_max_overlap(start[::-1], start[::-1] + 30) == 2
    assert hac.count_max_overlap(start, np.array([5, 31, 15, 25, 35, 1005])) == 3


@pytest.mark.parametrize(("times", "lag"), [(600, 0), (600, 1), (600, 32), (40, 39)])
def test_the_variance_is_the_sum_over_lags(times, lag):
    moments = Y[:times] - 5.0
    lags = sum(2 * (1 - j / (lag + 1)) * float(moments[j:] @ moments[:-j]) for j in range(1, lag + 1))
    assert hac.estimate_long_run_variance(moments, lag) == pytest.approx(float(moments @ moments) + lags, rel=1e-12)


def test_nothing_to_say():
    few = hac.t_test(0.1, Y[:19], TIME[:19], 0)
    still = hac.compute_hac_statistics(Y, np.zeros(600), TIME, 0)
    for unknown in (few.t, few.p, still.ic.t, still.slope.p, still.slope.value):
        assert np.isnan(unknown)


@pytest.mark.parametrize(("memory", "across"), slow_but_each(3, [(0.0, 0), (0.0, 6), (0.6, 6)]))
def test_the_size_under_dependence(memory, across):
    """A forecast with a memory and overlapping outcomes, and no skill: 5 % of tests find one. Ordinary errors find 3 to
    5 times as many.
    """
    draws = np.random.default_rng(1)
    found = naive = 0
    for _ in range(400):
        x = lfilter([1], [1, -memory], draws.standard_normal(1000))
        steps = np.cumsum(draws.standard_normal(1000 + across + 1))
        y = steps[across + 1 :] - steps[: -across - 1]
        found += hac.compute_hac_statistics(y, x, np.arange(1000), across).ic.p < 0.05
        naive += abs(ic(y, x)) * np.sqrt(1000) > 1.96
    assert 0.025 < found / 400 < 0.08
    assert (naive / 400 > 0.2) == (memory > 0)
