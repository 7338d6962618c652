"""Jumps against the formula in loops, and how often they are found where there are none."""

import math

import numpy as np
import pytest

from ofiml.metrics.jumps import compute_jump_statistics, find_jumps


def statistics_by_loops(move, window):
    """Lee & Mykland (2008), equations 7 and 8, as they stand: K = window, sums over j = i - K + 2 … i - 1."""
    out = []
    for i in range(len(move)):
        js = range(i - window + 2, i)
        if js.start < 1:
            out.append(math.nan)
            continue
        variance = sum(abs(move[j]) * abs(move[j - 1]) for j in js) / (window - 2)
        out.append(move[i] / math.sqrt(variance) if variance > 0 else math.nan)
    return out


@pytest.mark.parametrize("window", [3, 7, 40])
def test_statistics_are_those_of_the_formula(window):
    move = np.random.default_rng(window).standard_normal(60)
    move[20:26] = 0.0
    move[33] = np.nan
    np.testing.assert_allclose(compute_jump_statistics(move, window), statistics_by_loops(move, window), rtol=1e-10)


def test_a_statistic_knows_nothing_later():
    move = np.random.default_rng(1).standard_normal(300)
    changed = np.where(np.arange(300) > 150, 9.0, move)
    np.testing.assert_array_equal(compute_jump_statistics(move, 50)[:151], compute_jump_statistics(changed, 50)[:151])


def test_the_threshold_is_that_of_the_paper():
    """With n = 1000 and 1%: C_n + S_n·β*, β* = 4.6001."""
    c, n = math.sqrt(2 / math.pi), 1000
    root = math.sqrt(2 * math.log(n))
    threshold = root / c - (math.log(math.pi) + math.log(math.log(n))) / (2 * c * root) + 4.6001 / (c * root)
    rest = np.resize([1.0, -1.0], 1019)
    for size, expected in ((threshold * 0.999, False), (threshold * 1.001, True)):
        move = np.append(rest, size)
        found = find_jumps(move, 21)
        assert found[-1] == expected
        assert not found[:-1].any()


def test_without_jumps_few_samples_have_one():
    rng = np.random.default_rng(3)
    samples = [find_jumps(rng.standard_normal(1080), 180).any() for _ in range(400)]
    assert np.mean(samples) < 0.04


def test_jumps_are_found_and_nothing_in_short_or_constant_samples():
    move = np.random.default_rng(4).standard_normal(600)
    move[[250, 400, 401]] = [11.0, -12.0, 13.0]
    assert np.flatnonzero(find_jumps(move, 100)).tolist() == [250, 400, 401]
    assert not find_jumps(move[:100], 100).any()
    assert not find_jumps(np.zeros(300), 100).any()
    assert len(compute_jump_statistics(move[:3], 100)) == 3
    with pytest.raises(ValueError, match="a window of 2 moves: 3 or more are needed"):
        find_jumps(move, 2)
