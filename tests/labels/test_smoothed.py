"""Means of mids by hand and by loops, and the R² of a forecast without skill against simulated moves."""

import numpy as np
import pytest

from ofiml.labels.smoothed import average_last, average_next, compute_martingale_r2


def test_means_by_hand():
    mid = np.array([1.0, 3.0, 5.0, 9.0])
    np.testing.assert_allclose(average_last(mid, 2), [np.nan, 2, 4, 7])
    np.testing.assert_allclose(average_next(mid, 2), [4, 7, np.nan, np.nan])
    np.testing.assert_allclose(average_next(mid, 4), [np.nan] * 4)
    np.testing.assert_allclose(average_last(mid, 5), [np.nan] * 4)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_means_are_those_of_a_loop_and_a_missing_mid_makes_them_missing(k):
    mid = np.random.default_rng(k).normal(size=40)
    mid[17] = np.nan
    last = [mid[i - k + 1 : i + 1].mean() if i >= k - 1 else np.nan for i in range(40)]
    after = [mid[i + 1 : i + 1 + k].mean() if i + k < 40 else np.nan for i in range(40)]
    np.testing.assert_allclose(average_last(mid, k), last)
    np.testing.assert_allclose(average_next(mid, k), after)


@pytest.mark.parametrize("k", [1, 2, 10, 20])
def test_a_forecast_without_skill_has_the_r2_of_the_formula(k):
    mid = np.cumsum(np.random.default_rng(0).normal(size=400_000))
    label, known = average_next(mid, k) - average_last(mid, k), mid - average_last(mid, k)
    there = np.isfinite(label)
    r2 = 1 - np.var(label[there] - known[there]) / np.var(label[there])
    assert r2 == pytest.approx(compute_martingale_r2(k), abs=0.01)


def test_the_formula_by_hand():
    # Two mids each: the known half move has 1/4 of the variance of a move, the unknown part 1 + 1/4.
    assert compute_martingale_r2(2) == pytest.approx(0.25 / 1.5)
    assert compute_martingale_r2(1) == 0
    assert compute_martingale_r2(10**6) == pytest.approx(0.5, abs=1e-5)
