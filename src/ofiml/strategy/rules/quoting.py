"""Post a bid and an ask around the mid, shifted by the forecast. At the position cap only the other side is posted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ofiml._typing import Entry, Float, Int64, Sizing
from ofiml.config.bounds import not_negative
from ofiml.config.strategy import Rule, Strategy
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.signals import Quotes

_FARTHEST = 2.0**20  # ticks; the execution ignores prices beyond


@dataclass(slots=True)
class QuotingStrategy(Strategy):
    """The schema of quoting. `distance_ticks` None is half the spread: both quotes at the touch without a forecast."""

    SIZINGS: ClassVar[tuple[Sizing, ...]] = ("fixed", "volatility")
    ENTRIES: ClassVar[tuple[Entry, ...]] = ("post",)

    skew: Annotated[float, not_negative()]
    distance_ticks: Annotated[float | None, not_negative()]

    def explain_unused_keys(self) -> dict[str, str]:
        return {"hold": "strategy=quoting holds a position until the other side is filled; leave it out"}


def decide(config: QuotingStrategy, bars: ForecastBars, fitted: Mapping[str, float]) -> Quotes:
    """Quote mid + skew·(forecast move) ± distance, to the nearest tick, and never at or beyond the opposite best price.

    Without a forecast both quotes are withdrawn. On a side without a best price there is no quote; the other side then
    has no mid: it is quoted at its own best price, or farther if the forecast says so.
    """
    shift = config.skew * bars.edge
    room = 0.0 if config.distance_ticks is None else bars.spread / 2 - config.distance_ticks
    two_sided = bars.has_bid & bars.has_ask
    # Offsets from the best price of the own side, in ticks, upwards for the bid and downwards for the ask.
    up, down = (_round(np.where(two_sided, room + s, np.minimum(s, 0.0))) for s in (shift, -shift))
    bid, ask = bars.bid + up * bars.tick, bars.ask - down * bars.tick
    known = ~np.isnan(bars.edge)
    return Quotes(
        bid=np.where(two_sided, np.minimum(bid, bars.ask - bars.tick), bid),
        ask=np.where(two_sided, np.maximum(ask, bars.bid + bars.tick), ask),
        has_bid=bars.has_bid & known,
        has_ask=bars.has_ask & known,
    )


def _round(ticks: Float) -> Int64:
    """Round offsets (n,) to whole ticks; 0 for NaN."""
    return np.rint(np.clip(np.nan_to_num(ticks, nan=0.0), -_FARTHEST, _FARTHEST)).astype(np.int64)


RULE = Rule(QuotingStrategy, decide)
