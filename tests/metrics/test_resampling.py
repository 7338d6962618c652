"""Resampled sums and ranks against resampled rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.metrics import bootstrap, correlation_sums, rank_draws
from ofiml.metrics.block_sums import sum_blocks, sum_correlation_terms, sum_groups
from ofiml.metrics.bootstrap import (
    estimate_group_means,
    estimate_ic_interval,
    pick_blocks,
    resample_sums,
)
from ofiml.metrics.measure_draws import draw_measures, draw_sharpe
from ofiml.metrics.measures import Forecast
from ofiml.metrics.scores import ic
from ofiml.metrics.sharpe import sharpe
from tests.metrics.rows import resample_rows, resampled_interval

DRAW = {"samples": 300, "seed": 5}


def test_the_interval_is_that_of_resampled_rows():
    rng = np.random.default_rng(1)
    y, y_hat = rng.normal(size=(2, 500)) + 1000.0
    y_hat += 0.3 * (y - 1000.0)
    block = np.sort(rng.integers(0, 12, 500))
    rows = resampled_interval(lambda r: ic(y[r], y_hat[r]), block, level=0.9, **DRAW)
    assert estimate_ic_interval(y, y_hat, block, level=0.9, **DRAW) == pytest.approx(rows, abs=1e-9)


def test_sums_are_of_whole_blocks():
    block = np.array([0, 0, 1, 2, 2, 2])
    drawn = resample_sums(sum_blocks([np.ones(6), 10.0**block], block), **DRAW)
    shares = {(2.0, 2.0), (1.0, 10.0), (3.0, 300.0)}
    possible = {tuple(np.sum(three, axis=0)) for a in shares for b in shares for c in shares if (three := [a, b, c])}
    assert {tuple(row) for row in drawn} <= possible
    assert len({tuple(row) for row in drawn}) > 5


def test_terms_of_a_correlation_are_summed_row_by_row():
    rng = np.random.default_rng(4)
    y, block = rng.normal(size=400) + 1000.0, rng.integers(0, 9, 400)
    y_hat = np.where(block == 3, np.nan, y + rng.normal(size=400))
    for x in (y_hat, np.full(400, 0.1), y):
        a, b = (np.zeros(400) if np.ptp(v) == 0 else v - v.mean() for v in (y, x))
        terms = sum_blocks([np.ones(400), a, b, a * a, b * b, a * b], block)
        np.testing.assert_array_equal(sum_correlation_terms(y, x, block), terms)
        plain = np.zeros((9, 6))
        centre = 0.1 if np.ptp(x) == 0 else x.mean()
        correlation_sums.add_correlation_terms_py(y, x, y.mean(), centre, block, plain)
        np.testing.assert_array_equal(plain, terms)


def test_nothing_is_said_of_few_blocks_or_of_constants():
    rng = np.random.default_rng(2)
    y, y_hat, block = rng.normal(size=80), rng.normal(size=80), np.repeat(np.arange(8), 10)
    assert np.isfinite(estimate_ic_interval(y, y_hat, block, level=0.9, **DRAW)).all()
    for args in ((y[:70], y_hat[:70], block[:70]), (y, 0 * y, block), (0 * y + 3, y_hat, block)):
        assert np.isnan(estimate_ic_interval(*args, level=0.9, **DRAW)).all()


def test_means_of_groups_are_as_sure_as_their_blocks():
    """Rows of a block say the same: as many as there are, a mean is as uncertain as that of the blocks."""
    rng = np.random.default_rng(0)
    block, group = np.repeat(np.arange(40), 50), np.tile([0, 1], 1000)
    y = rng.standard_normal(40)[block] + group
    mean, low, high = estimate_group_means(y, group, block, samples=2000, level=0.95, seed=1)
    assert mean == pytest.approx([y[group == k].mean() for k in (0, 1)])
    wide = 2 * 2.02 * y[group == 0].std() / np.sqrt(40)
    assert high - low == pytest.approx([wide, wide], rel=0.1)
    _, low, high = estimate_group_means(y, group, block % 7, samples=100, level=0.95, seed=1)
    assert np.isnan([low, high]).all()


ALL = ["r2", "ic", "rank_ic", "hit_rate", "auc", "log_loss", "brier", "pinball", "coverage"]


def make_forecast(seed, n, decimals):
    """Forecasts with ties, and blocks of unequal lengths that are not in the order of the rows."""
    rng = np.random.default_rng(seed)
    y = rng.integers(-2, 3, n).astype(float)
    y_hat = (0.2 * y + rng.standard_normal(n)).round(decimals)
    block = np.unique(rng.integers(0, 9, n) ** 2, return_inverse=True)[1]
    return Forecast(y, y_hat, np.full(n, 0.1), up=rng.random(n), quantile=0.3), block


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_every_measure_is_that_of_the_rows_drawn(decimals):
    forecast, block = make_forecast(decimals, 200, decimals)
    draws = draw_measures(forecast, ALL, block, **DRAW)
    for name in ALL:
        rows = resample_rows(lambda r, name=name: forecast.take(r).measure(name), block, **DRAW)
        np.testing.assert_allclose(draws[name], rows, rtol=1e-11, atol=1e-13, err_msg=name)


@settings(max_examples=30)
@given(st.integers(2, 30), st.integers(0, 10_000), st.integers(1, 3))
def test_few_rows_and_constants_too(n, seed, values):
    rng = np.random.default_rng(seed)
    y, y_hat = rng.integers(0, values, (2, n)) - 1.0
    block = np.unique(rng.integers(0, 4, n), return_inverse=True)[1]
    forecast = Forecast(y, y_hat, np.zeros(n), up=rng.random(n), quantile=0.5)
    draws = draw_measures(forecast, ALL, block, samples=17, seed=seed)
    for name in ALL:
        rows = resample_rows(lambda r, name=name: forecast.take(r).measure(name), block, samples=17, seed=seed)
        np.testing.assert_allclose(draws[name], rows, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_sharpe_ratio_is_that_of_the_rows_drawn():
    rng = np.random.default_rng(4)
    block = np.repeat(np.arange(10), 30)
    gains = np.where(block < 2, rng.normal(0.1, 1.0, 300), 0.0)  # most blocks have no trade, and some draws none at all
    draws = draw_sharpe(gains, block, **DRAW)
    rows = resample_rows(lambda r: sharpe(gains[r]), block, **DRAW)
    assert np.isnan(rows).any()
    np.testing.assert_allclose(draws, rows, rtol=1e-9)


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    together = np.concatenate(list(pick_blocks(7, 40, 3)))
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 24)
    apart = list(pick_blocks(7, 40, 3))
    assert len(apart) == 14
    np.testing.assert_array_equal(np.concatenate(apart), together)
    assert (together.sum(axis=1) == 7).all()


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_rank_kernels_do_what_their_plain_twins_do(kind):
    forecast, block = make_forecast(3, 150, 1)
    order = np.argsort(forecast.y_hat, kind="stable")
    is_last = np.append(np.diff(forecast.y_hat[order]) != 0, True)
    drawn = np.concatenate(list(pick_blocks(block.max() + 1, 16, 0)))
    weight, size = drawn.T.astype(kind), (drawn @ np.bincount(block)).astype(kind)
    at, is_up = block[order].astype(np.int32), forecast.y[order] > 0
    place = np.arange(150, dtype=np.int32) % is_last.sum()
    results = []
    for suffix in ("", "_py"):
        tabulate, correlate, count = (
            getattr(rank_draws, name + suffix) for name in ("tabulate_ranks", "correlate_ranks", "count_ordered_pairs")
        )
        table = np.full((is_last.sum(), 16), -7, kind)
        squares = tabulate(at, is_last, weight, size, table)
        sums = correlate(at, place.astype(np.int32), is_last, weight, size, table)
        results.append([table, squares, *sums, *count(at, is_up, is_last, weight)])
    for compiled, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(compiled, plain)


def test_ranks_of_a_huge_draw_do_not_overflow():
    """A block stands for as many rows as 32 bits can hold; the plain twin counts with Python's own integers."""
    weight, size = np.full((2, 16), 2**30), np.full(16, 2**31)
    table = np.zeros((2, 16), np.int64)
    squares = rank_draws.tabulate_ranks(np.array([0, 1], np.int32), np.array([True, True]), weight, size, table)
    assert table[:, 0].tolist() == [-(2**30), 2**30]
    assert squares[0] == 2.0 * 2**90
    kinds = {w.dtype for w, _, _ in rank_draws._list_lanes(np.repeat([0, 1], 4), [np.full((1, 2), 2**28)])}
    assert kinds == {np.dtype(np.int64)}


def test_sums_of_groups():
    y, group, block = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1])
    rows, total = sum_groups(y, group, block)
    assert rows.tolist() == [[1, 1], [0, 2]]
    assert total.tolist() == [[1, 2], [0, 12]]
