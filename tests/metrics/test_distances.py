"""Distances between samples against scipy's, and spectra against the eigenvalues of a covariance."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from ofiml.metrics.distances import compute_spectrum, ks_distance


def test_the_distance_by_hand():
    assert ks_distance(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1
    assert ks_distance(np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.0, 2.0])) == 0
    assert ks_distance(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])) == 0.25
    assert np.isnan(ks_distance(np.array([]), np.array([1.0])))


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-4, 5, 137).astype(float), rng.normal(0.5, 2.0, 61).round(1)
    assert ks_distance(a, b) == pytest.approx(ks_2samp(a, b).statistic)


def test_shares_are_the_eigenvalues_of_the_covariance():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) * [1.0, 5.0, 0.1, 2.0]
    for standardise, matrix in ((False, np.cov(x, rowvar=False)), (True, np.corrcoef(x, rowvar=False))):
        values = np.linalg.eigvalsh(matrix)[::-1]
        assert compute_spectrum(x, standardise=standardise) == pytest.approx(values / values.sum())


def test_a_column_without_variation_has_no_share():
    x = np.column_stack([np.arange(5.0), np.ones(5)])
    assert compute_spectrum(x, standardise=True) == pytest.approx([1.0, 0.0])
    assert np.isnan(compute_spectrum(np.ones((5, 2)), standardise=True)).all()
    assert compute_spectrum(x[:1] + np.zeros((1, 2)), standardise=False).shape == (2,)
