"""PIN: the likelihood against exact arithmetic, the two mistakes that are often made, recovery, boundaries."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import pytest

from ofiml.errors import DataError
from ofiml.microstructure.toxicity.likelihood import (
    NAMES,
    Days,
    Parameters,
    compute_log_likelihood,
    compute_observed_information,
    compute_value_and_gradient,
    simulate_days,
)
from ofiml.microstructure.toxicity.pin import count_orders, fit_pin
from tests.books import SECOND, session
from tests.conftest import slow_but_each, slow_except

TRUE = Parameters(alpha=0.4, delta=0.3, mu=50.0, epsilon_buy=40.0, epsilon_sell=60.0)


def exact(p, buys, sells):
    """The formula as it stands, in decimals of 60 digits, whose exponents have no end: Σ over days of the logarithm of
    Σ over states of π·Poisson·Poisson.
    """
    with localcontext(prec=60, Emin=-(10**9), Emax=10**9):
        a, d, m, b, s = (Decimal(x) for x in p.vector.tolist())
        states = [(1 - a, b, s), (a * d, b, s + m), (a * (1 - d), b + m, s)]
        total = Decimal(0)
        for buy, sell in zip(buys.tolist(), sells.tolist(), strict=True):
            total += sum(prior * poisson(x, buy) * poisson(y, sell) for prior, x, y in states).ln()
        return float(total)


def poisson(rate, count):
    return (-rate).exp() * rate**count / math.factorial(count)


@pytest.mark.parametrize(
    "p",
    [
        TRUE,
        Parameters(0.2, 0.7, 3.5, 1.25, 0.5),
        Parameters(0.0, 0.5, 10.0, 7.0, 9.0),
        Parameters(1.0, 1.0, 10.0, 7.0, 9.0),
        Parameters(0.5, 0.5, 0.0, 7.0, 9.0),
    ],
)
def test_the_likelihood_equals_exact_arithmetic(p):
    buys, sells = simulate_days(replace(p, alpha=0.5, mu=p.mu + 1), 12, np.random.default_rng(5))
    assert compute_log_likelihood(p, buys, sells) == pytest.approx(exact(p, buys, sells), rel=1e-12)


def test_what_cannot_be_has_likelihood_minus_infinity_and_what_must_be_has_one():
    assert compute_log_likelihood(Parameters(0.0, 0.5, 5.0, 0.0, 1.0), np.array([1]), np.array([1])) == -math.inf
    assert compute_log_likelihood(Parameters(0.0, 0.5, 5.0, 0.0, 0.0), np.array([0, 0]), np.array([0, 0])) == 0.0


def test_hundreds_of_trades_a_day_do_not_underflow():
    """A raw product of Poisson probabilities is 0 here, and its logarithm -inf (Lin & Ke 2011)."""
    p = Parameters(0.3, 0.5, 100.0, 300.0, 2000.0)
    buys, sells = np.array([300, 3000, 0, 400]), np.array([2000, 2100, 2000, 0])
    assert math.exp(-p.epsilon_sell) == 0.0  # how the mistake is made; its other half is 2000.0**2000, an overflow
    assert compute_log_likelihood(p, buys, sells) == pytest.approx(exact(p, buys, sells), rel=1e-12)
    many = compute_log_likelihood(replace(p, mu=1e6, epsilon_sell=1e6), 1000 * buys, 1000 * sells)
    assert math.isfinite(many)


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_moves_the_likelihood_as_its_own_formula_says(name):
    """Not so where all are read from the first: then four of five gradients are 0."""
    buys, sells = simulate_days(TRUE, 8, np.random.default_rng(1))
    moved = replace(TRUE, **{name: getattr(TRUE, name) * 1.25})
    before, after = (compute_log_likelihood(p, buys, sells) for p in (TRUE, moved))
    assert abs(after - before) > 1e-3
    assert after - before == pytest.approx(exact(moved, buys, sells) - exact(TRUE, buys, sells), rel=1e-9)


def test_parameters_are_read_in_the_order_of_their_names():
    assert TRUE.vector.tolist() == [0.4, 0.3, 50.0, 40.0, 60.0]
    assert TRUE.pin == pytest.approx(0.4 * 50 / (0.4 * 50 + 40 + 60))
    assert Parameters(0.4, 0.3, 50.0, 40.0, 40.0).pin == pytest.approx(20 / (20 + 2 * 40))


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_those_of_the_likelihood(seed):
    days = Days.from_counts(*simulate_days(TRUE, 40, np.random.default_rng(seed)))
    theta = TRUE.vector * np.random.default_rng(seed).uniform(0.9, 1.1, 5)
    steps = np.diag(theta * 1e-5)
    sides = [[compute_value_and_gradient(theta + sign * step, days) for step in steps] for sign in (1, -1)]
    width = 2 * steps.sum(axis=1)
    by_value = np.array([(up[0] - down[0]) for up, down in zip(*sides, strict=True)]) / width
    by_gradient = np.array([(up[1] - down[1]) for up, down in zip(*sides, strict=True)]) / width[:, None]
    np.testing.assert_allclose(compute_value_and_gradient(theta, days)[1], by_value, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(-compute_observed_information(theta, days), by_gradient, rtol=1e-5, atol=1e-6)


TRUTHS = [TRUE, Parameters(0.25, 0.6, 300.0, 400.0, 350.0), Parameters(0.5, 0.5, 15.0, 8.0, 6.0)]
SEEDS = range(5)


@cache
def recovered(true, seed):
    return fit_pin(*simulate_days(true, 200, np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("true", "seed"), slow_except([(TRUE, 0)], [(true, seed) for true in TRUTHS for seed in SEEDS])
)
def test_parameters_are_recovered_within_four_of_their_errors(true, seed):
    found = recovered(true, seed)
    error = np.array([found.errors[name] for name in NAMES])
    assert (np.abs(found.parameters.vector - true.vector) < 4 * error).all()
    assert (error < np.array([0.08, 0.12, 0.1 * true.mu, 0.1 * true.epsilon_buy, 0.1 * true.epsilon_sell])).all()
    assert abs(found.pin - true.pin) < 4 * found.errors["pin"]
    assert found.errors["pin"] < 0.03
    assert found.agreeing > 1
    assert found.notes == ()


@pytest.mark.slow
@pytest.mark.slow
def test_errors_are_as_wide_as_estimates_spread():
    """The root mean square of (estimate - truth)/error is near 1."""
    scores = []
    for true in TRUTHS:
        for seed in SEEDS:
            found = recovered(true, seed)
            off = np.append(found.parameters.vector - true.vector, found.pin - true.pin)
            scores.append(off / np.array(list(found.errors.values())))
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.25


@pytest.mark.slow
def test_one_epsilon_is_the_restriction():
    buys, sells = simulate_days(replace(TRUE, epsilon_sell=40.0), 120, np.random.default_rng(2))
    free, one = fit_pin(buys, sells), fit_pin(buys, sells, one_epsilon=True)
    assert one.parameters.epsilon_buy == one.parameters.epsilon_sell
    assert one.errors["epsilon_buy"] == one.errors["epsilon_sell"]
    assert one.errors["epsilon_buy"] < free.errors["epsilon_buy"]
    assert 0 <= free.log_likelihood - one.log_likelihood < 8  # 2·8 is far out in χ² of one degree of freedom
    assert abs(one.pin - one.parameters.pin) == 0
    apart = simulate_days(replace(TRUE, epsilon_sell=80.0), 120, np.random.default_rng(2))
    assert fit_pin(*apart).log_likelihood - fit_pin(*apart, one_epsilon=True).log_likelihood > 50


def test_no_nearby_parameters_are_likelier():
    buys, sells = simulate_days(TRUE, 60, np.random.default_rng(3))
    found = fit_pin(buys, sells)
    assert found.log_likelihood == compute_log_likelihood(found.parameters, buys, sells)
    for i in range(5):
        for factor in (0.99, 0.9999, 1.0001, 1.01):
            vector = found.parameters.vector
            vector[i] *= factor
            assert compute_log_likelihood(Parameters(*vector), buys, sells) < found.log_likelihood


@pytest.mark.parametrize("seed", slow_but_each(3, range(3)))
def test_swapping_buys_and_sells_mirrors_the_fit(seed):
    buys, sells = simulate_days(TRUE, 60, np.random.default_rng(seed))
    ours, mirror = fit_pin(buys, sells), fit_pin(sells, buys)
    a, d, m, b, s = ours.parameters.vector
    np.testing.assert_allclose(mirror.parameters.vector, [a, 1 - d, m, s, b], rtol=1e-4)
    assert mirror.log_likelihood == pytest.approx(ours.log_likelihood, rel=1e-12)
    assert mirror.errors["epsilon_sell"] == pytest.approx(ours.errors["epsilon_buy"], rel=1e-3)


@pytest.mark.slow
def test_the_same_counts_give_the_same_bits():
    days = simulate_days(TRUE, 40, np.random.default_rng(0))
    assert fit_pin(*days) == fit_pin(*days)
    assert fit_pin(*days) == fit_pin(*(d.astype(float) for d in days))


@pytest.mark.parametrize(
    ("true", "without", "note", "pin_known"),
    slow_but_each(
        4,
        [
            (replace(TRUE, delta=0.0), {"delta"}, "no bad news", True),
            (replace(TRUE, delta=1.0), {"delta"}, "no good news", True),
            (replace(TRUE, alpha=1.0), {"alpha"}, "every day has news", False),
            (replace(TRUE, epsilon_buy=0.0), {"epsilon_buy"}, "no uninformed buy", False),
        ],
    ),
)
def test_at_a_boundary_there_is_no_error_and_a_note(true, without, note, pin_known):
    found = fit_pin(*simulate_days(true, 80, np.random.default_rng(4)))
    assert {name for name in NAMES if math.isnan(found.errors[name])} == without
    assert len(found.notes) == 1
    assert found.notes[0].startswith(note)
    assert math.isnan(found.errors["pin"]) is not pin_known
    off = np.abs(found.parameters.vector - true.vector)
    assert all(off[i] < (0.01 if n in without else 4 * found.errors[n]) for i, n in enumerate(NAMES))


@pytest.mark.parametrize("one_epsilon", [False, True])
@pytest.mark.parametrize("seed", slow_but_each(3, range(3)))
def test_without_news_nothing_is_found(seed, one_epsilon):
    """The maximum alone would not say so: of days without news it may make a PIN of 0.2, with an error of 0.07."""
    days = simulate_days(Parameters(0.0, 0.5, 0.0, 40.0, 40.0), 200, np.random.default_rng(seed))
    found = fit_pin(*days, one_epsilon=one_epsilon)
    assert all(math.isnan(error) for error in found.errors.values())
    assert len(found.notes) == 1
    assert found.notes[0].startswith("days without any news fit about as well")


def test_days_that_are_all_alike_hold_no_information():
    found = fit_pin(np.full(30, 50), np.full(30, 50))
    assert math.isnan(found.errors["pin"])
    assert found.notes


@pytest.mark.parametrize(
    ("share", "epsilon"),
    slow_except([(0.5, 60.0), (0.08, 1e8)], [(s, e) for s in (0.08, 0.5, 5.0) for e in (1.5, 60.0, 4e4, 1e8)]),
)
def test_the_maximum_is_not_below_the_truth(epsilon, share):
    """From a few trades a day to a hundred million, with news small and large against ε."""
    true = Parameters(0.3, 0.4, share * epsilon, epsilon, 1.5 * epsilon)
    days = simulate_days(true, 60, np.random.default_rng(7))
    found = fit_pin(*days)
    assert found.log_likelihood >= compute_log_likelihood(true, *days)
    assert found.agreeing > 3


@pytest.mark.parametrize(
    ("buys", "sells", "sentence"),
    [
        (np.ones(19), np.ones(19), "19 days; five parameters need 20"),
        (np.ones(30), np.ones(29), "30 days of buys, 29 of sells"),
        (np.zeros(30), np.zeros(30), "no trades on 30 days"),
        (np.append(np.ones(29), -1), np.ones(30), "buys of day 30 is -1"),
        (np.ones(30), np.append(0.5, np.ones(29)), "sells of day 1 is 0.5"),
        (np.ones(30), np.append(np.nan, np.ones(29)), "sells of day 1 is nan"),
        (np.ones(30), np.append(np.inf, np.ones(29)), "sells of day 1 is inf"),
        (np.ones((30, 2)), np.ones(30), "buys must be one number per day"),
        (np.array(["1"] * 30), np.ones(30), "buys must be one number per day"),
    ],
)
def test_bad_counts_are_refused_in_a_sentence(buys, sells, sentence):
    with pytest.raises(DataError, match=sentence):
        fit_pin(buys, sells)


@pytest.mark.parametrize("bad", [{"alpha": 1.1}, {"delta": -0.1}, {"mu": math.nan}, {"epsilon_buy": math.inf}])
def test_bad_parameters_are_refused(bad):
    with pytest.raises(DataError, match=next(iter(bad))):
        replace(TRUE, **bad)


def test_one_sided_days_are_fitted_all_the_same():
    rng = np.random.default_rng(0)
    found = fit_pin(np.zeros(40), rng.poisson(20, 40) + rng.poisson(40, 40) * (rng.random(40) < 0.3))
    assert found.parameters.epsilon_buy < 1e-3
    assert {name for name in NAMES if math.isnan(found.errors[name])} == {"delta", "epsilon_buy"}
    assert [note[:12] for note in found.notes] == ["no good news", "no uninforme"]


def test_counts_are_of_orders_not_of_fills_in_whole_periods():
    book = [(100, 5, 102, 5)]
    told = [  # time, side, size: two fills of one order at 1.0, of another side at the same time, none of the feed
        (0.0, "B", 1), (1.0, "B", 1), (1.0, "B", 2), (1.0, "A", 1),
        (2.5, "N", 9), (3.0, "A", 1), (3.5, "B", 1), (6.0, "B", 1),
    ]  # fmt: skip
    rows = [{"t": t, "book": book, "action": "T", "side": side, "size": size} for t, side, size in told]
    buys, sells = count_orders(session(rows, close=5), 2 * SECOND)
    assert buys.tolist() == [1, 1]  # the one at the open belongs to no period, nor do those after the second
    assert sells.tolist() == [1, 1]
    with pytest.raises(DataError, match="shorter than one bar"):
        count_orders(session(rows, close=5), 6 * SECOND)
