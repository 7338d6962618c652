"""The slopes of a regression on several columns, with errors that allow for autocorrelation and unequal variances."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.metrics.hac import choose_lag, fit_slope, t_test

_ROUNDING_SHARE = 1e-12  # of a column's variance: what rounding leaves of one that the others explain


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slopes on k columns, their standard errors and two-sided p-values against 0, (k,) each; NaN where undefined.

    `reach` is half the width of a 95% interval in errors, a quantile of Student's distribution.
    """

    value: Float
    error: Float
    p: Float
    reach: float


def fit_slopes(x: Float, y: Float, time: Int64) -> Slopes:
    """Fit y (n,) on the columns of x (n, k) and a constant by least squares; rows are in order of `time` (n,), ns.

    A slope is that of y on what the other columns do not explain of its own (Frisch & Waugh 1933), and its error is
    that of `metrics.hac.t_test`. NaN for a column that the others explain, and errors with fewer than 20 times.
    """
    from scipy.special import stdtrit

    k = x.shape[1]
    x, y = x - x.mean(axis=0), y - y.mean()
    found = np.full((3, k), np.nan)
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ beta
    for j in range(k):
        others = np.delete(x, j, axis=1)
        own = x[:, j] - others @ np.linalg.lstsq(others, x[:, j], rcond=None)[0]
        if own @ own <= _ROUNDING_SHARE * (x[:, j] @ x[:, j]):
            continue
        slope, _ = fit_slope(y, own)
        test = t_test(slope, own * residual / np.mean(own * own), time, 0)
        found[:, j] = slope, abs(slope / test.t) if test.t else np.nan, test.p
    times = len(np.unique(time))
    return Slopes(found[0], found[1], found[2], reach=float(stdtrit(1.5 * times / (choose_lag(times, 0) + 1), 0.975)))
