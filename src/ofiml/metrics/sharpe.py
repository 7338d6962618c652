"""The Sharpe ratio and its corrections for sample size and number of trials (Bailey & López de Prado).

All Sharpe ratios in this module are per observation, not annualised; the caller defines the observation.
"""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float

_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The Sharpe ratio, the `benchmark` that the best of all trials is expected to reach by chance, and the probability
    that the true ratio exceeds it.
    """

    sharpe: float
    benchmark: float
    probability: float


def chance_variance(observations: int) -> float:
    """Return the variance of the Sharpe ratio of so many gains without skill: the least that trials differ by."""
    return 1 / (observations - 1)


def sharpe(gains: Float) -> float:
    """Compute the mean gain over the standard deviation (ddof 1); NaN with fewer than 2 gains, or equal gains."""
    if len(gains) < 2 or np.ptp(gains) == 0:
        return float("nan")
    return float(gains.mean() / gains.std(ddof=1))


def probabilistic_sharpe(ratio: float, benchmark: float, observations: int, skew: float, kurtosis: float) -> float:
    """Compute the probability that the true Sharpe ratio exceeds `benchmark` (Bailey & López de Prado 2012, eq. 11).

    `kurtosis` is 3 for a normal distribution. NaN with fewer than 2 observations, or if the moments give a variance
    that is not positive.
    """
    from scipy.special import ndtr

    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if observations < 2 or not variance > 0:
        return float("nan")
    return float(ndtr((ratio - benchmark) * np.sqrt((observations - 1) / variance)))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Compute the expected maximum Sharpe ratio of `trials` without skill whose Sharpe ratios have this `variance`
    (Bailey & López de Prado 2014); 0 for one trial.
    """
    from scipy.special import ndtri

    if trials < 2:
        return 0.0
    first, second = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * np.e))
    return float(np.sqrt(variance) * ((1 - _EULER) * first + _EULER * second))


def deflated_sharpe(gains: Float, trials: int, variance: float) -> DeflatedSharpe:
    """Compute the deflated Sharpe ratio of `gains` (n,) (Bailey & López de Prado 2014).

    `variance` is that of the Sharpe ratios of all `trials`. Gains must be independent, so sum them over blocks first.
    The probability is NaN if the gains do not vary.
    """
    ratio, benchmark = sharpe(gains), expected_maximum_sharpe(trials, variance)
    if ratio != ratio:
        return DeflatedSharpe(ratio, benchmark, float("nan"))
    z = (gains - gains.mean()) / gains.std()
    skew, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
    return DeflatedSharpe(ratio, benchmark, probabilistic_sharpe(ratio, benchmark, len(gains), skew, kurtosis))
