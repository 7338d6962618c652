"""Trade against extremes of order flow or of the forecast: what went too far comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ofiml._typing import Extreme, Float
from ofiml.config.bounds import positive
from ofiml.config.strategy import Rule, Strategy
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.signals import Signals, signal_beyond


@dataclass(slots=True)
class ReversionStrategy(Strategy):
    """The schema of mean reversion."""

    of: Extreme
    z: Annotated[float, positive()]

    @property
    def fits_forecasts(self) -> bool:
        return self.of == "forecast"


def fit(config: ReversionStrategy, train: ForecastBars) -> dict[str, float]:
    """Fit the mean and the standard deviation of OFI (lots), or of the forecast move (ticks), over the train rows.

    Those of forecasts are of rows that their model has not learned from; on its own train rows a flexible model
    forecasts larger moves, so z-scores of new rows would be too small.
    """
    value = _select(config, train)
    value = value[~np.isnan(value)]
    if not len(value):
        return {"mean": float("nan"), "deviation": float("nan")}
    return {"mean": float(value.mean()), "deviation": float(value.std())}


def decide(config: ReversionStrategy, bars: ForecastBars, fitted: Mapping[str, float]) -> Signals:
    """Signal short where the z-score exceeds `z`, and long where it is below -z. A constant value is no extreme."""
    deviation = fitted["deviation"] if fitted["deviation"] > 0 else float("nan")
    # A bar without a forecast has no signal, whatever the flow.
    score = np.where(np.isnan(bars.edge), np.nan, (_select(config, bars) - fitted["mean"]) / deviation)
    return signal_beyond(-score, config.z)


def _select(config: ReversionStrategy, bars: ForecastBars) -> Float:
    return bars.ofi if config.of == "ofi" else bars.edge


RULE = Rule(ReversionStrategy, decide, fit)
