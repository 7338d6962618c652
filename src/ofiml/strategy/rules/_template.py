"""A rule to copy: `cp _template.py acme.py`, then change the marked lines. docs/add-a-strategy.md has every step.

It follows large imbalances of the flow, if the forecast has the same sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ofiml.config.bounds import within
from ofiml.config.strategy import Rule, Strategy
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.signals import Signals, signal_beyond


@dataclass(slots=True)
class TemplateStrategy(Strategy):
    """The schema of conf/strategy/NAME.yaml, with the bounds of each key beside it."""

    quantile: Annotated[float, within("(0, 1)")]  # CHANGE: the rule's own keys; those of all strategies are inherited


def fit(config: TemplateStrategy, train: ForecastBars) -> dict[str, float]:
    """Fit numbers on the train rows of one fold and symbol. Nothing else may learn from data."""
    sizes = np.abs(train.ofi[~np.isnan(train.ofi)])
    return {"ofi": float(np.quantile(sizes, config.quantile)) if len(sizes) else float("nan")}  # CHANGE


def decide(config: TemplateStrategy, bars: ForecastBars, fitted: Mapping[str, float]) -> Signals:
    """Signal at each bar, from that bar and earlier ones. NaN is no signal."""
    agrees = np.sign(bars.edge) == np.sign(bars.ofi)
    return signal_beyond(np.where(agrees, bars.ofi, np.nan), fitted["ofi"])  # CHANGE


RULE = Rule(TemplateStrategy, decide, fit)
