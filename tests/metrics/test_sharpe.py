"""The Sharpe ratio's worked example, and what luck is worth."""

import numpy as np
import pytest

from ofiml.metrics.sharpe import (
    deflated_sharpe,
    expected_maximum_sharpe,
    probabilistic_sharpe,
    sharpe,
)


def test_the_worked_example():
    """Bailey & López de Prado (2014): 2.5 a year over 1,250 days, the best of 100 trials with a variance of 1/2."""
    benchmark = expected_maximum_sharpe(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(2.5 / np.sqrt(250), benchmark, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)


def test_the_best_of_so_many_is_what_simulation_says():
    draws = np.random.default_rng(0).standard_normal((20_000, 50)) * 0.3
    assert expected_maximum_sharpe(50, 0.09) == pytest.approx(draws.max(axis=1).mean(), rel=0.02)
    assert expected_maximum_sharpe(1, 0.09) == 0
    assert expected_maximum_sharpe(2, 0.0) == 0


def test_the_moments_are_those_of_the_gains():
    gains = np.array([1.0, -1.0, 2.0, 0.0, 3.0])
    m, s = 1.0, np.sqrt(2.0)  # ddof 0, for skew and kurtosis
    skew, kurtosis = np.mean((gains - m) ** 3) / s**3, np.mean((gains - m) ** 4) / s**4
    ratio = 1 / np.sqrt(2.5)
    found = deflated_sharpe(gains, 1, 1.0)
    assert found.sharpe == pytest.approx(ratio)
    assert found.benchmark == 0
    assert found.probability == pytest.approx(probabilistic_sharpe(ratio, 0, 5, skew, kurtosis))


def test_more_trials_make_less_of_it():
    gains = np.random.default_rng(1).normal(0.1, 1, 500)
    left = [deflated_sharpe(gains, n, 1 / 499).probability for n in (1, 10, 100, 1000)]
    assert left == sorted(left, reverse=True)
    assert left[0] > 0.9 > left[-1]


def test_what_does_not_vary_has_none():
    assert np.isnan(sharpe(np.ones(5)))
    assert np.isnan(sharpe(np.array([1.0])))
    assert np.isnan(deflated_sharpe(np.zeros(5), 10, 0.1).probability)


@pytest.mark.parametrize("trials", [20])
def test_the_best_of_skilless_trials_is_found_out(trials):
    """The deflated ratio of the luckiest exceeds 0.95 in about 5 % of sweeps; undeflated it would in more than half."""
    rng = np.random.default_rng(2)
    deceived = naive = 0
    for _ in range(400):
        gains = rng.standard_normal((trials, 100))
        ratios = np.array([sharpe(g) for g in gains])
        best = gains[ratios.argmax()]
        deceived += deflated_sharpe(best, trials, float(ratios.var(ddof=1))).probability > 0.95
        naive += deflated_sharpe(best, 1, 0.0).probability > 0.95
    assert deceived / 400 < 0.1
    assert naive / 400 > 0.5
