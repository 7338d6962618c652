"""Slopes on several columns and their HAC errors against statsmodels."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import t as student

from ofiml.metrics.hac import choose_lag
from ofiml.metrics.slopes import fit_slopes

rng = np.random.default_rng(3)
N = 500
X = lfilter([1], [1, -0.5], rng.standard_normal((N, 3)), axis=0) @ [[1, 0.4, 0], [0, 1, 0.3], [0, 0, 5]]
Y = X @ [0.3, 0.0, -0.02] + 2.0 + (0.5 + np.abs(X[:, 0])) * lfilter([1, 1], [1], rng.standard_normal(N))


def test_slopes_and_errors_are_those_of_statsmodels():
    from statsmodels.regression.linear_model import OLS

    lag = choose_lag(N, 0)
    fit = OLS(Y, np.column_stack([np.ones(N), X])).fit(cov_type="HAC", cov_kwds={"maxlags": lag})
    found = fit_slopes(X, Y, np.arange(N))
    np.testing.assert_allclose(found.value, fit.params[1:])
    np.testing.assert_allclose(found.error, fit.bse[1:])
    freedom = 1.5 * N / (lag + 1)
    np.testing.assert_allclose(found.p, 2 * student.sf(np.abs(fit.tvalues[1:]), freedom))
    assert found.reach == pytest.approx(student.ppf(0.975, freedom))


def test_one_column_alone_is_fitted_too():
    assert fit_slopes(X[:, :1], Y, np.arange(N)).value == pytest.approx(np.polyfit(X[:, 0], Y, 1)[:1])


def test_a_column_that_others_explain_has_no_slope():
    found = fit_slopes(np.column_stack([X[:, 0], np.ones(N), X[:, 1], 2 * X[:, 1] + 3]), Y, np.arange(N))
    assert np.isnan(found.value).tolist() == np.isnan(found.error).tolist() == [False, True, True, True]


def test_few_rows_have_slopes_without_errors():
    found = fit_slopes(X[:12], Y[:12], np.arange(12))
    assert np.isfinite(found.value).all()
    assert np.isnan(found.error).all()
