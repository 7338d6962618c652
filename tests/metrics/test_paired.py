"""Distances between forecasts: sums over blocks against the measures themselves, on the rows that were drawn."""

import numpy as np
import pytest

from ofiml.metrics.measures import Forecast
from ofiml.metrics.paired import (
    compute_nan_quantiles,
    draw_skill,
    exceeds_zero,
)
from ofiml.metrics.scores import ic, r2
from tests.conftest import slow_but_each


def forecast(seed, n=300, constant=False):
    rng = np.random.default_rng(seed)
    y = rng.normal(3.0, 2.0, n)
    y_hat = np.full(n, 0.1) if constant else 0.3 * y + rng.normal(-7.0, 1.0, n)
    return Forecast(y, y_hat, np.repeat([2.9, 3.1], n // 2))


def test_draws_are_the_measures_of_the_rows_drawn():
    block = np.random.default_rng(0).integers(0, 12, 300)
    made = forecast(1)
    draws = draw_skill(made, block, draws=1200, seed=5)
    assert draws.ic.shape == draws.r2.shape == (1200,)
    # The same blocks, drawn once more, row by row.
    rng = np.random.default_rng(5)
    counts = np.vstack([rng.multinomial(12, np.full(12, 1 / 12), size=k) for k in (1000, 200)])
    for i in (0, 7, 999, 1000, 1199):
        rows = np.repeat(np.arange(300), counts[i][block])
        y, y_hat, mean = made.y[rows], made.y_hat[rows], made.train_mean[rows]
        assert draws.ic[i] == pytest.approx(ic(y, y_hat), abs=1e-12)
        assert draws.r2[i] == pytest.approx(r2(y, y_hat, mean), abs=1e-12)


def test_the_same_blocks_are_drawn_for_any_forecast():
    block = np.repeat(np.arange(10), 30)
    a, b = forecast(1), forecast(1)
    worse = Forecast(b.y, b.y_hat + np.random.default_rng(3).normal(0, 0.01, 300), b.train_mean)
    paired = draw_skill(a, block, draws=500, seed=1).ic - draw_skill(worse, block, draws=500, seed=1).ic
    other = draw_skill(a, block, draws=500, seed=1).ic - draw_skill(worse, block, draws=500, seed=2).ic
    assert paired.std() < other.std() / 10


def test_what_is_not_defined():
    block = np.repeat(np.arange(10), 30)
    assert np.isnan(draw_skill(forecast(1, constant=True), block, draws=60, seed=1).ic).all()
    assert np.isfinite(draw_skill(forecast(1, constant=True), block, draws=60, seed=1).r2).all()
    alone = draw_skill(forecast(1), np.zeros(300, np.int64), draws=60, seed=1)
    assert np.isnan(alone.ic).all()
    assert len(alone.ic) == 60
    assert all(np.isnan(compute_nan_quantiles(alone.ic, 0.1, 0.9)))
    assert compute_nan_quantiles(np.array([np.nan, 1.0, 2.0, 3.0]), 0.0, 0.5) == [1.0, 2.0]


@pytest.mark.parametrize("count", slow_but_each(2, [8, 20]))
def test_who_knows_nothing_is_accused_as_seldom_as_promised(count):
    """One time in a hundred: a quantile of the draws says it three times as often with 8 blocks."""
    block, accused = np.repeat(np.arange(count), 30), 0
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        y, y_hat = rng.standard_normal((2, 30 * count))
        draws = draw_skill(Forecast(y, y_hat, np.zeros(len(y))), block, draws=300, seed=7)
        accused += exceeds_zero(draws.ic, count, 0.01)
    assert 4 <= accused <= 28


def test_who_knows_is_accused():
    block = np.repeat(np.arange(10), 30)
    assert exceeds_zero(draw_skill(forecast(1), block, draws=300, seed=1).ic, 10, 0.001)
    backwards = forecast(1)
    backwards = Forecast(-backwards.y, backwards.y_hat, backwards.train_mean)
    assert not exceeds_zero(draw_skill(backwards, block, draws=300, seed=1).ic, 10, 0.001)
    assert not exceeds_zero(np.full(300, np.nan), 10, 0.001)
    assert not exceeds_zero(np.ones(300), 1, 0.001)
