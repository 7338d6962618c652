"""Linear fits over levels against normal equations, and what they may not know."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso, RidgeCV

from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.level_fits import (
    estimate_rmse_gain,
    find_near_rows,
    fit_folds,
    fit_least_squares,
    fit_mean,
    fit_powell,
    fit_seen_outliers,
    fit_without_flow_outliers,
    make_lasso,
    make_ridge,
)
from ofiml.splits.fold import Fold

NONE = np.empty(0, np.int64)
FOLDS = [Fold(k, np.arange(100 + 50 * k), np.arange(100 + 50 * k, 150 + 50 * k), NONE, NONE) for k in range(2)]
FITS = {
    "mean": fit_mean,
    "least squares": fit_least_squares,
    "ridge": make_ridge(np.logspace(-2, 4, 7)),
    "ridge without extreme rows": make_ridge(np.logspace(-2, 4, 7), reach=3.0),
    "lasso": make_lasso(10, 3),
    "powell": fit_powell,
}


def draw(seed=0, n=200, k=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) * [1.0, 30.0, 5.0][:k] + 2.0
    return x, x @ np.array([0.5, 0.02, 0.0][:k]) + 1.0 + rng.normal(size=n)


def test_least_squares_solves_the_normal_equations():
    x, y = draw()
    design = np.column_stack([np.ones(len(x)), x])
    expected = np.linalg.solve(design.T @ design, design.T @ y)
    fit = fit_least_squares(x, y)
    assert [fit.intercept, *fit.weights] == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [0.1, 50.0, 5000.0])
def test_ridge_solves_the_penalised_equations_of_standardised_columns(alpha):
    x, y = draw()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = np.linalg.solve(z.T @ z + alpha * np.eye(3), z.T @ (y - y.mean()))
    fit = make_ridge(np.array([alpha]))(x, y)
    assert fit.weights * x.std(axis=0) == pytest.approx(expected)
    assert fit.predict(x).mean() == pytest.approx(y.mean())


def test_ridge_chooses_the_penalty_of_the_least_error_on_rows_left_out():
    x, y = draw(3, n=40)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    centred, alphas = y - y.mean(), np.array([0.01, 10.0, 1000.0])

    def leave_out(alpha):
        hat = z @ np.linalg.solve(z.T @ z + alpha * np.eye(3), z.T) + 1 / len(y)
        return np.mean(((y - hat @ centred - y.mean()) / (1 - np.diag(hat))) ** 2)

    best = min(alphas, key=leave_out)
    expected = np.linalg.solve(z.T @ z + best * np.eye(3), z.T @ centred)
    assert make_ridge(alphas)(x, y).weights * x.std(axis=0) == pytest.approx(expected)


def test_extreme_rows_do_not_choose_the_penalty_but_are_fitted():
    x, y = draw(5)
    x[7] *= 400.0  # far off the line
    alphas, near = np.logspace(-2, 6, 30), np.arange(200) != 7
    whole, robust = make_ridge(alphas)(x, y), make_ridge(alphas, reach=10.0)(x, y)
    assert whole.penalty > 10 * robust.penalty
    np.testing.assert_array_equal(find_near_rows(x, 10.0), near)
    # The columns keep the scale of all rows when the rows that choose are scored.
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    assert robust.penalty == RidgeCV(alphas=alphas).fit(z[near], y[near]).alpha_
    expected = np.linalg.solve(z.T @ z + robust.penalty * np.eye(3), z.T @ (y - y.mean()))
    assert robust.weights * x.std(axis=0) == pytest.approx(expected)
    np.testing.assert_array_equal(make_ridge(alphas, reach=1e9)(x, y).weights, whole.weights)


def test_powell_finds_non_negative_weights():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4000, 3))
    fit = fit_powell(x, x @ np.array([3.0, 1.0, -2.0]) + 0.1 * rng.normal(size=4000))
    assert fit.weights[2] == pytest.approx(0, abs=1e-3)
    assert fit.weights[0] / fit.weights[1] == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("name", FITS)
def test_no_fit_learns_from_test_rows(name):
    x, y = draw()
    before = fit_folds(x, y, FOLDS, FITS[name])
    other_x, other_y = x.copy(), y.copy()
    other_x[150:], other_y[150:] = 9.0, -9.0  # rows that fold 1 tests and no fold trains on
    after = fit_folds(other_x, other_y, FOLDS, FITS[name])
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_array_equal(after.inside, before.inside)
    np.testing.assert_array_equal(after.outside[:50], before.outside[:50])
    assert not np.allclose(after.outside[50:], before.outside[50:])


def test_errors_are_those_of_the_rows():
    x, y = draw()
    errors = fit_folds(x, y, FOLDS, fit_mean)
    assert errors.outside == pytest.approx(np.r_[y[100:150] - y[:100].mean(), y[150:] - y[:150].mean()])
    assert len(errors.inside) == 100 + 150
    assert errors.rmse[1] == pytest.approx(np.sqrt(np.mean(errors.outside**2)))


def test_a_gain_is_the_share_by_which_the_error_is_lower():
    bootstrap, block = BlockBootstrap(200, 0.95, None, 7), np.repeat(np.arange(20), 5)
    base = np.random.default_rng(0).normal(size=100)
    half = estimate_rmse_gain(base, -0.5 * base, block, bootstrap)
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5, 0.5))
    other = estimate_rmse_gain(base, np.random.default_rng(1).normal(size=100), block, bootstrap)
    assert other.low < other.value < other.high


def test_outliers_of_flow_are_left_out_of_training_only():
    x, y = draw(k=1)
    y += 3 * x[:, 0]
    x[:5] += [[60.0], [61.0], [62.0], [63.0], [64.0]]  # off the line, and the 5% of the train rows that are outliers
    (fold,), mean = FOLDS[:1], y[:100].mean()
    fits = fit_without_flow_outliers(x, y, [fold], seed=7)
    clean = y[fold.test] - fit_least_squares(x[5:100], y[5:100]).predict(x[fold.test])
    whole = y[fold.test] - fit_least_squares(x[:100], y[:100]).predict(x[fold.test])
    total = y[fold.test] - mean
    assert fits.trimmed == pytest.approx(1 - clean @ clean / (total @ total))
    assert fits.all == pytest.approx(1 - whole @ whole / (total @ total))
    assert fits.trimmed > fits.all + 0.5


def test_the_forest_of_a_fold_knows_neither_moves_nor_test_rows():
    x, y = draw(k=1)
    whole = fit_without_flow_outliers(x, y, FOLDS[:1], seed=7)
    # A line is equivariant: with the move upside down, the same rows are outliers and each R² is the same.
    assert fit_without_flow_outliers(x, 5 - 3 * y, FOLDS[:1], seed=7).trimmed_kept == pytest.approx(whole.trimmed_kept)
    later = x.copy()
    later[150:] = 99.0
    assert fit_without_flow_outliers(later, y, FOLDS[:1], seed=7) == whole


def test_a_forest_that_sees_the_move_drops_large_moves():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1000, 1))
    y = rng.standard_t(3, 1000)  # nothing to explain
    seen, flow = (fit_seen_outliers(x, y, 7, with_target=target) for target in (True, False))
    assert seen.dropped == pytest.approx(0.05, abs=0.005)
    assert seen.dropped_variance > 0.3
    assert flow.dropped_variance < 0.12
    assert seen.trimmed_rmse < 0.85 * seen.rmse
    assert seen.rmse == flow.rmse
    assert abs(flow.trimmed_rmse / flow.rmse - 1) < 0.05


def test_the_penalty_of_lasso_is_chosen_over_successive_parts():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((200, 4)) * [1, 2, 3, 4] + 5
    y = 0.3 * x[:, 0] - 0.1 * x[:, 1] + rng.standard_normal(200)
    found = make_lasso(20, 4)(x, y)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    highest = np.abs(z.T @ (y - y.mean())).max() / 200
    errors = {}
    for alpha in highest * np.logspace(0, -3, 20):
        parts = []
        for test in np.split(np.arange(200), 4):
            train = np.setdiff1d(np.arange(200), test)
            lasso = Lasso(alpha=alpha).fit(z[train], y[train])
            parts.append(np.mean((y[test] - lasso.predict(z[test])) ** 2))
        errors[alpha] = np.mean(parts)
    assert found.penalty == pytest.approx(min(errors, key=errors.get))
    # The optimum: each residual correlation is the penalty where a weight is not 0, and at most that elsewhere.
    pull = z.T @ (y - found.predict(x)) / 200
    scaled = found.weights * x.std(axis=0)
    assert pull[scaled != 0] == pytest.approx(found.penalty * np.sign(scaled[scaled != 0]), abs=1e-3)
    assert (np.abs(pull) <= found.penalty + 1e-3).all()
    assert 0 < np.count_nonzero(scaled) < 4
