"""The moments and the range of a sample."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float

_MIN_ROWS = 4  # for a kurtosis


@dataclass(frozen=True, slots=True)
class Moments:
    """The number of values, their mean, standard deviation (n - 1), skewness, excess kurtosis, minimum and maximum.

    Skewness and kurtosis are ratios of central moments without correction, 0 for a normal distribution.
    """

    count: int
    mean: float
    deviation: float
    skewness: float
    kurtosis: float
    minimum: float
    maximum: float


def measure_moments(x: Float) -> Moments:
    """Measure the moments of x (n,).

    The deviation is NaN with fewer than 2 values; skewness and kurtosis are NaN with fewer than 4, or if x is constant.
    All are NaN for an empty x, or if a value is.
    """
    if len(x) == 0:
        return Moments(0, *[float("nan")] * 6)
    mean = float(x.mean())
    deviation = float(x.std(ddof=1)) if len(x) > 1 else float("nan")
    skewness = kurtosis = float("nan")
    if len(x) >= _MIN_ROWS and np.ptp(x) > 0:
        z = (x - mean) / x.std()
        skewness, kurtosis = float(np.mean(z**3)), float(np.mean(z**4)) - 3
    return Moments(len(x), mean, deviation, skewness, kurtosis, float(x.min()), float(x.max()))
