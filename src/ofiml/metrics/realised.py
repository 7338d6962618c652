"""Realised volatility of a sample of returns, with its standard errors."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.metrics.hac import choose_lag, estimate_long_run_variance

_MIN_RETURNS = 10  # for a standard error


@dataclass(frozen=True, slots=True)
class Volatility:
    """The `count` of returns, the root of their mean square, its two standard errors, and the kurtosis of the returns.

    `error` is that of independent returns, `clustered_error` allows for squares that are autocorrelated. All but
    `count` are in the unit of the returns, the kurtosis (about 0, not in excess: 3 for a normal distribution) in none.
    """

    count: int
    value: float
    error: float
    clustered_error: float
    kurtosis: float


def measure_volatility(returns: Float) -> Volatility:
    """Measure the volatility σ of returns (n,), in their order: σ² is the mean of r², without a mean taken off.

    The error of σ² is √((m4 - σ⁴)/n) with the fourth moment m4 = Σ r⁴/n, and σ has that over 2σ (delta method). The
    clustered error has the long-run variance of r² in place of m4 - σ⁴ (Newey & West 1987), with the lag of `hac`.
    NaN without returns; errors are NaN with fewer than 10, or if σ is 0. Returns of NaN are an error of the caller.
    """
    n = len(returns)
    squares = returns**2
    mean = float(squares.mean()) if n else float("nan")
    sigma = float(np.sqrt(mean))
    if n < _MIN_RETURNS or mean == 0:
        return Volatility(n, sigma, float("nan"), float("nan"), float("nan"))
    fourth = float((squares**2).mean())
    long_run = estimate_long_run_variance(squares - mean, choose_lag(n, 0))
    return Volatility(
        count=n,
        value=sigma,
        error=float(np.sqrt(max(fourth - mean**2, 0.0) / n)) / (2 * sigma),
        clustered_error=float(np.sqrt(max(long_run, 0.0))) / n / (2 * sigma),
        kurtosis=fourth / mean**2,
    )
