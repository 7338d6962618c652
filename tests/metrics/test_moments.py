"""Moments against scipy's, and where they are not defined."""

import numpy as np
import pytest
from scipy import stats

from ofiml.metrics.moments import measure_moments


def test_moments_are_scipys():
    x = np.random.default_rng(1).gamma(2.0, size=500) - 3
    m, expected = measure_moments(x), stats.describe(x, ddof=1)
    assert (m.count, m.minimum, m.maximum) == (expected.nobs, *expected.minmax)
    ours = m.mean, m.deviation**2, m.skewness, m.kurtosis
    assert ours == pytest.approx((expected.mean, expected.variance, expected.skewness, expected.kurtosis), rel=1e-12)
    assert m.skewness > 0.5


@pytest.mark.parametrize(
    ("values", "defined"),
    [
        ([], set()),
        ([2.0], {"mean", "minimum", "maximum"}),
        ([2.0, 3.0, 4.0], {"mean", "minimum", "maximum", "deviation"}),
        ([2.0] * 9, {"mean", "minimum", "maximum", "deviation"}),
        ([1.0, np.nan, 2.0, 3.0, 4.0], set()),
    ],
)
def test_what_is_not_defined_is_nan(values, defined):
    m = measure_moments(np.array(values, float))
    names = ("mean", "deviation", "skewness", "kurtosis", "minimum", "maximum")
    assert m.count == len(values)
    assert {name for name in names if not np.isnan(getattr(m, name))} == defined
