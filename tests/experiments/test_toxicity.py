"""What the page of toxicity measures: PIN and the notebook's, orders and their VPIN, λ, and ranks before jumps."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ofiml.config import TimeBars
from ofiml.experiments.recipes import _toxic_flow as flow
from ofiml.experiments.recipes._pin_studies import (
    Recovery,
    correlate_model,
    fit_one_parameter,
    read_values,
    recover,
)
from ofiml.metrics.slopes import fit_slopes
from ofiml.microstructure.toxicity.likelihood import Parameters, compute_log_likelihood, simulate_days
from tests.books import SECOND, session

TRUE = Parameters(0.4, 0.3, 50.0, 40.0, 40.0)
BARS = TimeBars(name="time", per="message", step="10s")


def make_day(move, signed, *, known_at=(), size=(), sign=(), start=0):
    n = len(move)
    return flow.Day(
        date="day",
        open=start,
        end=start + 10 * SECOND * n,
        step=10 * SECOND,
        close=start + 10 * SECOND * np.arange(1, n + 1, dtype=np.int64),
        move=np.asarray(move, float),
        signed=np.asarray(signed, np.int64),
        known_at=np.asarray(known_at, np.int64),
        size=np.asarray(size, np.int64),
        sign=np.asarray(sign, np.int64),
        unsigned=0,
        impact=float("nan"),
    )


# --- PIN -------------------------------------------------------------------------------------------------------------


def test_a_parameter_that_is_read_four_times_says_a_third_of_any_counts():
    for true in (TRUE, Parameters(0.1, 0.5, 20.0, 100.0, 100.0), Parameters(0.9, 0.5, 300.0, 50.0, 50.0)):
        counts = simulate_days(true, 60, np.random.default_rng(1))
        assert fit_one_parameter(*counts) == pytest.approx(1 / 3, abs=0.005)
    buys, sells = np.random.default_rng(2).poisson([[0.3], [0.2]], (2, 60))
    grid = np.linspace(0.001, 1, 2000)
    values = [compute_log_likelihood(Parameters(p, p, p, p, p), buys, sells) for p in grid]
    best = grid[int(np.argmax(values))]
    assert fit_one_parameter(buys, sells) == pytest.approx(best / (best + 2), abs=2e-4)
    assert best < 0.6


def test_a_recovery_counts_the_intervals_that_contain_the_truth():
    truth = read_values(TRUE)
    assert truth.tolist() == pytest.approx([0.4, 0.3, 50, 40, 0.2])
    estimates = np.array([truth, truth + 1.9, truth - 2.0, truth])
    errors = np.ones((4, 5))
    errors[3], errors[0] = np.nan, 4.0
    one = Recovery(TRUE, 60, estimates, errors, np.zeros(4))
    assert one.covered.tolist() == [2] * 5
    assert one.mean_errors.tolist() == [2.0] * 5


@pytest.mark.slow
def test_intervals_of_known_truth_cover_it():
    one = recover(TRUE, days=60, samples=20, seed=3)
    assert (one.covered >= 15).all()
    off = np.abs(one.estimates.mean(axis=0) - one.truth)
    assert (off < 4 * one.errors.mean(axis=0) / np.sqrt(20)).all()


@pytest.mark.parametrize("p", [TRUE, Parameters(0.8, 0.5, 2.0, 2.4, 3.0), Parameters(0.5, 0.1, 30.0, 5.0, 9.0)])
def test_buys_and_sells_of_the_model_are_correlated_below_zero(p):
    counts = simulate_days(p, 400_000, np.random.default_rng(0))
    assert correlate_model(p) == pytest.approx(np.corrcoef(*counts)[0, 1], abs=0.006)
    assert correlate_model(p) < 0


# --- orders, VPIN, λ -------------------------------------------------------------------------------------------------


def test_a_day_has_whole_orders_and_bars():
    at = {"book": [(99, 90, 101, 90)]}
    rows = [
        {"t": 0, **at},
        {"t": 3, "action": "T", "side": "B", "size": 5, "price": 101, "flags": 0, **at},
        {"t": 3, "action": "T", "side": "B", "size": 7, "price": 102, **at},
        {"t": 10, "action": "T", "side": "A", "size": 2, "price": 99, "book": [(98, 90, 101, 90)]},
        {"t": 12, "action": "T", "side": "N", "size": 4, "price": 99, **at},
        {"t": 15, "action": "T", "side": "A", "size": 1, "price": 99, **at},
        {"t": 20, **at},
    ]
    day = flow.read_day(session(rows, close=20), BARS)
    assert day.size.tolist() == [12, 2, 1]
    assert day.sign.tolist() == [1, -1, -1]
    assert (day.known_at / SECOND).tolist() == [3, 10, 15]
    assert day.unsigned == 4
    assert day.signed.tolist() == [10, -1]
    assert day.move.tolist() == [-0.5, 0.5]
    assert np.isnan(day.impact)


def make_orders(seed, n=1500):
    rng = np.random.default_rng(seed)
    sign = np.repeat(rng.choice([-1, 1], n // 10), 10)  # runs of ten orders of one side
    at = np.sort(rng.integers(0, 1000 * SECOND, n))
    return make_day(np.zeros(100), np.zeros(100), known_at=at, size=rng.integers(1, 20, n), sign=sign)


def vpin_by_loops(days, bucket, window):
    """Lot by lot: the sides of all lots in order, cut into buckets."""
    gaps, paths, lots = [], [], []
    for day in days:
        path = []
        for at, size, sign in zip(day.known_at.tolist(), day.size.tolist(), day.sign.tolist(), strict=True):
            for _ in range(size):
                lots.append(sign)
                if len(lots) == bucket:
                    gaps.append(abs(sum(lots)))
                    lots = []
                    if len(gaps) >= window:
                        path.append((at, sum(gaps[-window:]) / (window * bucket)))
        paths.append(path)
    return paths


def test_vpin_of_orders_is_that_of_their_lots_and_goes_on_over_sessions():
    days = [make_orders(1), make_orders(2)]
    bucket = flow.choose_bucket(days)
    assert bucket == days[0].size.sum() // 200
    paths = flow.compute_vpin(days, bucket)
    expected = vpin_by_loops(days, bucket, 50)
    for path, one in zip(paths, expected, strict=True):
        assert list(zip(path.known_at.tolist(), path.value.tolist(), strict=True)) == [
            (at, pytest.approx(value)) for at, value in one
        ]
    whole = [value for one in expected for _, value in one]
    assert flow.average_paths(paths) == pytest.approx(np.mean(whole))
    parts = [[] for _ in range(flow.PARTS)]
    for one in expected:
        for at, value in one:
            parts[max(0, -(-at * 12 // (1000 * SECOND)) - 1)].append(value)
    assert flow.average_parts(days, paths) == pytest.approx([np.mean(part) for part in parts], rel=1e-3)


def test_vpin_is_looked_up_as_it_was_known():
    path = flow.VpinPath(np.array([10, 20, 20, 35]), np.array([0.1, 0.2, 0.3, 0.4]))
    got = path.look_up(np.array([9, 10, 19, 20, 34, 99]))
    assert got.tolist()[1:] == [0.1, 0.1, 0.3, 0.3, 0.4]
    assert np.isnan(got[0])
    assert np.isnan(flow.VpinPath(np.empty(0, np.int64), np.empty(0)).look_up(np.array([5]))).all()


def test_signs_in_random_order_have_less_imbalance_than_runs():
    days = [make_orders(1)]
    bucket = flow.choose_bucket(days)
    runs, shuffled = flow.average_paths(flow.compute_vpin(days, bucket)), flow.shuffle_signs(days, bucket, 5)
    independent = replace(days[0], sign=np.random.default_rng(9).choice([-1, 1], len(days[0].sign)))
    free = flow.average_paths(flow.compute_vpin([independent], bucket))
    assert runs > 1.5 * shuffled
    assert shuffled == pytest.approx(free, rel=0.1)


def test_lambda_is_the_slope_of_moves_on_signed_volume():
    rng = np.random.default_rng(6)
    signed = rng.integers(-900, 900, 240)
    move = 0.004 * signed + rng.standard_normal(240)
    move[17] = np.nan
    days = [make_day(move[:120], signed[:120]), make_day(move[120:], signed[120:], start=10_000 * SECOND)]
    known = np.isfinite(move)
    time = np.concatenate([day.close for day in days])[known]
    fit = fit_slopes(signed[known][:, None].astype(float), move[known], time)
    r2 = np.corrcoef(move[known], signed[known])[0, 1] ** 2
    found = flow.fit_days(days)
    assert (found.slope, found.error, found.r2) == pytest.approx((fit.value[0], fit.error[0], r2))
    parts = flow.fit_parts(days)
    rows = np.concatenate([np.arange(10, 20), 120 + np.arange(10, 20)])
    rows = rows[known[rows]]
    assert parts[1].slope == pytest.approx(np.polyfit(signed[rows], move[rows], 1)[0])
    assert np.isnan(flow.fit_kyle(move[:2], signed[:2], np.arange(2)).slope)


# --- jumps -----------------------------------------------------------------------------------------------------------


def test_ranks_are_shares_of_the_known_values():
    got = flow.rank(np.array([3.0, np.nan, 1.0, 3.0, 7.0]))
    assert np.isnan(got[1])
    assert got[[0, 2, 3, 4]].tolist() == [0.5, 0.125, 0.5, 0.875]


def test_the_p_value_compares_with_all_shifts():
    """With one session of few bars, the p-value is the share of all shifts that are as far from the mean."""
    rng = np.random.default_rng(2)
    ranks, at = flow.rank(rng.standard_normal(40)), np.array([3, 4, 17])
    value, p = flow.compare_shifted([ranks], [at], seed=1)
    means = [ranks[(at + s) % 40].mean() for s in range(40)]
    assert value == pytest.approx(means[0])
    exact = np.mean([abs(mean - 0.5) >= abs(value - 0.5) - 1e-12 for mean in means])
    assert p == pytest.approx(exact, abs=0.04)
    high = np.where(np.isin(np.arange(40), [5, 20, 33]), 0.99, ranks * 0.5)
    assert flow.compare_shifted([high] * 3, [np.array([5, 20, 33])] * 3, seed=1)[1] < 0.01


def make_jumpy(*, before):
    """Moves with jumps, and a VPIN that is high before them or after them."""
    rng = np.random.default_rng(8)
    move = rng.standard_normal(900)
    jumps = np.array([300, 420, 610, 777])
    move[jumps] = 15.0
    signed = np.round(50 * rng.standard_normal(900)).astype(int)
    signed[jumps] = 800
    day = make_day(move, signed)
    value = rng.uniform(0.2, 0.3, 900)
    for jump in jumps:
        value[jump - 20 : jump] += 0.3 * before
        value[jump : jump + 35] += 0.3 * (not before)
    # Known within the bar, before its close.
    return day, flow.VpinPath(day.close - 5 * SECOND, value), jumps


@pytest.mark.parametrize("before", [True, False])
def test_vpin_before_jumps_is_that_known_at_their_open(before):
    day, path, jumps = make_jumpy(before=before)
    found = flow.measure_around_jumps([day], [path], seed=1)
    assert (found.jumps, found.count) == (4, 4)
    usable = np.arange(900) >= flow.JUMP_WINDOW - 1
    ranks = flow.rank(np.append(np.nan, path.value[:-1]))
    assert found.before == pytest.approx(ranks[jumps].mean())
    assert usable[jumps].all()
    assert found.after == pytest.approx(ranks[jumps + flow.AROUND + 1].mean())
    assert (found.p < 0.05, found.before > 0.85) == ((True, True) if before else (False, False))
    assert (found.after > 0.85) == (not before)
    middle = flow.AROUND
    assert found.volume[middle] == pytest.approx(800 / np.abs(day.signed).mean())
    assert found.size[middle] == pytest.approx(15 / np.abs(day.move).mean())
    assert found.vpin[middle - 1] == pytest.approx(path.value[jumps - 1].mean() / path.value.mean())
    assert found.vpin[middle + 3] == pytest.approx(path.value[jumps + 3].mean() / path.value.mean())
    rest = np.delete(np.arange(900), jumps)
    assert found.without.slope == pytest.approx(np.polyfit(day.signed[rest], day.move[rest], 1)[0])


def test_a_market_without_jumps_has_no_rank_of_them():
    day, path, jumps = make_jumpy(before=True)
    calm = replace(day, move=np.where(np.isin(np.arange(900), jumps), 0.5, day.move))
    found = flow.measure_around_jumps([calm], [path], seed=1)
    assert (found.jumps, found.count) == (0, 0)
    assert np.isnan([found.before, found.after, found.p, *found.vpin]).all()


def test_jumps_with_nothing_known_before_are_counted_apart():
    day, path, jumps = make_jumpy(before=True)
    late = flow.VpinPath(path.known_at[350:], path.value[350:])
    found = flow.measure_around_jumps([day], [late], seed=1)
    assert (found.jumps, found.count) == (4, 3)
    assert all(a < b for a, b in itertools.pairwise(jumps))
