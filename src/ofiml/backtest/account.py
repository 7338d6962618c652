"""Fills and their cash flows, in integers of 1e-9 currency units times lots, doubled because mids are doubled."""

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
    """A fill of `size` lots, with the columns of `FILL_SCHEMA`; times in UTC ns, prices and costs in currency."""

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
    """The account of a session, in integer money: `at_mid` is the cash flow of the fills at the mid, `spread` and
    `commission` are their costs beyond it.
    """

    position: int = 0
    at_mid: int = 0
    spread: int = 0
    commission: int = 0

    def fill(self, lots: int, bid: int, ask: int, fee_per_unit: float, fee_bps: float) -> tuple[int, int]:
        """Fill an order of `lots` (negative: sell) at the touch; return spread cost and commission, doubled.

        `fee_bps` is of lots times |price|: a commission is paid at any price, never received.
        """
        price = ask if lots > 0 else bid
        spread = abs(lots) * (ask - bid)
        fee = abs(lots) * (fee_per_unit * PRICE_SCALE + fee_bps * 1e-4 * abs(price))
        commission = 2 * round(fee)
        self.position += lots
        self.at_mid -= lots * (bid + ask)
        self.spread += spread
        self.commission += commission
        return spread, commission

    def mark_gross(self, bid: int, ask: int) -> int:
        """Mark the position at the mid of a quote, and return the profit before costs, doubled."""
        return self.at_mid + self.position * (bid + ask)
