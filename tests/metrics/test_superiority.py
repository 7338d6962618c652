"""Tests between runs: by hand, against the definitions, and on simulated strategies whose skill is known."""

from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from ofiml.metrics import superiority as compared
from ofiml.metrics.hac import choose_lag
from ofiml.metrics.overfitting import estimate_pbo
from ofiml.metrics.scores import ic, r2
from ofiml.metrics.sharpe import sharpe

rng = np.random.default_rng(0)
Y, MEAN = rng.standard_normal(300), np.full(300, 0.1)
Y_HAT = 0.2 * Y + 0.3 * rng.standard_normal(300)


def strategies(seed, times=300, runs=6, skill=()):
    performance = np.random.default_rng(seed).standard_normal((times, runs))
    performance[:, : len(skill)] += skill
    return performance


def test_the_mean_of_a_performance_is_its_measure():
    assert compared.compute_ic_contributions(Y, Y_HAT).mean() == pytest.approx(ic(Y, Y_HAT))
    assert compared.compute_r2_contributions(Y, Y_HAT, MEAN).mean() == pytest.approx(r2(Y, Y_HAT, MEAN))
    assert compared.compute_sharpe_contributions(Y).mean() == pytest.approx(sharpe(Y), rel=0.01)
    time = np.repeat(np.arange(100), 3)
    assert compared.average_by_time(compared.compute_ic_contributions(Y, Y_HAT), time).mean() == pytest.approx(
        ic(Y, Y_HAT)
    )
    assert not compared.compute_ic_contributions(Y, np.zeros(300)).any()
    assert not compared.compute_sharpe_contributions(np.zeros(5)).any()


def test_the_error_of_a_sharpe_ratio_is_that_of_lo():
    gains = 0.5 + rng.standard_normal(200_000)
    assert compared.compute_sharpe_contributions(gains).std() == pytest.approx(np.sqrt(1 + 0.5**2 / 2), rel=0.01)


def test_diebold_mariano_by_hand():
    d = np.random.default_rng(1).standard_normal(50) + 0.2
    n, h = 50, 3
    lag = choose_lag(n, h - 1)
    centred = d - d.mean()
    covariances = [centred[j:] @ centred[: n - j] / n for j in range(lag + 1)]
    variance = covariances[0] + 2 * sum((1 - j / (lag + 1)) * covariances[j] for j in range(1, lag + 1))
    t = d.mean() / np.sqrt(variance / n) * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    found = compared.diebold_mariano(d, h - 1)
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 1.5 * n / (lag + 1)))
    assert found.mean == pytest.approx(d.mean())
    edge = found.error * stats.t.ppf(0.975, 1.5 * n / (lag + 1)) ** -1  # the standard error
    assert edge == pytest.approx(d.mean() / t)
    assert found.error > 1.96 * edge
    assert np.isnan(compared.diebold_mariano(np.zeros(50), 0).p)
    assert np.isnan(compared.diebold_mariano(np.zeros(0), 0).p)


def test_diebold_mariano_finds_nothing_in_5_percent_of_equal_runs():
    """Errors of both runs are moving averages, as those of overlapping labels are."""
    draws, found = np.random.default_rng(2), 0
    for _ in range(500):
        e = np.lib.stride_tricks.sliding_window_view(draws.standard_normal((505, 2)), 6, axis=0).sum(axis=2)
        found += compared.diebold_mariano(e[:, 0] ** 2 - e[:, 1] ** 2, 5).p < 0.05
    assert 0.02 < found / 500 < 0.085


def slow_pbo(performance, parts):
    """As the paper words it, a combination at a time."""
    blocks, low = np.split(performance, parts), []
    for half in combinations(range(parts), parts // 2):
        other = [i for i in range(parts) if i not in half]
        inside, outside = (np.concatenate([blocks[i] for i in side]).mean(axis=0) for side in (half, other))
        rank = stats.rankdata(outside)[inside.argmax()] / (performance.shape[1] + 1)
        low.append(np.log(rank / (1 - rank)) <= 1e-12)
    return np.mean(low)


def test_overfitting_as_the_paper_words_it():
    for seed in range(3):
        performance = strategies(seed, 240, 5)
        found = estimate_pbo(performance, 8)
        assert found.pbo == pytest.approx(slow_pbo(performance, 8))
        assert found.combinations == 70
    assert np.isnan(estimate_pbo(performance[:, :1]).pbo)
    assert np.isnan(estimate_pbo(performance[:20]).pbo)


def test_choosing_among_noise_is_overfitting_half_the_time_and_skill_is_not():
    noise = [estimate_pbo(strategies(seed), 10).pbo for seed in range(200)]
    error = np.std(noise) / np.sqrt(200)
    assert abs(np.mean(noise) - 0.5) < 3 * error
    assert error < 0.03
    skilled = [estimate_pbo(strategies(seed, skill=[0.4]), 10).pbo for seed in range(20)]
    assert np.mean(skilled) < 0.02


def by_draws(performance, block, samples, seed):
    """A draw at a time: whole blocks by their numbers, means and standard deviations of their sums."""
    draws, count = np.random.default_rng(seed), block.max() + 1
    sums = np.array([performance[block == b].sum(axis=0) for b in range(count)])
    t = np.sqrt(count) * sums.mean(axis=0) / sums.std(axis=0, ddof=1)
    bad = t < -np.sqrt(2 * np.log(np.log(count)))
    above = {"spa": 1, "reality_check": 1}
    for times in draws.multinomial(count, np.full(count, 1 / count), samples):
        drawn = np.repeat(sums, times, axis=0)
        error = drawn.std(axis=0, ddof=1) / np.sqrt(count)
        for name, centre in (("spa", np.where(bad, 0, sums.mean(axis=0))), ("reality_check", sums.mean(axis=0))):
            above[name] += max(0, ((drawn.mean(axis=0) - centre) / error).max()) >= max(0, t.max())
    return {name: n / (samples + 1) for name, n in above.items()}


def test_superior_ability_by_the_definition():
    """Blocks of unequal length, columns of any scale, some far below 0 and one that does not vary."""
    for seed in range(3):
        performance = strategies(seed, 230, 6, [0.1, 0.0, -0.8, -2.0]) * np.array([1, 1e-6, 1, 1e9, 1, 0])
        block = np.sort(np.random.default_rng(seed).integers(0, 12, 230))
        found = compared.superior_ability(performance, block, samples=300, seed=seed)
        assert asdict(found) == pytest.approx(by_draws(performance[:, :5], block, 300, seed))
        assert found.spa < found.reality_check


def test_superior_ability_does_not_depend_on_scale():
    """A run whose performance varies ten times as much must not hide the skill of another."""
    performance = strategies(0, 200, skill=[0.35])
    block, scales = np.arange(200) // 5, np.array([1, 2, 4, 6, 8, 10])
    found = compared.superior_ability(performance, block, samples=200, seed=0)
    scaled = compared.superior_ability(performance * scales, block, samples=200, seed=0)
    assert asdict(scaled) == pytest.approx(asdict(found))
    assert found.spa < 0.02


def test_superior_ability_has_its_size_and_its_power():
    """The fuller version is scripts/simulate_inference.py. Labels overlap, and there are few blocks."""
    noise = []
    for seed in range(300):
        e = np.random.default_rng(seed).standard_normal((243, 10))
        rows = np.lib.stride_tricks.sliding_window_view(e, 4, axis=0).mean(axis=2)
        noise.append(compared.superior_ability(rows, np.arange(240) // 20, samples=200, seed=seed))
    for test in ("spa", "reality_check"):
        assert 0.015 < np.mean([getattr(p, test) < 0.05 for p in noise]) < 0.08
    draws = {"block": np.arange(200) // 5, "samples": 200, "seed": 0}
    skilled = [compared.superior_ability(strategies(seed, 200, skill=[0.35]), **draws).spa for seed in range(12)]
    assert sum(p < 0.05 for p in skilled) >= 11


def test_what_superior_ability_cannot_be_asked_of():
    assert np.isnan(compared.superior_ability(np.zeros((200, 2)), np.arange(200) // 5, samples=100, seed=0).spa)
    assert np.isnan(compared.superior_ability(strategies(0, 70), np.arange(70) // 10, samples=100, seed=0).spa)
    assert compared.superior_ability(strategies(0, 80), np.arange(80) // 10, samples=100, seed=0).spa > 0
    assert compared.superior_ability(strategies(0, 80) - 9, np.arange(80) // 10, samples=100, seed=0).spa == 1


def test_the_confidence_set_keeps_the_best_and_drops_the_bad():
    draws = {"block": 5, "samples": 200, "seed": 0}
    skill = [0.5, 0.5, 0.0, 0.0]
    sets = [compared.confidence_set(strategies(seed, 200, 4, skill), **draws) > 0.05 for seed in range(40)]
    kept = np.mean(sets, axis=0)
    assert (kept[:2] >= 0.85).all()
    assert (kept[2:] <= 0.1).all()
    assert compared.confidence_set(np.ones((200, 1)), **draws) == [1.0]


def test_equal_runs_are_one():
    performance = strategies(0, 50, 3)[:, [0, 1, 0, 2, 1]]
    kept, which = compared.find_distinct(performance)
    np.testing.assert_array_equal(performance[:, kept][:, which], performance)
    assert len(kept) == 3
