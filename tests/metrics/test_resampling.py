"""Resampled sums against resampled rows."""

import numpy as np
import pytest

from ofiml.metrics.bootstrap import (
    estimate_bootstrap_interval,
    estimate_group_means,
    estimate_ic_interval,
    resample_sums,
)
from ofiml.metrics.scores import ic

DRAW = {"samples": 300, "seed": 5}


def test_the_interval_is_that_of_resampled_rows():
    rng = np.random.default_rng(1)
    y, y_hat = rng.normal(size=(2, 500)) + 1000.0
    y_hat += 0.3 * (y - 1000.0)
    block = np.sort(rng.integers(0, 12, 500))
    rows = estimate_bootstrap_interval(lambda r: ic(y[r], y_hat[r]), block, level=0.9, **DRAW)
    assert estimate_ic_interval(y, y_hat, block, level=0.9, **DRAW) == pytest.approx(rows, abs=1e-9)


def test_sums_are_of_whole_blocks():
    block = np.array([0, 0, 1, 2, 2, 2])
    drawn = resample_sums(np.stack([np.ones(6), 10.0**block], axis=1), block, **DRAW)
    shares = {(2.0, 2.0), (1.0, 10.0), (3.0, 300.0)}
    possible = {tuple(np.sum(three, axis=0)) for a in shares for b in shares for c in shares if (three := [a, b, c])}
    assert {tuple(row) for row in drawn} <= possible
    assert len({tuple(row) for row in drawn}) > 5


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
