"""Tails of whole numbers: a power law by maximum likelihood, beside an exponential (Clauset, Shalizi & Newman 2009)."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64

MIN_TAIL = 100  # values that a tail needs
_CANDIDATES = 60  # thresholds that are tried
_STEEPEST = 20.0  # density exponent


@dataclass(frozen=True, slots=True)
class Tail:
    """The power law of the `count` values from `start` on: P(X >= x) falls as x to the power -`exponent`.

    `error` is the exponent's standard error for independent values. `distance` is the largest difference between the
    cumulative shares of the values and of the law. `vuong` is Vuong's z of the power law against the exponential
    (geometric) law: above 0 the power law is nearer, beyond 1.96 in size the difference is more than chance.
    """

    start: int
    count: int
    exponent: float
    error: float
    distance: float
    vuong: float


def fit_tail(x: Int64) -> Tail:
    """Fit the tail of whole numbers x (n,) >= 1; the threshold is the one with the smallest distance.

    Thresholds are values of x that leave at least 100, at most 60 of them, even in number of distinct values. All but
    `count` and `start`, which are 0, are NaN if there is none.
    """
    values, counts = np.unique(x, return_counts=True)
    left = np.cumsum(counts[::-1])[::-1]
    usable = np.flatnonzero((left >= MIN_TAIL) & (np.arange(len(values)) < len(values) - 1))
    if not len(usable):
        return Tail(0, 0, *[float("nan")] * 4)
    tried = usable[np.unique(np.linspace(0, len(usable) - 1, _CANDIDATES).astype(np.int64))]
    return min((fit_tail_from(values[k:], counts[k:]) for k in tried), key=lambda tail: tail.distance)


def fit_tail_from(values: Int64, counts: Int64) -> Tail:
    """Fit the tail of sorted distinct `values` (k,) >= 1 with their `counts` (k,), all of which belong to it."""
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    start, n = int(values[0]), int(counts.sum())
    logs = float(counts @ np.log(values)) / n
    best = minimize_scalar(lambda a: np.log(zeta(a, start)) + a * logs, bounds=(1.0001, _STEEPEST), method="bounded")
    density = float(best.x)
    total = float(zeta(density, start))
    below = np.cumsum(counts) / n
    distance = float(np.max(np.abs(below - (1 - zeta(density, values + 1.0) / total))))
    # The exponential law on start, start + 1, … with the mean of the values.
    ratio = float(counts @ (values - start)) / n
    decay = ratio / (1 + ratio)
    power = -np.log(total) - density * np.log(values)
    exponential = np.log1p(-decay) + (values - start) * np.log(decay)
    return Tail(
        start=start,
        count=n,
        exponent=density - 1,
        error=float(1 / np.sqrt(n * _measure_curvature(density, start))),
        distance=distance,
        vuong=_compare(power - exponential, counts),
    )


def _measure_curvature(density: float, start: int, step: float = 1e-3) -> float:
    """Measure the Fisher information of one value: the second derivative of log ζ(density, start)."""
    from scipy.special import zeta

    low, middle, high = np.log(zeta(density + step * np.array([-1.0, 0.0, 1.0]), start))
    return float(low - 2 * middle + high) / step**2


def _compare(difference: Float, counts: Int64) -> float:
    """Compute Vuong's z of the differences (k,) of log-likelihoods, which occur `counts` times."""
    n = counts.sum()
    mean = counts @ difference / n
    deviation = np.sqrt(max(counts @ (difference - mean) ** 2 / n, 0.0))
    return float(np.sqrt(n) * mean / deviation) if deviation > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class RoundNumbers:
    """How often whole numbers are multiples: their `share` of all, `times` as often as their neighbours, and the ends
    of its 95 % interval, which takes values for independent.
    """

    share: float
    times: float
    low: float
    high: float


def measure_round_numbers(x: Int64, step: int) -> RoundNumbers:
    """Measure the multiples of `step` >= 3 in x (n,) beside the mean of their neighbours, one below and one above.

    In a distribution without preference the ratio is about 1, whatever its slope. `share` is NaN without values, the
    ratio and its interval if no value is a multiple, or none a neighbour.
    """
    if not len(x):
        return RoundNumbers(*[float("nan")] * 4)
    rest = x % step
    there = int(((rest == 0) & (x > 0)).sum())
    beside = int((((rest == 1) & (x > step)) | (rest == step - 1)).sum())
    share = there / len(x)
    if not there or not beside:
        return RoundNumbers(share, *[float("nan")] * 3)
    times, spread = 2 * there / beside, float(np.exp(1.96 * np.sqrt(1 / there + 1 / beside)))
    return RoundNumbers(share, times, times / spread, times * spread)
