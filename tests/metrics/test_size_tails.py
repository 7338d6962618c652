"""Tails of whole numbers on samples of known laws and by brute force, and round numbers by counting."""

import numpy as np
import pytest

from ofiml.metrics.size_tails import fit_tail, fit_tail_from, measure_round_numbers


def draw_power(rng, exponent, start, n):
    """Whole numbers of start, start + 1 … whose share of at least x falls nearly as x^-exponent, by inversion."""
    x = np.arange(start, 200_000)
    weights = x ** -(exponent + 1.0)
    return rng.choice(x, n, p=weights / weights.sum())


def test_the_exponent_of_a_power_law_comes_back_with_its_error():
    rng = np.random.default_rng(1)
    fits = [fit_tail_from(*np.unique(draw_power(rng, 1.8, 7, 3000), return_counts=True)) for _ in range(60)]
    exponents = np.array([one.exponent for one in fits])
    assert exponents.mean() == pytest.approx(1.8, abs=0.02)
    assert np.mean([one.error for one in fits]) == pytest.approx(exponents.std(), rel=0.3)
    assert np.mean([one.vuong > 1.96 for one in fits]) > 0.9
    assert np.mean([one.distance < 1.63 / np.sqrt(3000) for one in fits]) > 0.95


def test_a_fit_is_that_of_brute_force():
    x = draw_power(np.random.default_rng(2), 1.4, 5, 500)
    one = fit_tail_from(*np.unique(x, return_counts=True))
    grid = np.arange(5, 3_000_000, dtype=float)

    def likelihood(density):
        rest = 3_000_000 ** (1 - density) / (density - 1)  # the sum beyond the grid
        return -len(x) * np.log(np.sum(grid**-density) + rest) - density * np.sum(np.log(x))

    tried = one.exponent + 1 + np.array([-0.02, -0.002, 0.0, 0.002, 0.02])
    values = [likelihood(density) for density in tried]
    assert np.argmax(values) == 2
    curvature = -(values[0] - 2 * values[2] + values[4]) / 0.02**2
    assert one.error == pytest.approx(1 / np.sqrt(curvature), rel=0.02)
    total = np.sum(grid ** -tried[2]) + 3_000_000 ** (1 - tried[2]) / (tried[2] - 1)
    law = np.cumsum(grid ** -tried[2]) / total
    distance = max(abs(np.mean(x <= value) - law[value - 5]) for value in np.unique(x))
    assert one.distance == pytest.approx(distance, abs=1e-6)


def test_the_threshold_of_a_tail_is_found():
    rng = np.random.default_rng(3)
    body, tail = rng.integers(1, 40, 40_000), draw_power(rng, 2.0, 40, 1500)
    one = fit_tail(np.concatenate([body, tail]))
    assert 36 <= one.start <= 60
    assert one.exponent == pytest.approx(2.0, abs=0.2)
    assert one.count == np.sum(np.concatenate([body, tail]) >= one.start)


def test_an_exponential_is_no_power_law():
    x = 1 + np.floor(np.random.default_rng(4).exponential(50, 5000)).astype(np.int64)
    one = fit_tail_from(*np.unique(x, return_counts=True))
    assert one.vuong < -10
    assert one.distance > 1.63 / np.sqrt(5000)


@pytest.mark.parametrize("values", [[], [3] * 500, list(range(1, 50))])
def test_without_a_tail_all_is_nan(values):
    one = fit_tail(np.array(values, np.int64))
    assert (one.start, one.count) == (0, 0)
    assert np.isnan([one.exponent, one.error, one.distance, one.vuong]).all()


def test_round_numbers_by_counting():
    x = np.array([100] * 40 + [99] * 3 + [101] * 5 + [200] * 2 + [1, 7, 50, 250], np.int64)
    there = measure_round_numbers(x, 100)
    assert there.share == pytest.approx(42 / 54)
    assert there.times == pytest.approx(42 / (8 / 2))
    half = 1.96 * np.sqrt(1 / 42 + 1 / 8)
    assert (np.log(there.low), np.log(there.high)) == pytest.approx((np.log(10.5) - half, np.log(10.5) + half))
    assert measure_round_numbers(x, 50).times == pytest.approx(44 / 4)


def test_sizes_without_preference_have_no_round_numbers():
    x = 1 + np.floor(np.random.default_rng(5).exponential(50, 200_000)).astype(np.int64)
    for step in (10, 50, 100):
        there = measure_round_numbers(x, step)
        assert there.low < 1.01
        assert there.high > 0.99


def test_round_numbers_that_cannot_be_compared():
    assert np.isnan(measure_round_numbers(np.array([], np.int64), 10).share)
    alone = measure_round_numbers(np.array([10, 20, 30]), 10)
    assert alone.share == 1
    assert np.isnan([alone.times, alone.low, alone.high]).all()
