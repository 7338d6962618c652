"""PIN on known truth and by day, and what a well-known notebook makes of it, as `toxicity` shows it."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.data.schema import Session
from ofiml.microstructure.toxicity.likelihood import Parameters, compute_log_likelihood, simulate_days
from ofiml.microstructure.toxicity.pin import PinFit, count_orders, fit_pin

#: The parameters of the model with one ε, and PIN, in the order of the tables.
SHOWN = ("alpha", "delta", "mu", "epsilon_buy", "pin")
_REACH = 1.959963984540054  # half the width of a 95% interval, in errors


@dataclass(frozen=True, slots=True)
class Recovery:
    """Estimates (samples, 5) of SHOWN and their `errors` from samples of `days` of the model with `true` parameters,
    NaN where the fit has none, and the notebook's PIN of each sample (samples,).
    """

    true: Parameters
    days: int
    estimates: Float
    errors: Float
    notebook: Float

    @property
    def truth(self) -> Float:
        """The true values of SHOWN, (5,)."""
        return read_values(self.true)

    @property
    def mean_errors(self) -> Float:
        """The mean of the known errors, (5,); NaN where none is known."""
        known = np.isfinite(self.errors)
        with np.errstate(invalid="ignore"):
            return np.where(known, self.errors, 0).sum(axis=0) / known.sum(axis=0)

    @property
    def covered(self) -> Int64:
        """The number of 95% intervals that contain the true value, (5,). An estimate without error has none."""
        return np.sum(np.abs(self.estimates - self.truth) <= _REACH * self.errors, axis=0)


def read_values(parameters: Parameters) -> Float:
    """Read the values of SHOWN, (5,)."""
    return np.array([getattr(parameters, name) for name in SHOWN])


def recover(true: Parameters, *, days: int, samples: int, seed: int) -> Recovery:
    """Simulate samples of days of the model and fit each; the same seed gives the same result."""
    estimates, errors, notebook = [], [], []
    for sample in range(samples):
        counts = simulate_days(true, days, np.random.default_rng([seed, sample]))
        fit = fit_pin(*counts, one_epsilon=True, seed=seed)
        estimates.append(read_values(fit.parameters))
        errors.append([fit.errors[name] for name in SHOWN])
        notebook.append(fit_one_parameter(*counts))
    return Recovery(true, days, np.array(estimates), np.array(errors), np.array(notebook))


def fit_one_parameter(buys: Int64, sells: Int64) -> float:
    """Compute PIN as a well-known notebook does, which reads α, δ, μ and ε from the same place of its vector.

    The likelihood then has one parameter p = α = δ = μ = ε, which as a probability is at most 1, and PIN is
    p·p/(p·p + 2p) = p/(p + 2). With more than one order per day and side, p is about 1 and PIN about 1/3 whatever the
    counts are. This is no result.
    """
    from scipy.optimize import minimize_scalar

    def compute_loss(p: float) -> float:
        return -compute_log_likelihood(Parameters(p, p, p, p, p), buys, sells)

    inside = minimize_scalar(compute_loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-10}).x
    p = min(float(inside), 1.0, key=compute_loss)  # the search does not reach its bounds
    return Parameters(p, p, p, p, p).pin


@dataclass(frozen=True, slots=True)
class PinDay:
    """PIN of a session's periods: the counts `buys` and `sells` (periods,), the `fit`, the PIN that is planted in a
    simulated market (NaN for a real one), and the notebook's.
    """

    date: str
    period: int
    buys: Int64
    sells: Int64
    fit: PinFit
    planted: float
    notebook: float

    @property
    def correlation(self) -> float:
        """The correlation of buys and sells over the periods; NaN without variation."""
        if np.ptp(self.buys) == 0 or np.ptp(self.sells) == 0:
            return float("nan")
        return float(np.corrcoef(self.buys, self.sells)[0, 1])

    @property
    def model_correlation(self) -> float:
        """The correlation that the fitted model has; never above 0, because news is good or bad."""
        return correlate_model(self.fit.parameters)


def correlate_model(p: Parameters) -> float:
    """Compute the correlation of buys and sells in the model of PIN; NaN for rates of 0.

    With g = α(1 - δ) and b = αδ, the covariance is -g·b·μ² and the variances are ε_b + gμ + g(1 - g)μ² and, with b for
    g, that of sells.
    """
    good, bad = p.alpha * (1 - p.delta), p.alpha * p.delta
    buys, sells = (
        epsilon + share * p.mu + share * (1 - share) * p.mu**2
        for epsilon, share in ((p.epsilon_buy, good), (p.epsilon_sell, bad))
    )
    return float(-good * bad * p.mu**2 / np.sqrt(buys * sells)) if buys * sells > 0 else float("nan")


def fit_day(session: Session, period: int) -> PinDay:
    """Fit PIN to a session's periods of `period` ns, or of the planted length. Raises DataError as `fit_pin` does."""
    planted = session.planted
    period = planted.period if planted is not None else period
    buys, sells = count_orders(session, period)
    return PinDay(
        date=session.date,
        period=period,
        buys=buys,
        sells=sells,
        fit=fit_pin(buys, sells, one_epsilon=True),
        planted=planted.pin()[planted.symbol] if planted is not None else float("nan"),
        notebook=fit_one_parameter(buys, sells),
    )
