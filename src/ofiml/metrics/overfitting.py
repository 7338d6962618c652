"""The probability of backtest overfitting: that the best run in sample ranks below the median out of sample."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ofiml._typing import Float


@dataclass(frozen=True, slots=True)
class Overfitting:
    """The result of `estimate_pbo`. `pbo` is the share of chosen runs that rank in the lower half out of sample, and
    `loss` the share with a mean below 0, over all `combinations` of `parts` of time; NaN where not defined.
    """

    pbo: float
    loss: float
    combinations: int
    parts: int


def estimate_pbo(performance: Float, parts: int = 16) -> Overfitting:
    """Estimate the probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey, Borwein,
    López de Prado & Zhu 2017).

    `performance` (times, runs) is cut into `parts` of time, an even number. Each choice of half of the parts selects
    the best run, and the other half ranks it. NaN with fewer than 2 runs, or if a part has fewer than 2 times.
    """
    times, runs = performance.shape
    if runs < 2 or times < 2 * parts:
        return Overfitting(float("nan"), float("nan"), combinations=0, parts=parts)
    sums = np.array([part.sum(axis=0) for part in np.array_split(performance, parts)])
    sizes = np.array([len(part) for part in np.array_split(performance, parts)])
    halves = np.array(list(combinations(range(parts), parts // 2)))
    mask = np.zeros((len(halves), parts), bool)
    np.put_along_axis(mask, halves, True, axis=1)
    inside = (mask @ sums) / (mask @ sizes)[:, None]
    outside = (~mask @ sums) / (~mask @ sizes)[:, None]
    best = inside.argmax(axis=1)
    mean = outside[np.arange(len(best)), best]
    # The mean rank among ties; over runs + 1 it lies in (0, 1).
    rank = (outside < mean[:, None]).sum(axis=1) + ((outside == mean[:, None]).sum(axis=1) + 1) / 2
    low = rank / (runs + 1) <= 0.5
    return Overfitting(float(low.mean()), float((mean < 0).mean()), len(halves), parts)
