"""Concentration: how much of the net profit rests on its best trades and its best day."""

from dataclasses import dataclass

import numpy as np
import polars as pl

_BEST_TRADES = 100  # one of so many round trips


@dataclass(frozen=True, slots=True)
class Concentration:
    """The net profit without the best 1 % of round trips (at least one) and without the best day, in currency, and
    their shares of it; a share is NaN unless the net profit is above 0.
    """

    best_trades: float
    best_trades_share: float
    net_without_best_trades: float
    best_day: str
    best_day_share: float
    net_without_best_day: float


def measure_concentration(round_trips: pl.DataFrame, days: pl.DataFrame) -> Concentration | None:
    """Measure the concentration of `round_trips` (`net`) and `days` (`session`, `net`); None without a round trip."""
    if round_trips.height == 0 or days.height == 0:
        return None
    nets = np.sort(round_trips["net"].to_numpy())[::-1]
    count = -(-len(nets) // _BEST_TRADES)
    best, total = float(nets[:count].sum()), float(days["net"].sum())
    day = days.sort("net", descending=True, maintain_order=True).row(0, named=True)
    return Concentration(
        best_trades=count,
        best_trades_share=_share(best, total),
        net_without_best_trades=total - best,
        best_day=str(day["session"]),
        best_day_share=_share(float(day["net"]), total),
        net_without_best_day=total - float(day["net"]),
    )


def _share(part: float, total: float) -> float:
    return part / total if total > 0 else float("nan")
