"""Trade in the direction of a forecast that is large enough: to pay for the trade, or among the largest ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ofiml._typing import Threshold
from ofiml.config.bounds import not_negative, within
from ofiml.config.strategy import Rule, Strategy
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.signals import Signals, signal_beyond


@dataclass(slots=True)
class ThresholdStrategy(Strategy):
    """The schema of the threshold on the forecast move."""

    threshold: Threshold
    edge_multiple: Annotated[float, not_negative()]
    quantile: Annotated[float, within("(0, 1)")]

    @property
    def learns(self) -> bool:
        return self.threshold == "quantile"

    @property
    def fits_forecasts(self) -> bool:
        return self.learns

    def explain_unused_keys(self) -> dict[str, str]:
        if self.threshold == "cost":
            return {"quantile": "strategy.threshold=cost; leave it out, or add strategy.threshold=quantile"}
        return {"edge_multiple": "strategy.threshold=quantile; leave it out, or use strategy.threshold=cost"}


def fit(config: ThresholdStrategy, train: ForecastBars) -> dict[str, float]:
    """Fit the quantile of |forecast move|, in ticks, of bars whose forecasts come from models fitted on other bars.

    Forecasts of the rows that a model has learned from are larger than those of new rows, the more so the more flexible
    the model: their quantile would be exceeded less often than it says.
    """
    sizes = np.abs(train.edge[~np.isnan(train.edge)])
    return {"threshold": float(np.quantile(sizes, config.quantile)) if len(sizes) else float("nan")}


def decide(config: ThresholdStrategy, bars: ForecastBars, fitted: Mapping[str, float]) -> Signals:
    """Signal where |forecast move| exceeds the threshold: `edge_multiple` times the cost of a marketable order (half
    the spread plus the fee), or the fitted quantile.
    """
    if config.threshold == "cost":
        return signal_beyond(bars.edge, config.edge_multiple * (bars.spread / 2 + bars.fee))
    return signal_beyond(bars.edge, fitted["threshold"])


RULE = Rule(ThresholdStrategy, decide, fit)
