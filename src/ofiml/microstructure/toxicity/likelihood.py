"""The likelihood of PIN in log space, its exact derivatives, and simulated counts.

A day has no news with probability 1 - α, bad news with αδ, good news with α(1 - δ). Buys and sells are independent
Poisson counts with means ε_b and ε_s; bad news adds μ to the mean of sells, good news to that of buys. This is the
model of Easley, Hvidkjaer & O'Hara (2002); with ε_b = ε_s it is that of Easley, Kiefer, O'Hara & Paperman (1996):

    L = Π_days Σ_k π_k · e^(-b_k)·b_k^B/B! · e^(-s_k)·s_k^S/S!
    π = (1 - α, αδ, α(1 - δ)),  b = (ε_b, ε_b, ε_b + μ),  s = (ε_s, ε_s + μ, ε_s).

The terms of a day are added by log-sum-exp: as products they underflow to 0 from a few hundred trades per day on (Lin &
Ke 2011).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, xlogy

from ofiml.data.truth import compute_pin
from ofiml.errors import DataError

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

NAMES = ("alpha", "delta", "mu", "epsilon_buy", "epsilon_sell")  # the order of all vectors of parameters


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of PIN. Raises DataError for an invalid probability or rate.

    α is the probability that a day has news, δ the probability that news is bad. μ is the mean number of informed
    orders on a day with news; ε_b and ε_s are the mean numbers of uninformed buys and sells per day.
    """

    alpha: float
    delta: float
    mu: float
    epsilon_buy: float
    epsilon_sell: float

    def __post_init__(self) -> None:
        for name in NAMES:
            value, highest = getattr(self, name), 1.0 if name in ("alpha", "delta") else np.finfo(np.float64).max
            if not 0 <= value <= highest:
                what = "a probability" if highest == 1 else "a finite rate, 0 or more"
                raise DataError(f"PIN: {name}={value} is not {what}.")

    @property
    def pin(self) -> float:
        """The share of informed orders; see `data.truth.compute_pin`."""
        return compute_pin(self.alpha, self.mu, self.epsilon_buy, self.epsilon_sell)

    @property
    def vector(self) -> Float:
        """The parameters (5,) in the order of NAMES."""
        return np.array([getattr(self, name) for name in NAMES], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Days:
    """The counts of a sample: `counts` (2, days), buys and sells, with their means `usual` (2, 1).

    `constant` is the log probability of the counts at these means, which does not depend on the parameters. Without
    this common factor the terms of a day are small numbers, and their differences keep their digits.
    """

    counts: Float
    usual: Float
    constant: float

    @classmethod
    def from_counts(cls, buys: Int64, sells: Int64) -> "Days":
        """Make the sample from counts, (days,) each, 0 or more."""
        counts = np.stack([buys, sells]).astype(np.float64)
        usual = counts.mean(axis=1, keepdims=True)
        usual[usual == 0] = 1.0
        return cls(counts, usual, float(np.sum(counts * np.log(usual) - usual - gammaln(counts + 1.0))))


def compute_log_likelihood(parameters: Parameters, buys: Int64, sells: Int64) -> float:
    """Compute the log-likelihood of `buys` and `sells` (days,), 0 or more; -inf where the counts are impossible."""
    days = Days.from_counts(buys, sells)
    return days.constant + float(logsumexp(_compute_joint(parameters.vector, days), axis=0).sum())


def compute_value_and_gradient(theta: Float, days: Days) -> tuple[float, Float]:
    """Compute the log-likelihood less its constant at theta (5,), inside its bounds, and its gradient (5,)."""
    alpha, delta, _, _, _ = theta
    value, weights = _compute_weights(theta, days)
    none, bad, good = weights.sum(axis=1)
    slopes = days.counts @ weights.T / _compute_rates(theta) - weights.sum(axis=1)  # by side and state
    return value, np.array(
        [
            (bad + good) / alpha - none / (1 - alpha),
            bad / delta - good / (1 - delta),
            slopes[0, 2] + slopes[1, 1],
            *slopes.sum(axis=1),
        ]
    )


def compute_observed_information(theta: Float, days: Days) -> Float:
    """Compute the observed information (5, 5) at theta (5,): minus the second derivatives of the log-likelihood.

    It is exact, from the derivatives of the days' terms and their posterior weights (Louis 1982).
    """
    alpha, delta, _, _, _ = theta
    _, weights = _compute_weights(theta, days)
    scores = _compute_scores(theta, days)
    mean = np.einsum("kd,pkd->pd", weights, scores)
    hessian = np.einsum("kd,pkd,qkd->pq", weights, scores, scores) - mean @ mean.T
    none, bad, good = weights.sum(axis=1)
    hessian[0, 0] -= none / (1 - alpha) ** 2 + (bad + good) / alpha**2
    hessian[1, 1] -= bad / delta**2 + good / (1 - delta) ** 2
    curvature = -(days.counts @ weights.T) / _compute_rates(theta) ** 2  # by side and state
    hessian[2, 2] += curvature[0, 2] + curvature[1, 1]
    for side, state in ((0, 2), (1, 1)):
        hessian[3 + side, 3 + side] += curvature[side].sum()
        hessian[2, 3 + side] += curvature[side, state]
        hessian[3 + side, 2] += curvature[side, state]
    return -hessian


def simulate_days(parameters: Parameters, days: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Draw independent days of the model; return buys and sells, (days,) each."""
    state = np.where(rng.random(days) < parameters.alpha, np.where(rng.random(days) < parameters.delta, 1, 2), 0)
    buys, sells = rng.poisson(_compute_rates(parameters.vector)[:, state]).astype(np.int64)
    return buys, sells


def _compute_rates(theta: Float) -> Float:
    """Compute the mean buys and sells (2, 3) of a day without news, with bad news, with good news."""
    _, _, mu, buy, sell = theta
    return np.array([[buy, buy, buy + mu], [sell, sell + mu, sell]])


def _compute_joint(theta: Float, days: Days) -> Float:
    """Compute the logarithm of each day's three terms, less the constant, (3, days)."""
    alpha, delta, _, _, _ = theta
    rates = _compute_rates(theta)
    with np.errstate(divide="ignore"):  # a term of probability 0 is -inf, and adds nothing
        prior = np.array([np.log1p(-alpha), np.log(alpha) + np.log(delta), np.log(alpha) + np.log1p(-delta)])
    prior -= np.sum(rates - days.usual, axis=0)
    if rates.all():
        return np.log(rates / days.usual).T @ days.counts + prior[:, None]
    return xlogy(days.counts[:, None], (rates / days.usual)[:, :, None]).sum(axis=0) + prior[:, None]


def _compute_weights(theta: Float, days: Days) -> tuple[float, Float]:
    """Compute the log-likelihood less its constant, and the posterior probabilities of each day's states (3, days)."""
    joint = _compute_joint(theta, days)
    highest = joint.max(axis=0)
    terms = np.exp(joint - highest)
    sums = terms.sum(axis=0)
    return float(np.sum(highest + np.log(sums))), terms / sums


def _compute_scores(theta: Float, days: Days) -> Float:
    """Compute the gradient of the logarithm of each day's terms, (5, 3, days)."""
    alpha, delta, _, _, _ = theta
    of_rates = days.counts[:, None] / _compute_rates(theta)[:, :, None] - 1
    out = np.zeros((5, *of_rates.shape[1:]))
    out[0] = np.array([-1 / (1 - alpha), 1 / alpha, 1 / alpha])[:, None]
    out[1] = np.array([0.0, 1 / delta, -1 / (1 - delta)])[:, None]
    out[3:] = of_rates
    out[2, 1], out[2, 2] = of_rates[1, 1], of_rates[0, 2]
    return out
