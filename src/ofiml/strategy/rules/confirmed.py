"""Trade a probable direction that the order flow of the bar confirms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ofiml.config.bounds import within
from ofiml.config.strategy import Rule, Strategy
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.signals import Signals, measure_strength


@dataclass(slots=True)
class ConfirmedStrategy(Strategy):
    """The schema of a probability with confirmation by OFI."""

    probability: Annotated[float, within("[0, 1)")]
    ofi_quantile: Annotated[float, within("[0, 1)")]


def fit(config: ConfirmedStrategy, train: ForecastBars) -> dict[str, float]:
    """Fit the threshold of OFI, in lots: the `ofi_quantile` of |OFI| of the train rows. It reads no forecast."""
    sizes = np.abs(train.ofi[~np.isnan(train.ofi)])
    return {"ofi": float(np.quantile(sizes, config.ofi_quantile)) if len(sizes) else float("nan")}


def decide(config: ConfirmedStrategy, bars: ForecastBars, fitted: Mapping[str, float]) -> Signals:
    """Signal long where P(up) exceeds `probability` and OFI its threshold, and the mirror for short: P(down) and -OFI.

    P(up) is of all rows, so P(flat) lowers it. With `probability` below 1/2 both may be probable enough; the flow then
    decides. The strength is P/probability.
    """
    buy = (bars.p_up > config.probability) & (bars.ofi > fitted["ofi"])
    sell = (bars.p_down > config.probability) & (-bars.ofi > fitted["ofi"])
    side = buy.astype(np.int8) - sell.astype(np.int8)
    return Signals(side, measure_strength(np.where(buy, bars.p_up, bars.p_down), config.probability, side != 0))


RULE = Rule(ConfirmedStrategy, decide, fit, tasks=("classification",))
