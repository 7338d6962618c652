"""Fills and their cash flows, in exact integers of the instrument's money."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from ofiml.backtest.money import Money

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
    "currency": pl.String(),
}


class Fill(NamedTuple):
    """A fill of `size` lots, with the columns of `FILL_SCHEMA`; times in UTC ns, prices in the quote currency, costs in
    `currency`, that of the settlement.
    """

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
    currency: str


@dataclass(slots=True)
class Account:
    """The account of a session, in integer money: `at_mid` is the flow of the fills at the mid, `spread` and
    `commission` are their costs beyond it.
    """

    money: Money
    position: int = 0
    at_mid: int = 0
    spread: int = 0
    commission: int = 0

    def fill(self, lots: int, bid: int, ask: int) -> tuple[int, int]:
        """Fill an order of `lots` (negative: sell) at the touch; return spread cost and commission."""
        price = ask if lots > 0 else bid
        at_mid = self.money.flow(lots, Fraction(bid + ask, 2))
        spread = at_mid - self.money.flow(lots, price)
        commission = self.money.charge_order(self.money.fee(lots, price))
        self.position += lots
        self.at_mid += at_mid
        self.spread += spread
        self.commission += commission
        return spread, commission

    def mark_gross(self, bid: int, ask: int) -> int:
        """Mark the position at the mid of a quote, and return the profit before costs."""
        return self.at_mid + self.money.flow(-self.position, Fraction(bid + ask, 2))
