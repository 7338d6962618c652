"""Fills and the cash that they move, in integers: 1e-9 currency units times lots, mids doubled."""

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from ofiml.units import PRICE_SCALE

FILL_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "decided": pl.Datetime("ns", "UTC"),
    "filled": pl.Datetime("ns", "UTC"),
    "side": pl.String(),
    "size": pl.Int64(),
    "price": pl.Float64(),
    "mid": pl.Float64(),
    "spread_cost": pl.Float64(),
    "commission": pl.Float64(),
    "position": pl.Int64(),
    "reason": pl.String(),
}


class Fill(NamedTuple):
    """A trade of `size` lots, columns as in `FILL_SCHEMA`; times in ns, money in currency."""

    symbol: str
    session: str
    decided: int
    filled: int
    side: str
    size: int
    price: float
    mid: float
    spread_cost: float
    commission: float
    position: int
    reason: str


@dataclass(slots=True)
class Account:
    """Cash flows in integer money: `at_mid` what fills would have paid at the mid, `spread` and `commission` what they
    cost beyond it.
    """

    position: int = 0
    at_mid: int = 0
    spread: int = 0
    commission: int = 0

    def fill(self, lots: int, bid: int, ask: int, fee_per_unit: float, fee_bps: float) -> tuple[int, int]:
        """Trade `lots` (negative: sell) at the touch; return spread cost and commission. All money is doubled."""
        price = ask if lots > 0 else bid
        spread = abs(lots) * (ask - bid)
        fee = abs(lots) * (fee_per_unit * PRICE_SCALE + fee_bps * 1e-4 * price)
        commission = 2 * round(fee)
        self.position += lots
        self.at_mid -= lots * (bid + ask)
        self.spread += spread
        self.commission += commission
        return spread, commission

    def gross(self, bid: int, ask: int) -> int:
        """Mark the position at the mid of this quote: the profit before costs."""
        return self.at_mid + self.position * (bid + ask)
