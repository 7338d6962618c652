"""The probability of backtest overfitting: how often the best run in sample ranks below the median out of sample."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overfitting:
    """`pbo` is the share of choices that end in the lower half, `loss` of those whose mean there is below 0, over so
    many `combinations` of `parts` of time; NaN where not defined.
    """

    pbo: float
    loss: float
    combinations: int
    parts: int


def estimate_pbo(performance: Float, parts: int = 16) -> Overfitting:
    """Estimate the probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey, Borwein,
    López de Prado & Zhu 2017).

    `performance` (times, runs) is cut into `parts` of time; each half of the parts chooses the best run, the other half
    ranks it. `pbo` is the share of choices that end in the lower half, `loss` of those whose mean there is below 0.
    NaN with fewer than 2 runs, or where a part has fewer than 2 times. `parts` must be even.
    """
    times, runs = performance.shape
    if runs < 2 or times < 2 * parts:
        return Overfitting(float("nan"), float("nan"), combinations=0, parts=parts)
    sums = np.array([part.sum(axis=0) for part in np.array_split(performance, parts)])
    sizes = np.array([len(part) for part in np.array_split(performance, parts)])
    halves = np.array(list(combinations(range(parts), parts // 2)))
    chosen = np.zeros((len(halves), parts), bool)
    np.put_along_axis(chosen, halves, True, axis=1)
    inside = (chosen @ sums) / (chosen @ sizes)[:, None]
    outside = (~chosen @ sums) / (~chosen @ sizes)[:, None]
    best = inside.argmax(axis=1)
    reached = outside[np.arange(len(best)), best]
    # The middle of its rank among ties, over the runs and one: in (0, 1).
    rank = (outside < reached[:, None]).sum(axis=1) + ((outside == reached[:, None]).sum(axis=1) + 1) / 2
    low = rank / (runs + 1) <= 0.5
    return Overfitting(float(low.mean()), float((reached < 0).mean()), len(halves), parts)
