"""PIN by maximum likelihood: many starts, standard errors, and diagnostics of the maximum."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ofiml.bars.time import Book, time_bars
from ofiml.data.schema import Session
from ofiml.data.trades import group_orders, trades
from ofiml.errors import DataError
from ofiml.microstructure.toxicity.likelihood import (
    NAMES,
    Days,
    Parameters,
    log_likelihood,
    observed_information,
    value_and_gradient,
)

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

MIN_DAYS = 20
GRID = (0.1, 0.3, 0.5, 0.7, 0.9)
TAILS = (0.0, 0.1, 0.2, 0.3, 0.4)  # shares of days with bad news, and with good
DRAWN_STARTS = 8
_BOUNDARY_COUNT = 0.01  # expected days, or orders, over the whole sample, below which a parameter lies at its boundary
_SEARCH_BOUNDARY_COUNT = 0.0001  # the same, where the search ends
_COARSE, _FINE = 1e-9, 1e-14  # relative, of the search from every start, and of the last from the best
_MIN_NEWS_GAIN = 5.0  # log-likelihood by which days with news are likelier, where they are told apart from days without
_NO_NEWS = "days without any news fit about as well: α, δ, μ, ε and PIN are not identified, and PIN may be 0"
_SAME_MAXIMUM = 1e-3  # log-likelihoods that are one maximum


@dataclass(frozen=True, slots=True)
class PinFit:
    """A fit of PIN to days of buys and sells.

    `errors` are standard errors by name, of the parameters and of `pin`, from the observed information (of PIN by the
    delta method); NaN where `notes` says why. Of `starts` searches `converged` reached a maximum, `agreeing` of them
    the highest one, whose `log_likelihood` is given.
    """

    parameters: Parameters
    errors: dict[str, float]
    log_likelihood: float
    days: int
    starts: int
    converged: int
    agreeing: int
    notes: tuple[str, ...] = ()

    @property
    def pin(self) -> float:
        return self.parameters.pin


def count_orders(session: Session, period: int) -> tuple[Int64, Int64]:
    """Buying and selling market orders, (periods,) each, in the whole periods of `period` ns from the open on, by
    `ts_recv`; see `data.trades.group_orders`. Raises DataError if not one period fits.
    """
    found = group_orders(trades(session))
    edges = time_bars(session, _no_book(session), period).edges
    buys, sells = (
        np.diff(np.searchsorted(found.filter(sign=sign)["ts_recv"].to_numpy(), edges, side="right")) for sign in (1, -1)
    )
    return buys.astype(np.int64), sells.astype(np.int64)


def fit_pin(buys: Int64, sells: Int64, *, one_epsilon: bool = False, seed: int = 0) -> PinFit:
    """Fit the parameters of Easley, Hvidkjaer & O'Hara (2002) to `buys` and `sells` (days,).

    With `one_epsilon`, fit those of Easley, Kiefer, O'Hara & Paperman (1996).

    Each of many starts, some of them drawn with `seed`, is followed uphill by L-BFGS-B in logits and logarithms. The
    same input gives the same result. Where days without any news are about as likely, no parameter has an error: then
    a sample that is all good news looks like one without any, and PIN may come out as anything. Raises DataError for
    fewer than 20 days, for counts that are negative or not whole, and for days without trades.
    """
    buys, sells = _check_counts(buys, sells)
    days, spread, bounds = (
        Days.from_counts(buys, sells),
        _free_directions(one_epsilon),
        _bounds(buys, sells, one_epsilon),
    )
    # A count of n tells its rate's logarithm to 1/√n: in that unit all directions are about as steep.
    unit = np.append([1.0, 1.0], np.full(spread.shape[1] - 2, np.sqrt(1.0 + (buys + sells).mean())))
    spread, bounds = spread / unit, bounds * unit[:, None]

    def minus(phi: Float) -> tuple[float, Float]:
        theta = _to_natural(spread @ phi)
        value, gradient = value_and_gradient(theta, days)
        slope = theta * np.append(1 - theta[:2], [1.0, 1.0, 1.0])
        return -value / len(buys), -(spread.T @ (gradient * slope)) / len(buys)

    def uphill(start: Float, tolerance: float) -> Any:
        options = {"ftol": tolerance, "gtol": 1e-2 * np.sqrt(tolerance), "maxiter": 500}
        return minimize(minus, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)

    with threadpool_limits(1):  # the search's vectors are of five: threads would only wait for one another
        starts = np.array(list(_starts(buys, sells, seed))) @ np.linalg.pinv(spread).T
        found = [uphill(start, _COARSE) for start in np.clip(starts, *bounds.T)]
        best = uphill(min(found, key=lambda one: one.fun).x, _FINE)
    parameters = Parameters(*(float(x) for x in _to_natural(spread @ best.x)))
    value = log_likelihood(parameters, buys, sells)
    if value - _log_likelihood_without_news(buys, sells, one_epsilon) < _MIN_NEWS_GAIN:
        errors, notes = dict.fromkeys((*NAMES, "pin"), float("nan")), [_NO_NEWS]
    else:
        errors, notes = _errors(parameters, days, one_epsilon)
    ended = [one for one in found if one.success]
    return PinFit(
        parameters=parameters,
        errors=errors,
        log_likelihood=value,
        days=len(buys),
        starts=len(found),
        converged=len(ended),
        agreeing=sum((one.fun - best.fun) * len(buys) < _SAME_MAXIMUM for one in ended),
        notes=tuple(notes),
    )


def _check_counts(buys: Int64, sells: Int64) -> tuple[Int64, Int64]:
    out = []
    for name, given in (("buys", buys), ("sells", sells)):
        values = np.asarray(given)
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
            raise DataError(f"PIN: {name} must be one number a day, not an array {values.shape} of {values.dtype}.")
        bad = ~(np.isfinite(values) & (values >= 0) & (values < 2**53) & (values == np.floor(values)))
        if bad.any():
            day = int(np.argmax(bad))
            raise DataError(f"PIN: {name} of day {day + 1} is {values[day]}; counts of trades are whole, 0 or more.")
        out.append(values.astype(np.int64))
    if len(out[0]) != len(out[1]):
        raise DataError(f"PIN: {len(out[0])} days of buys, {len(out[1])} of sells: give both for each day.")
    if len(out[0]) < MIN_DAYS:
        raise DataError(
            f"PIN: {len(out[0])} days; five parameters need {MIN_DAYS} or more: give more days, or shorter ones."
        )
    if not (out[0].any() or out[1].any()):
        raise DataError(f"PIN: no trades on {len(out[0])} days; leave the symbol out, or give longer days.")
    return out[0], out[1]


def _free_directions(one_epsilon: bool) -> Float:
    """(5, free): what the searched parameters are of the five."""
    whole = np.eye(5)
    return np.column_stack([whole[:, :3], whole[:, 3] + whole[:, 4]]) if one_epsilon else whole


def _bounds(buys: Int64, sells: Int64, one_epsilon: bool) -> Float:
    """(free, 2): the lowest and the highest logit or logarithm that is searched."""
    most = 2.0 * float(max(buys.max(), sells.max()))  # no rate of a maximum is higher than the highest count
    least = float(np.log(_SEARCH_BOUNDARY_COUNT / len(buys)))
    logit, rate = (least, -least), (least, float(np.log(most)))
    return np.array([logit, logit, *([rate] * (2 if one_epsilon else 3))])


def _to_natural(phi: Float) -> Float:
    """α, δ of their logits, rates of their logarithms."""
    return np.concatenate([1 / (1 + np.exp(-phi[:2])), np.exp(phi[2:])])


def _log_likelihood_without_news(buys: Int64, sells: Int64, one_epsilon: bool) -> float:
    """The highest log-likelihood with α = 0, where the rates are the means."""
    means = np.array([buys.mean(), sells.mean()])
    if one_epsilon:
        means[:] = means.mean()
    return log_likelihood(Parameters(0.0, 0.5, 0.0, *(float(m) for m in means)), buys, sells)


def _starts(buys: Int64, sells: Int64, seed: int) -> Iterator[Float]:
    """(5,) each, in logits and logarithms: on a grid of the means, from the days' imbalances, and drawn.

    Yan & Zhang (2012): α, δ and ε_b's share of the mean buys B̄ on a grid, μ and ε_s from what these make of the means,
    B̄ = ε_b + α(1 - δ)μ and S̄ = ε_s + αδμ; those with a negative ε_s are left out. Their μ is far off where news is
    small against ε, and many trades a day make every hill steep. So there are starts from the data too, as in Gan, Wei
    & Johnstone (2015), though with given shares instead of clusters: the days with the lowest B - S are taken for bad
    news, those with the highest for good.
    """
    mean_buys, mean_sells = float(buys.mean()), float(sells.mean())
    for alpha, delta, share in product(GRID, repeat=3):
        mu = (1 - share) * mean_buys / (alpha * (1 - delta))
        epsilon_sell = mean_sells - alpha * delta * mu
        if mu > 0 and epsilon_sell > 0:
            yield _to_search_space(alpha, delta, mu, share * mean_buys, epsilon_sell)
    order = np.argsort(buys - sells, kind="stable")
    for shares in product(TAILS, repeat=2):
        bad, good = (round(share * len(order)) for share in shares)
        if bad + good:
            yield _from_tails(buys[order], sells[order], bad, good)
    rng = np.random.default_rng(seed)
    for _ in range(DRAWN_STARTS):
        odds, parts = rng.uniform(0.05, 0.95, 2), rng.uniform(0.2, 1.0, 2)
        mu = rng.uniform(0.2, 3.0) * max(mean_buys, mean_sells)
        yield _to_search_space(*odds, mu, parts[0] * mean_buys, parts[1] * mean_sells)


def _from_tails(buys: Int64, sells: Int64, bad: int, good: int) -> Float:
    """The start of days in the order of their B - S, the first `bad` with bad news, the last `good` with good."""
    days, news = len(buys), bad + good
    buy, sell = float(buys[: days - good].mean()), float(sells[bad:].mean())
    excess = float(np.sum(buys[days - good :] - buy) + np.sum(sells[:bad] - sell)) / news
    return _to_search_space(news / days, bad / news, excess, buy, sell)


def _to_search_space(alpha: float, delta: float, *rates: float) -> Float:
    """In logits and logarithms, not quite at a boundary, from where no search comes back."""
    odds = np.clip([alpha, delta], 0.02, 0.98)
    return np.concatenate([np.log(odds / (1 - odds)), np.log(np.maximum(rates, 0.01))])


def _errors(parameters: Parameters, days: Days, one_epsilon: bool) -> tuple[dict[str, float], list[str]]:
    """Standard errors by name, and why some are NaN."""
    errors = dict.fromkeys((*NAMES, "pin"), float("nan"))
    fixed, notes = _at_boundary(parameters, days.counts.shape[1])
    free = [i for i, name in enumerate(NAMES) if name not in fixed]
    if not free:
        return errors, notes
    spread = _free_directions(one_epsilon)[free]
    spread = spread[:, spread.any(axis=0)]
    theta = parameters.vector
    matrix = spread.T @ observed_information(theta, days)[np.ix_(free, free)] @ spread
    scale = np.sqrt(np.abs(np.diag(matrix)))
    if not (scale > 0).all() or np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] < 1e-10:
        flat = "the likelihood is flat at its maximum, so no standard errors are available"
        return errors, [*notes, flat]
    covariance = spread @ np.linalg.inv(matrix) @ spread.T
    for row, i in enumerate(free):
        errors[NAMES[i]] = float(np.sqrt(covariance[row, row]))
    if not set(fixed) - {"delta"}:
        slope = _pin_gradient(parameters)[free]
        errors["pin"] = float(np.sqrt(slope @ covariance @ slope))
    return errors, notes


def _at_boundary(parameters: Parameters, days: int) -> tuple[set[str], list[str]]:
    """The parameters that have no standard error because the maximum lies at their boundary, or that do not exist
    there, and a sentence for each cause. The other errors hold with these at their values.
    """
    alpha, delta, mu, buy, sell = parameters.vector
    informed = "no informed orders: α, δ, μ are not identified, and PIN is 0, at its boundary"
    fixed: set[str] = set()
    notes: list[str] = []
    for names, expected, where in (
        ({"alpha", "delta", "mu"}, min(alpha, alpha * mu) * days, informed),
        ({"alpha"}, (1 - alpha) * days, "every day has news: α is 1, at its boundary"),
        ({"delta"}, alpha * delta * days, "no bad news: δ is 0, at its boundary"),
        ({"delta"}, alpha * (1 - delta) * days, "no good news: δ is 1, at its boundary"),
        ({"epsilon_buy"}, buy * days, "no uninformed buy: ε_b is 0, at its boundary"),
        ({"epsilon_sell"}, sell * days, "no uninformed sell: ε_s is 0, at its boundary"),
    ):
        if expected < _BOUNDARY_COUNT and not names <= fixed:
            fixed |= names
            notes.append(where)
    return fixed, notes


def _pin_gradient(parameters: Parameters) -> Float:
    """Of PIN with respect to the parameters, (5,)."""
    alpha, _, mu, buy, sell = parameters.vector
    whole = alpha * mu + buy + sell
    uninformed = (buy + sell) / whole**2
    informed = -alpha * mu / whole**2
    return np.array([mu * uninformed, 0.0, alpha * uninformed, informed, informed])


def _no_book(session: Session) -> Book:
    """For bars that only want their edges."""
    return Book(session.events.clear(), np.empty(0, np.int64), np.empty(0, np.bool_))
