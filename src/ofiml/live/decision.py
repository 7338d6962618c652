"""The decision of a live caller, to be timed: from the prediction of one bar to the order that the rule wants."""

import numpy as np
import polars as pl

from ofiml._typing import Float
from ofiml.config import Strategy, Target
from ofiml.config.strategy import RULES
from ofiml.features.catalogue import INDEX
from ofiml.live.stream import Bar
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.build import TradedSession, decide_session
from ofiml.strategy.decisions import LAST, Decisions
from ofiml.strategy.fit import FittedRule

_BPS = 1e-4


class Decider:
    """Decides at one bar as a study does, so that the time that it takes can be measured.

    What the rule learned and the fee are stand-ins: a learned number is NaN, so a rule that has one takes its steps and
    wants nothing, and the fee is 0. `features` are the columns of the run's models.
    """

    def __init__(self, strategy: Strategy, target: Target, features: list[str], tick: int, key: TradedSession) -> None:
        self.strategy, self.target, self.features, self.tick, self.key = strategy, target, features, tick, key
        self.columns = np.array([INDEX[name] for name in features], np.int64)
        with np.errstate(invalid="ignore"):
            nothing = self._read_bars([], [])
        self.rule = FittedRule(0, {key.symbol: RULES[strategy.name].fit(strategy, nothing)}, {key.symbol: float("nan")})
        self.until = np.array([LAST])

    def __call__(self, bar: Bar, y_hat: float) -> Decisions:
        """Decide at a closed bar with a mid. Raises ConfigError for a rule that reads columns of flow."""
        return decide_session(self._read_bars([bar], [y_hat]), self.until, self.strategy, self.key, self.rule)

    def _read_bars(self, bars: list[Bar], y_hat: list[float]) -> ForecastBars:
        """Read the bars with their predictions as a rule sees them."""
        n = len(bars)
        mid, spread = np.array([bar.mid for bar in bars]), np.array([bar["spread_ticks"] for bar in bars])
        forecast, known = np.array(y_hat), np.ones(n, bool)
        values: Float = np.array([bar.features[self.columns] for bar in bars]).reshape(n, len(self.features))
        return ForecastBars(
            tick=self.tick,
            bar_close=np.array([bar.close for bar in bars], np.int64),
            bid=((mid - spread / 2) * self.tick).astype(np.int64),
            ask=((mid + spread / 2) * self.tick).astype(np.int64),
            has_bid=known,
            has_ask=known,
            mid=mid,
            spread=spread,
            edge=forecast * (_BPS * np.abs(mid) if self.target.unit == "bps" else 1.0),
            p_up=(1 + forecast) / 2,
            p_down=(1 - forecast) / 2,
            ofi=np.array([float(bar.ofi) for bar in bars]),
            volatility=np.full(n, np.nan),
            fee=np.zeros(n),
            table=pl.DataFrame(values, schema=self.features, orient="row"),
        )
