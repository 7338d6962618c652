"""t-statistics that are valid under autocorrelation and overlapping labels (Newey & West 1987).

Rows of one time (several symbols) are summed first, so that their common part counts once. The lag is 1.3 √T times, or
the number of times that a label overlaps if that is larger. With a lag that long, the normal distribution is too
narrow, so t is compared with Student's distribution with 1.5 T/(lag + 1) degrees of freedom (Lazarus, Lewis, Stock &
Watson 2018).
"""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.metrics.scores import ic

_MIN_TIMES = 20  # for a variance over lags


@dataclass(frozen=True, slots=True)
class TTest:
    """A t-statistic and its two-sided p-value; NaN where not defined."""

    t: float
    p: float


@dataclass(frozen=True, slots=True)
class SlopeTest:
    """The slope of outcomes on forecasts (1 for a forecast of the right size), its t and its two-sided p-value."""

    value: float
    t: float
    p: float


@dataclass(frozen=True, slots=True)
class HacStatistics:
    """The HAC tests of the IC and the slope, and their `lag` in distinct times."""

    lag: int
    ic: TTest
    slope: SlopeTest


def count_max_overlap(start: Int64, end: Int64) -> int:
    """Count, for each distinct label start, the later distinct starts before the label's end; return the maximum.

    `start` and `end` (n,) are in ns.
    """
    times, which = np.unique(start, return_inverse=True)
    until = times.copy()
    np.maximum.at(until, which, end)
    return int((np.searchsorted(times, until, side="left") - np.arange(len(times)) - 1).max(initial=0))


def choose_lag(times: int, overlapping: int) -> int:
    """Choose the lag of the HAC variance: the larger of 1.3 √T (Lazarus et al. 2018) and the overlap, at most T - 1."""
    return max(0, min(max(int(np.ceil(1.3 * np.sqrt(times))), overlapping), times - 1))


def estimate_long_run_variance(moments: Float, lag: int) -> float:
    """Estimate the variance of Σ `moments` (times,) with Bartlett weights up to `lag` (Newey & West 1987).

    Σ_j (1 - |j|/(lag + 1)) Σ_t m_t m_(t-j) over |j| <= lag is the mean over lag + 1 of the squared sums of all windows
    of lag + 1 times, those that reach beyond either end included. Its cost does not grow with the lag.
    """
    edge = np.zeros(lag + 1)
    before = np.cumsum(np.concatenate([edge, moments, edge[:-1]]))
    windows = before[lag + 1 :] - before[: -lag - 1]
    return float(windows @ windows) / (lag + 1)


def t_test(value: float, influence: Float, time: Int64, overlapping: int) -> TTest:
    """Test an estimate against 0 by a t-test whose error is the mean of `influence` (n,), in order of `time` (n,), ns.

    `t` and `p` are NaN with fewer than 20 times, or if the influence does not vary.
    """
    moments = sum_by_time(influence, time)
    lag, undefined = choose_lag(len(moments), overlapping), TTest(float("nan"), float("nan"))
    if len(moments) < _MIN_TIMES or not np.isfinite(moments).all():
        return undefined
    variance = estimate_long_run_variance(moments - moments.mean(), lag)
    if variance <= 0 or np.ptp(influence) == 0:
        return undefined
    from scipy.special import stdtr

    t = value / (np.sqrt(variance) / len(influence))
    return TTest(float(t), float(2 * stdtr(1.5 * len(moments) / (lag + 1), -abs(t))))


def sum_by_time(values: Float, time: Int64) -> Float:
    """Sum `values` (n,) over rows of the same time, (distinct times,); rows are in time order."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(time, prepend=time[0] - 1))) if len(time) else values


def compute_ic_influence(y: Float, y_hat: Float) -> Float:
    """Compute the influence (n,) of each row on the IC: a·b - IC/2 · (a² + b²), with a and b the standardised y and
    y_hat. NaN where y or y_hat is constant.
    """
    if len(y) < 2 or np.ptp(y) == 0 or np.ptp(y_hat) == 0:
        return np.full(len(y), np.nan)
    a, b = (y - y.mean()) / y.std(), (y_hat - y_hat.mean()) / y_hat.std()
    products = a * b
    return products - products.mean() / 2 * (a * a + b * b)


def fit_slope(y: Float, y_hat: Float) -> tuple[float, Float]:
    """Fit the least-squares slope of y on y_hat; return it and the influence (n,) of each row.

    NaN with fewer than 3 rows, or if y_hat is constant.
    """
    if len(y) < 3 or np.ptp(y_hat) == 0:
        return float("nan"), np.full(len(y), np.nan)
    b = y_hat - y_hat.mean()
    value = float(b @ y) / float(b @ b)
    return value, b * (y - y.mean() - value * b) / float(np.mean(b * b))


def compute_hac_statistics(y: Float, y_hat: Float, time: Int64, overlapping: int) -> HacStatistics:
    """Compute the HAC tests of the IC and the slope of predictions against 0; rows are in order of `time` (n,), ns."""
    value, influence = fit_slope(y, y_hat)
    slope_test = t_test(value, influence, time, overlapping)
    return HacStatistics(
        lag=choose_lag(len(np.unique(time)), overlapping),
        ic=t_test(ic(y, y_hat), compute_ic_influence(y, y_hat), time, overlapping),
        slope=SlopeTest(value, slope_test.t, slope_test.p),
    )
