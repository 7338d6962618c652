"""PIN by maximum likelihood: many starts, standard errors, and diagnostics of the maximum."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ofiml.bars.time import Book, cut_time_bars
from ofiml.data.schema import Session
from ofiml.data.trades import group_orders, list_trades
from ofiml.errors import DataError
from ofiml.microstructure.toxicity.likelihood import (
    NAMES,
    Days,
    Parameters,
    compute_log_likelihood,
    compute_observed_information,
    compute_value_and_gradient,
)

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

MIN_DAYS = 20
GRID = (0.1, 0.3, 0.5, 0.7, 0.9)
TAILS = (0.0, 0.1, 0.2, 0.3, 0.4)  # shares of days with bad news, and with good
DRAWN_STARTS = 8
_BOUNDARY_COUNT = 0.01  # expected days or orders in the whole sample below which a parameter lies at its boundary
_SEARCH_BOUNDARY_COUNT = 0.0001  # the same for the bounds of the search
_COARSE, _FINE = 1e-9, 1e-14  # relative tolerance from every start, and of the last search from the best
_MIN_NEWS_GAIN = 5.0  # gain in log-likelihood over a model without news, below which news is not identified
_NO_NEWS = "days without any news fit about as well: α, δ, μ, ε and PIN are not identified, and PIN may be 0"
_MAXIMUM_TOLERANCE = 1e-3  # difference in log-likelihood below which two searches reached the same maximum


@dataclass(frozen=True, slots=True)
class PinFit:
    """A fit of PIN to days of buys and sells.

    `errors` are the standard errors of the parameters and of `pin` by name, from the observed information (for PIN by
    the delta method); `notes` gives the reason for each NaN. Of `starts` searches `converged` reached a maximum, and
    `agreeing` the highest one, with `log_likelihood`.
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
        """The share of informed orders at the fitted parameters."""
        return self.parameters.pin


def count_orders(session: Session, period: int) -> tuple[Int64, Int64]:
    """Count the buying and selling market orders, (periods,) each, in whole periods of `period` ns from the open on.

    Orders are those of `data.trades.group_orders`, by `ts_recv`. Raises DataError if no period fits.
    """
    orders = group_orders(list_trades(session))
    edges = cut_time_bars(session, _make_empty_book(session), period).edges
    buys, sells = (
        np.diff(np.searchsorted(orders.filter(sign=sign)["ts_recv"].to_numpy(), edges, side="right"))
        for sign in (1, -1)
    )
    return buys.astype(np.int64), sells.astype(np.int64)


def fit_pin(buys: Int64, sells: Int64, *, one_epsilon: bool = False, seed: int = 0) -> PinFit:
    """Fit PIN to `buys` and `sells` (days,) by maximum likelihood.

    The parameters are those of Easley, Hvidkjaer & O'Hara (2002), with `one_epsilon` those of Easley, Kiefer, O'Hara &
    Paperman (1996). L-BFGS-B searches in logits and logarithms from many starts, some of them drawn with `seed`; the
    same input gives the same result. If a model without news fits about as well, no parameter has an error: a sample
    with only good news looks like one without news, so PIN is arbitrary. Raises DataError for fewer than 20 days,
    counts that are negative or not whole, and days without trades.
    """
    buys, sells = _check_counts(buys, sells)
    days, spread, bounds = (
        Days.from_counts(buys, sells),
        _find_free_directions(one_epsilon),
        _compute_bounds(buys, sells, one_epsilon),
    )
    # A count of n determines the logarithm of its rate to 1/√n; in this unit all directions are about as steep.
    unit = np.append([1.0, 1.0], np.full(spread.shape[1] - 2, np.sqrt(1.0 + (buys + sells).mean())))
    spread, bounds = spread / unit, bounds * unit[:, None]

    def compute_loss(phi: Float) -> tuple[float, Float]:
        theta = _to_natural(spread @ phi)
        value, gradient = compute_value_and_gradient(theta, days)
        slope = theta * np.append(1 - theta[:2], [1.0, 1.0, 1.0])
        return -value / len(buys), -(spread.T @ (gradient * slope)) / len(buys)

    def climb(start: Float, tolerance: float) -> Any:
        options = {"ftol": tolerance, "gtol": 1e-2 * np.sqrt(tolerance), "maxiter": 500}
        return minimize(compute_loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)

    with threadpool_limits(1):  # the vectors have five elements, so threads would only add overhead
        starts = np.array(list(_make_starts(buys, sells, seed))) @ np.linalg.pinv(spread).T
        searches = [climb(start, _COARSE) for start in np.clip(starts, *bounds.T)]
        best = climb(min(searches, key=lambda one: one.fun).x, _FINE)
    parameters = Parameters(*(float(x) for x in _to_natural(spread @ best.x)))
    value = compute_log_likelihood(parameters, buys, sells)
    if value - _maximise_without_news(buys, sells, one_epsilon) < _MIN_NEWS_GAIN:
        errors, notes = dict.fromkeys((*NAMES, "pin"), float("nan")), [_NO_NEWS]
    else:
        errors, notes = _compute_errors(parameters, days, one_epsilon)
    converged = [one for one in searches if one.success]
    return PinFit(
        parameters=parameters,
        errors=errors,
        log_likelihood=value,
        days=len(buys),
        starts=len(searches),
        converged=len(converged),
        agreeing=sum((one.fun - best.fun) * len(buys) < _MAXIMUM_TOLERANCE for one in converged),
        notes=tuple(notes),
    )


def _check_counts(buys: Int64, sells: Int64) -> tuple[Int64, Int64]:
    out = []
    for name, counts in (("buys", buys), ("sells", sells)):
        values = np.asarray(counts)
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
            raise DataError(f"PIN: {name} must be one number per day, not an array {values.shape} of {values.dtype}.")
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
        raise DataError(f"PIN: no trades on {len(out[0])} days; omit the symbol, or give longer days.")
    return out[0], out[1]


def _find_free_directions(one_epsilon: bool) -> Float:
    """Return the directions (5, free) in which the search moves the five parameters."""
    whole = np.eye(5)
    return np.column_stack([whole[:, :3], whole[:, 3] + whole[:, 4]]) if one_epsilon else whole


def _compute_bounds(buys: Int64, sells: Int64, one_epsilon: bool) -> Float:
    """Compute the bounds (free, 2) of the search, in logits and logarithms."""
    max_rate = 2.0 * float(max(buys.max(), sells.max()))  # at a maximum no rate is above the highest count
    lowest = float(np.log(_SEARCH_BOUNDARY_COUNT / len(buys)))
    logit, rate = (lowest, -lowest), (lowest, float(np.log(max_rate)))
    return np.array([logit, logit, *([rate] * (2 if one_epsilon else 3))])


def _to_natural(phi: Float) -> Float:
    """Convert logits to α and δ, logarithms to rates."""
    return np.concatenate([1 / (1 + np.exp(-phi[:2])), np.exp(phi[2:])])


def _maximise_without_news(buys: Int64, sells: Int64, one_epsilon: bool) -> float:
    """Compute the maximum of the log-likelihood at α = 0, where the rates are the means."""
    means = np.array([buys.mean(), sells.mean()])
    if one_epsilon:
        means[:] = means.mean()
    return compute_log_likelihood(Parameters(0.0, 0.5, 0.0, *(float(m) for m in means)), buys, sells)


def _make_starts(buys: Int64, sells: Int64, seed: int) -> Iterator[Float]:
    """Yield starts (5,) in logits and logarithms: on a grid, from the days' imbalances, and random.

    The grid is that of Yan & Zhang (2012): α, δ and the share of ε_b in the mean buys B̄. μ and ε_s follow from the
    means B̄ = ε_b + α(1 - δ)μ and S̄ = ε_s + αδμ; points with a negative ε_s are omitted. Their μ is far off if μ is
    small relative to ε, and with many trades per day a search does not leave the nearest local maximum. So other starts
    come from the data, as in Gan, Wei & Johnstone (2015), but with fixed shares instead of clusters: the days with the
    lowest B - S count as bad news, those with the highest as good news.
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
            yield _start_from_tails(buys[order], sells[order], bad, good)
    rng = np.random.default_rng(seed)
    for _ in range(DRAWN_STARTS):
        odds, parts = rng.uniform(0.05, 0.95, 2), rng.uniform(0.2, 1.0, 2)
        mu = rng.uniform(0.2, 3.0) * max(mean_buys, mean_sells)
        yield _to_search_space(*odds, mu, parts[0] * mean_buys, parts[1] * mean_sells)


def _start_from_tails(buys: Int64, sells: Int64, bad: int, good: int) -> Float:
    """Compute a start from days sorted by B - S: the first `bad` have bad news, the last `good` have good news."""
    days, news = len(buys), bad + good
    buy, sell = float(buys[: days - good].mean()), float(sells[bad:].mean())
    excess = float(np.sum(buys[days - good :] - buy) + np.sum(sells[:bad] - sell)) / news
    return _to_search_space(news / days, bad / news, excess, buy, sell)


def _to_search_space(alpha: float, delta: float, *rates: float) -> Float:
    """Convert to logits and logarithms, away from the boundaries, which no search would leave."""
    odds = np.clip([alpha, delta], 0.02, 0.98)
    return np.concatenate([np.log(odds / (1 - odds)), np.log(np.maximum(rates, 0.01))])


def _compute_errors(parameters: Parameters, days: Days, one_epsilon: bool) -> tuple[dict[str, float], list[str]]:
    """Compute standard errors by name, and the reasons for NaN."""
    errors = dict.fromkeys((*NAMES, "pin"), float("nan"))
    fixed, notes = _find_boundaries(parameters, days.counts.shape[1])
    free = [i for i, name in enumerate(NAMES) if name not in fixed]
    if not free:
        return errors, notes
    spread = _find_free_directions(one_epsilon)[free]
    spread = spread[:, spread.any(axis=0)]
    theta = parameters.vector
    matrix = spread.T @ compute_observed_information(theta, days)[np.ix_(free, free)] @ spread
    scale = np.sqrt(np.abs(np.diag(matrix)))
    if not (scale > 0).all() or np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] < 1e-10:
        flat = "the likelihood is flat at its maximum, so no standard errors are available"
        return errors, [*notes, flat]
    covariance = spread @ np.linalg.inv(matrix) @ spread.T
    for row, i in enumerate(free):
        errors[NAMES[i]] = float(np.sqrt(covariance[row, row]))
    if not set(fixed) - {"delta"}:
        slope = _compute_pin_gradient(parameters)[free]
        errors["pin"] = float(np.sqrt(slope @ covariance @ slope))
    return errors, notes


def _find_boundaries(parameters: Parameters, days: int) -> tuple[set[str], list[str]]:
    """List the parameters without a standard error, and a sentence for each cause.

    The maximum lies at their boundary, or they are not identified there. The errors of the others hold with these
    parameters fixed at their values.
    """
    alpha, delta, mu, buy, sell = parameters.vector
    informed = "no informed orders: α, δ, μ are not identified, and PIN is 0, at its boundary"
    fixed: set[str] = set()
    notes: list[str] = []
    for names, expected_count, note in (
        ({"alpha", "delta", "mu"}, min(alpha, alpha * mu) * days, informed),
        ({"alpha"}, (1 - alpha) * days, "every day has news: α is 1, at its boundary"),
        ({"delta"}, alpha * delta * days, "no bad news: δ is 0, at its boundary"),
        ({"delta"}, alpha * (1 - delta) * days, "no good news: δ is 1, at its boundary"),
        ({"epsilon_buy"}, buy * days, "no uninformed buy: ε_b is 0, at its boundary"),
        ({"epsilon_sell"}, sell * days, "no uninformed sell: ε_s is 0, at its boundary"),
    ):
        if expected_count < _BOUNDARY_COUNT and not names <= fixed:
            fixed |= names
            notes.append(note)
    return fixed, notes


def _compute_pin_gradient(parameters: Parameters) -> Float:
    """Compute the gradient of PIN with respect to the parameters, (5,)."""
    alpha, _, mu, buy, sell = parameters.vector
    whole = alpha * mu + buy + sell
    uninformed = (buy + sell) / whole**2
    informed = -alpha * mu / whole**2
    return np.array([mu * uninformed, 0.0, alpha * uninformed, informed, informed])


def _make_empty_book(session: Session) -> Book:
    """Make an empty book, for bars of which only the edges are used."""
    return Book(session.events.clear(), np.empty(0, np.int64), np.empty(0, np.bool_))
