"""Tests between runs over the same times: Diebold-Mariano, superior predictive ability, model confidence set.

A performance is an array (times, runs) whose column means are the measure. For IC and Sharpe ratio its entries are
contributions of rows, which include the estimation error of the standard deviations.
"""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.metrics.bootstrap import MIN_BLOCKS, draw_counts
from ofiml.metrics.hac import (
    choose_lag,
    compute_ic_influence,
    sum_by_time,
    t_test,
)
from ofiml.metrics.scores import ic

_MIN_VARIANCE = 1e-12  # relative to 1; a draw of equal blocks has no variance


@dataclass(frozen=True, slots=True)
class DieboldMariano:
    """The mean difference of two performances, its t and two-sided p-value, and `error`, half the width of its 95 %
    interval; NaN where not defined.
    """

    mean: float
    t: float
    p: float
    error: float


@dataclass(frozen=True, slots=True)
class SuperiorAbility:
    """The p-values of "no run has skill": Hansen's `spa` and White's `reality_check`; NaN where not defined."""

    spa: float
    reality_check: float


def compute_ic_contributions(y: Float, y_hat: Float) -> Float:
    """Compute each row's contribution (n,) to the IC, whose mean is the IC; 0 for a constant y or y_hat."""
    if np.ptp(y_hat) == 0 or np.ptp(y) == 0:
        return np.zeros(len(y))
    return ic(y, y_hat) + compute_ic_influence(y, y_hat)


def compute_r2_contributions(y: Float, y_hat: Float, train_mean: Float) -> Float:
    """Compute each row's contribution (n,) to the out-of-sample R², whose mean is that R²."""
    base = (y - train_mean) ** 2
    return (base - (y - y_hat) ** 2) / base.mean() if base.any() else np.zeros(len(y))


def compute_sharpe_contributions(gains: Float) -> Float:
    """Compute each gain's contribution (n,) to the Sharpe ratio per observation (Lo 2002); 0 for constant gains."""
    if np.ptp(gains) == 0:
        return np.zeros(len(gains))
    z = (gains - gains.mean()) / gains.std()
    ratio = float(gains.mean() / gains.std())
    return ratio + z - ratio / 2 * (z * z - 1)


def diebold_mariano(difference: Float, overlapping: int) -> DieboldMariano:
    """Test whether the mean `difference` (times,) between two performances is 0 (Diebold & Mariano 1995).

    The variance is that of `hac`. The small-sample correction is that of Harvey, Leybourne & Newbold (1997), with
    horizon `overlapping` + 1. NaN where `hac.t_test` is NaN.
    """
    from scipy.special import stdtr, stdtrit

    n, h = len(difference), overlapping + 1
    mean = float(difference.mean()) if n else float("nan")
    test = t_test(mean, difference, np.arange(n), overlapping)
    correction = (n + 1 - 2 * h + h * (h - 1) / n) / n if n else float("nan")
    if test.t != test.t or not correction > 0:
        return DieboldMariano(mean, t=float("nan"), p=float("nan"), error=float("nan"))
    t = test.t * float(np.sqrt(correction))
    freedom = min(n - 1, 1.5 * n / (choose_lag(n, overlapping) + 1))
    error = abs(mean / t) * float(stdtrit(freedom, 0.975)) if t else float("nan")
    return DieboldMariano(mean, t, float(2 * stdtr(freedom, -abs(t))), error)


def average_by_time(rows: Float, time: Int64) -> Float:
    """Average the performance of rows (n,) over symbols by distinct time, (times,), scaled to keep the mean."""
    sums = sum_by_time(rows, time)
    return sums * (len(sums) / len(rows))


def find_distinct(performance: Float) -> tuple[list[int], Int64]:
    """Find the distinct columns: the first of each, and the index of every column (runs,) among the distinct ones."""
    _, first, which = np.unique(performance, axis=1, return_index=True, return_inverse=True)
    return first.tolist(), which.reshape(-1).astype(np.int64)


def superior_ability(performance: Float, block: Int64, *, samples: int, seed: int) -> SuperiorAbility:
    """Test the hypothesis that no column has a mean above 0, by a bootstrap of whole blocks.

    `spa` is Hansen's (2005) test of superior predictive ability, which discounts columns far below 0. `reality_check`
    is White's (2000), which does not.

    `block` (times,) numbers the block of each time from 0. The statistic is the largest t of a column's sums over
    blocks; each draw uses its own standard deviations (bootstrap-t). Columns of any scale therefore count equally, and
    few blocks give wide tails. Columns that do not vary are left out. NaN if none varies, or with fewer than 8 blocks.
    """
    count = int(block.max(initial=-1)) + 1
    if count < MIN_BLOCKS:
        return SuperiorAbility(float("nan"), float("nan"))
    sums = np.zeros((count, performance.shape[1]))
    np.add.at(sums, block, performance)
    varying = (np.ptp(performance, axis=0) > 0) & (sums.std(axis=0) > _MIN_VARIANCE * np.abs(sums).max(axis=0))
    if not varying.any():
        return SuperiorAbility(float("nan"), float("nan"))
    sums = sums[:, varying]
    centre, deviation = sums.mean(axis=0), sums.std(axis=0, ddof=1)
    ratio = centre / deviation  # t = √count · ratio
    far = np.sqrt(count) * ratio < -np.sqrt(2 * np.log(np.log(count)))
    z, rng = (sums - centre) / deviation, np.random.default_rng(seed)
    exceedances = {"spa": 1, "reality_check": 1}  # the sample itself counts as a draw
    for times in draw_counts(count, samples, rng):
        mean = times @ z / count
        variance = np.maximum(times @ (z * z) / count - mean * mean, _MIN_VARIANCE) * count / (count - 1)
        for name, shift in (("spa", np.where(far, ratio, 0.0)), ("reality_check", 0.0)):
            statistic = ((mean + shift) / np.sqrt(variance)).max(axis=1)
            exceedances[name] += int((np.maximum(statistic, 0) >= max(ratio.max(), 0)).sum())
    return SuperiorAbility(exceedances["spa"] / (samples + 1), exceedances["reality_check"] / (samples + 1))


def confidence_set(performance: Float, *, block: int, samples: int, seed: int) -> Float:
    """Compute each column's p-value (runs,) in the model confidence set (Hansen, Lunde & Nason 2011, range statistic).
    The set at a level consists of the columns with p above 1 - level. Columns must differ from each other.
    """
    from arch.bootstrap import MCS

    if performance.shape[1] < 2:
        return np.ones(performance.shape[1])
    test = MCS(
        -performance,
        size=0.05,
        reps=samples,
        block_size=block,
        method="R",
        bootstrap="stationary",
        seed=np.random.default_rng(seed),
    )
    test.compute()
    return test.pvalues["Pvalue"].sort_index().to_numpy(dtype=np.float64)
