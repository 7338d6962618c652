"""The exponent of the power queue nearest to the truth's share of lots, or to the exact queue's times of fills."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.microstructure.fills.estimates import LEVEL, DaySums

#: The exponents that are tried; between them the share is interpolated over their logarithm.
POWERS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0)

_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Exponent:
    """An exponent fitted on some days, with its interval; percentiles of 1,000 bootstrap draws of days.

    `reached` is False if no exponent does what was asked, as for none of POWERS the model is near enough: `value` is
    then the nearest of them. `share_reached` is the share of draws in which one does. `by_power` has what the model
    does with each of POWERS, and `target` what it should do.
    """

    value: float
    low: float
    high: float
    reached: bool
    share_reached: float
    target: float
    by_power: list[float]

    @property
    def identified(self) -> bool:
        """Whether the days tell exponents apart: the fit succeeded in nearly all draws."""
        return self.reached and self.share_reached >= LEVEL


def fit_to_share(truth: DaySums, by_power: Sequence[DaySums], seed: int) -> Exponent:
    """Fit the exponent with which the share of lots filled is the truth's; one of `by_power` for each of POWERS."""

    def fit(days: Int64) -> tuple[float, bool]:
        return find_crossing(_average(by_power, days), float(_average([truth], days)[0]))

    return _fit(fit, truth.mean, by_power, seed)


def fit_to_waits(errors: Sequence[DaySums], seed: int) -> Exponent:
    """Fit the exponent with the smallest error, of `sum_wait_errors`, among POWERS."""

    def fit(days: Int64) -> tuple[float, bool]:
        return POWERS[int(np.argmin(_average(errors, days)))], True

    return _fit(fit, 0.0, errors, seed)


def _average(sums: Sequence[DaySums], days: Int64) -> Float:
    """Average over some days, for each of `sums`."""
    return np.array([one.total[days].sum() / one.weight[days].sum() for one in sums])


def _fit(fit: Callable[[Int64], tuple[float, bool]], target: float, by_power: Sequence[DaySums], seed: int) -> Exponent:
    count = len(by_power[0].total)
    value, reached = fit(np.arange(count))
    rng = np.random.default_rng(seed)
    draws = [fit(rng.integers(0, count, count)) for _ in range(_DRAWS)]
    low, high = np.quantile([draw for draw, _ in draws], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    share = float(np.mean([found for _, found in draws]))
    return Exponent(value, float(low), float(high), reached, share, target, [sums.mean for sums in by_power])


def find_crossing(shares: Float, truth: float) -> tuple[float, bool]:
    """Find the exponent at which the shares (one of each of POWERS) cross the truth's, the one nearest to 1 if several
    do; without any, the exponent whose share is nearest, and False.
    """
    log, gap = np.log(POWERS), shares - truth
    crossings = [
        log[i] + (log[i + 1] - log[i]) * gap[i] / (gap[i] - gap[i + 1])
        for i in range(len(gap) - 1)
        if gap[i] * gap[i + 1] <= 0 and gap[i] != gap[i + 1]
    ]
    if not crossings:
        return POWERS[int(np.argmin(np.abs(gap)))], False
    return float(np.exp(min(crossings, key=abs))), True
