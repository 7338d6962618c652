"""Rows standardised in place, block by block, have the bits of scikit-learn's transformers."""

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from ofiml.models import standard_rows
from ofiml.models.standard_rows import StandardRows, compute_medians, fit_scaler

ROWS = 1001


def make_rows(width):
    """Make integers, normal numbers with gaps, a constant with a rounding error, zeros, and a column without values."""
    rng = np.random.default_rng(width)
    kinds = [
        rng.integers(-30, 30, ROWS).astype(np.float64),
        np.where(rng.random(ROWS) < 0.1, np.nan, rng.standard_normal(ROWS) * 1e3),
        np.full(ROWS, 0.1),
        np.zeros(ROWS),
        np.full(ROWS, np.nan),
        1e6 + rng.standard_normal(ROWS),
    ]
    return np.column_stack([kinds[j % len(kinds)] for j in range(width)])


@pytest.mark.parametrize("width", [1, 2, 3, 6, 10, 41])
@pytest.mark.parametrize("values", [1, 64, 1 << 16])  # of a block: a row, several rows, all rows
def test_rows_are_those_of_scikit_learn(width, values, monkeypatch):
    monkeypatch.setattr(standard_rows, "_BLOCK_VALUES", values)
    x = make_rows(width)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(x)
    scaler = StandardScaler().fit(imputer.transform(x))
    expected = scaler.transform(imputer.transform(x))
    rows = StandardRows.of(x)
    assert rows.x is x
    np.testing.assert_array_equal(rows.imputer.statistics_, imputer.statistics_)
    for name in ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_"):
        np.testing.assert_array_equal(getattr(rows.scaler, name), getattr(scaler, name))
    assert set(vars(rows.scaler)) == set(vars(scaler))
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(rows.mean, expected.mean(axis=0))


def test_a_scaler_leaves_its_rows_as_they_are():
    x = np.random.default_rng(0).standard_normal((ROWS, 3))
    given = x.copy()
    scaler = fit_scaler(x)
    np.testing.assert_array_equal(scaler.transform(x), StandardScaler().fit_transform(given))
    np.testing.assert_array_equal(x, given)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 1000])
def test_medians_are_those_of_numpy(count):
    x = np.random.default_rng(count).integers(-5, 5, (count, 4)) / 3
    x[::2, 3] = np.nan
    with np.errstate(all="ignore"):
        expected = [np.median(column[~np.isnan(column)]) if not np.isnan(column).all() else np.nan for column in x.T]
    np.testing.assert_array_equal(compute_medians(x), expected)
