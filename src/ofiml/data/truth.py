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
    ticks per square root of a second.
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

    @property
    def informative(self) -> bool:
        """Whether informed orders exist and move this symbol's price."""
        move = zip(self.alpha, self.mu, self.impact[self.symbol], strict=True)
        return any(a * m * slope != 0 for a, m, slope in move)

    def pin(self) -> list[float]:
        """Return PIN per symbol."""
        return [compute_pin(a, m, e, e) for a, m, e in zip(self.alpha, self.mu, self.epsilon, strict=True)]

    def compute_informed_move(self, at: Int64, delay: int, horizon: int) -> Float:
        """Compute E[V(t + d + h) - V(t + d) | news of t's period] in ticks, (n,), for times `at` (n,) in ns.

        V's expected move is Λ times the expected informed volume. Later periods bring good and bad news with equal
        probability, so they add 0. The value needs the period's news; it is 0 outside the session.
        """
        since = at - self.open
        part = np.minimum(since // self.period, len(self.news) - 1)
        inside = (since >= 0) & (at < self.close)
        start = part * self.period
        end = np.minimum(start + self.period, self.close - self.open)
        flow = np.array(self.news, dtype=np.float64) * np.array(self.mu) * self.mean_size  # lots in a period
        ticks = flow @ np.array(self.impact[self.symbol])
        first, last = (np.minimum(since + ahead, end) - start for ahead in (delay, delay + horizon))
        whole = -np.expm1(-self.period / SECOND / self.decay)
        share = (np.exp(-first / SECOND / self.decay) - np.exp(-last / SECOND / self.decay)) / whole
        return np.where(inside, ticks[np.where(inside, part, 0)] * share, 0.0)


def to_json(truths: list[Truth]) -> str:
    """Return the truths of a study's sessions as JSON: a list of mappings, with `pin` per symbol."""
    return json.dumps([asdict(t) | {"pin": t.pin()} for t in truths], allow_nan=False)
