"""The truth of a synthetic session: the parameters of its simulation, and the price moves that follow from them."""

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ofiml.units import SECOND

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


def compute_pin(alpha: float, mu: float, epsilon_buy: float, epsilon_sell: float) -> float:
    """Compute the share of informed orders, αμ/(αμ + ε_b + ε_s); 0 without informed orders.

    Easley, Kiefer, O'Hara & Paperman (1996) have ε_b = ε_s.
    """
    informed = alpha * mu
    return informed / (informed + (epsilon_buy + epsilon_sell)) if informed else 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The parameters of one symbol's simulated session. Lists by symbol are in the order of `symbols`.

    `alpha`, `mu`, `epsilon` are PIN's, per symbol: the probability of news in a period, informed orders in a period
    with news, uninformed buys (and as many sells) in a period at mean activity. `impact` is Λ, (K, K), in ticks per
    lot: row i is the response of symbol i to the market orders of each symbol. `news` (periods, K) is -1, 0 or 1.
    The rate of informed orders falls within a period by a factor e in `decay` seconds. `sigma` is V's own volatility in
    ticks per square root of a second. A period's news is first private news of `news_move` ticks; what V has still to
    learn of it falls by a factor e in `news_decay` seconds. The share `permanent_impact` of Λ stays in V; the rest
    falls by a factor e in `impact_decay` seconds.
    """

    symbols: list[str]
    symbol: int
    open: int
    close: int
    period: int
    decay: float
    mean_size: float
    alpha: list[float]
    mu: list[float]
    epsilon: list[float]
    impact: list[list[float]]
    sigma: float
    news: list[list[int]]
    news_move: float
    news_decay: float
    permanent_impact: float
    impact_decay: float

    @property
    def informative(self) -> bool:
        """Whether V's moves can be foreseen: by informed orders, private news or transient impact."""
        slopes = self.impact[self.symbol]
        informed = any(a * m * slope != 0 for a, m, slope in zip(self.alpha, self.mu, slopes, strict=True))
        news = self.alpha[self.symbol] * self.news_move != 0
        return informed or news or (self.permanent_impact < 1 and any(slopes))

    def pin(self) -> list[float]:
        """Return PIN per symbol."""
        return [compute_pin(a, m, e, e) for a, m, e in zip(self.alpha, self.mu, self.epsilon, strict=True)]

    def compute_expected_move(self, at: Int64, delay: int, horizon: int, transient: Float) -> Float:
        """Compute E[V(t + d + h) - V(t + d) | truth at t] in ticks, (n,), for times `at` (n,) in ns.

        V learns the private news, loses the `transient` impact (n,) that is in it at t, and moves with the expected
        informed orders. The rest of V is a martingale. 0 outside the session.
        """
        first, last = delay / SECOND, (delay + horizon) / SECOND
        learnt = np.exp(-first / self.news_decay) - np.exp(-last / self.news_decay)
        reverted = np.exp(-first / self.impact_decay) - np.exp(-last / self.impact_decay)
        move = learnt * self.compute_private_news(at) - np.where(self._is_open(at), reverted * transient, 0.0)
        return move + self.compute_informed_move(at, delay, horizon)

    def compute_private_news(self, at: Int64) -> Float:
        """Compute the ticks of news that V has still to learn, (n,), at times `at` (n,) in ns; 0 outside the session.

        It needs no news of later periods.
        """
        period = self.period / SECOND
        kept = np.exp(-period / self.news_decay)
        starts = np.zeros(len(self.news))
        left = 0.0
        for i, news in enumerate(self.news):
            left = starts[i] = left * kept + news[self.symbol] * self.news_move
        part = self._find_period(at)
        age = (at - self.open - part * self.period) / SECOND
        return np.where(self._is_open(at), starts[part] * np.exp(-np.maximum(age, 0.0) / self.news_decay), 0.0)

    def compute_informed_move(self, at: Int64, delay: int, horizon: int) -> Float:
        """Compute the part of E[V(t + d + h) - V(t + d) | truth at t] that informed orders make, in ticks, (n,).

        It is Λ times the expected informed volume after t, of which the permanent share stays and the rest decays.
        Later periods bring good and bad news with equal probability, so they add 0. The value needs the period's news;
        it is 0 outside the session.
        """
        since = at - self.open
        part = self._find_period(at)
        start = part * self.period
        end = np.minimum(start + self.period, self.close - self.open)
        flow = np.array(self.news, dtype=np.float64) * np.array(self.mu) * self.mean_size  # lots in a period
        ticks = flow @ np.array(self.impact[self.symbol])
        first, last = (np.minimum(since + ahead, end) - start for ahead in (delay, delay + horizon))
        whole = -np.expm1(-self.period / SECOND / self.decay)
        share = (np.exp(-first / SECOND / self.decay) - np.exp(-last / SECOND / self.decay)) / whole
        if self.permanent_impact < 1:
            kept = [self._compute_kept_share(since, start, end, ahead) for ahead in (delay, delay + horizon)]
            passing = (kept[1] - kept[0]) / whole
            share = self.permanent_impact * share + (1.0 - self.permanent_impact) * passing
        return np.where(self._is_open(at), ticks[part] * share, 0.0)

    def _compute_kept_share(self, since: Int64, start: Int64, end: Int64, ahead: int) -> Float:
        """Compute ∫ e^(-s/τ)/τ·e^(-(u - s)/κ) ds from t to the earlier of u = t + `ahead` and the period's `end`.

        (n,), for the times `since` the open, with s counted from the period's `start`: the informed orders after t, as
        a share of the period's, whose transient impact is still there at u. τ is `decay`, κ `impact_decay`. The
        exponential with the smaller exponent is factored out, so that nothing overflows.
        """
        begin, until, reached = ((x - start) / SECOND for x in (since, since + ahead, np.minimum(since + ahead, end)))
        span, rate = reached - begin, 1.0 / self.impact_decay - 1.0 / self.decay
        anchor = reached if rate >= 0 else begin
        factor = np.exp(-anchor / self.decay - (until - anchor) / self.impact_decay)
        length = -np.expm1(-abs(rate) * span) / abs(rate) if rate else span
        return factor * length / self.decay

    def _is_open(self, at: Int64) -> NDArray[np.bool_]:
        return (at >= self.open) & (at < self.close)

    def _find_period(self, at: Int64) -> Int64:
        """Find the number of the period of each time, (n,); the first or the last for times outside the session."""
        return np.clip((at - self.open) // self.period, 0, len(self.news) - 1)


def to_json(truths: list[Truth]) -> str:
    """Return the truths of a study's sessions as JSON: a list of mappings, with `pin` per symbol."""
    return json.dumps([asdict(t) | {"pin": t.pin()} for t in truths], allow_nan=False)
