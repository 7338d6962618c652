"""Realised volatility and its errors: by hand, by a plain sum over lags, and by the spread of many samples."""

import numpy as np
import pytest

from ofiml.metrics.hac import choose_lag
from ofiml.metrics.realised import measure_volatility


def test_by_hand():
    one = measure_volatility(np.array([1.0, -1.0, 3.0, -3.0, 1.0, 1.0, 1.0, 3.0, 1.0, 1.0]))
    # Squares: seven 1 and three 9. Their mean is 3.4, that of their squares (7 + 243)/10 = 25.
    sigma = np.sqrt(3.4)
    assert one.count == 10
    assert one.value == pytest.approx(sigma)
    assert one.kurtosis == pytest.approx(25 / 3.4**2)
    assert one.error == pytest.approx(np.sqrt((25 - 3.4**2) / 10) / (2 * sigma))


def test_the_clustered_error_is_a_plain_sum_over_lags():
    x = np.random.default_rng(1).standard_t(6, 300) * np.repeat([1.0, 3.0, 0.5], 100)
    excess, lag = x**2 - np.mean(x**2), choose_lag(300, 0)
    total = sum(
        (1 - abs(j) / (lag + 1)) * sum(excess[t] * excess[t - abs(j)] for t in range(abs(j), 300))
        for j in range(-lag, lag + 1)
    )
    one = measure_volatility(x)
    assert one.clustered_error == pytest.approx(np.sqrt(total) / 300 / (2 * one.value), rel=1e-9)
    assert one.clustered_error > 1.5 * one.error, "volatility that lasts is known less well"


@pytest.mark.parametrize("draw", ["standard_normal", "laplace"])
def test_errors_are_the_spread_of_many_samples(draw):
    rng = np.random.default_rng(2)
    several = [
        measure_volatility(rng.standard_normal(2000) if draw == "standard_normal" else rng.laplace(size=2000))
        for _ in range(400)
    ]
    spread = np.std([one.value for one in several])
    assert np.mean([one.error for one in several]) == pytest.approx(spread, rel=0.12)
    kurtosis = 3 if draw == "standard_normal" else 6
    assert np.mean([one.kurtosis for one in several]) == pytest.approx(kurtosis, rel=0.03)


@pytest.mark.parametrize(("returns", "value"), [([], None), ([2.0, -2.0], 2.0), ([0.0] * 20, 0.0)])
def test_what_is_not_defined_is_nan(returns, value):
    one = measure_volatility(np.array(returns, float))
    assert one.count == len(returns)
    assert np.isnan(one.value) if value is None else one.value == value
    assert np.isnan([one.error, one.clustered_error, one.kurtosis]).all()
