"""The ledger: what each fill of a session gained and cost, by kind, in integers, and the equity at each bar.

A fill of q lots (negative: sold) passes five prices: the mid when it was decided, the mid when its order reached the
market, the mid when it was filled, the best price that it met (for a resting order, its own), and the price paid. With
w(q, P) the worth of q lots at price P, each step is a cost:

    latency = w(q, mid at arrival) - w(q, mid at decision)
    waiting = w(q, mid at fill)    - w(q, mid at arrival)      0 for an order that does not rest
    spread  = w(q, best price)     - w(q, mid at fill)         negative for a resting order: it earns the spread
    depth   = w(q, price)          - w(q, best price)

The gross profit is that of fills at the mid of their decision: gross = w(position, mark) - Σ w(q, mid at decision). The
net profit is net = w(position, mark) - Σ w(q, price) - Σ commission - financing. So net = gross - Σ costs to the last
digit, however w is rounded.

Money is an integer of 1e-12 units of the settlement currency.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._typing import Int64
from ofiml.backtest.money import Money
from ofiml.units import SECOND

Amounts = NDArray[np.object_]  # Python integers: they do not overflow
KINDS = ("latency", "waiting", "spread", "depth", "commission", "financing")

_YEAR = 365 * 86_400 * SECOND

# A fill as the simulation hands it over: times in ns, prices in 1e-9 and mids doubled, lots signed (negative: sold).
FILL_COLUMNS = (
    *("order", "decided", "arrived", "filled", "lots", "price", "touch"),
    *("mid2_decided", "mid2_arrived", "mid2_filled", "maker"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of a ledger: money in integers of 1e-12, `traded_value` the money that changed hands, lots and fills."""

    gross: int = 0
    latency: int = 0
    waiting: int = 0
    spread: int = 0
    depth: int = 0
    commission: int = 0
    financing: int = 0
    traded_value: int = 0
    traded: int = 0
    fills: int = 0

    @property
    def costs(self) -> int:
        """All costs."""
        return self.latency + self.waiting + self.spread + self.depth + self.commission + self.financing

    @property
    def net(self) -> int:
        """The profit after costs."""
        return self.gross - self.costs

    def __add__(self, other: Self) -> Self:
        return type(self)(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of one session.

    `fills` are the given fills with `position` after each (lots) and the money of each in integers of 1e-12, as
    columns of Python integers in `amounts`. `times` (k,) are the marks (ns); `gross` and `net` (k,) the profit so far,
    and `position` (k,) the lots held at each.
    """

    fills: pl.DataFrame
    amounts: dict[str, Amounts]
    times: Int64
    gross: Amounts
    net: Amounts
    position: Int64
    totals: Totals


def keep_ledger(
    fills: pl.DataFrame, money: Money, times: Int64, mark2: Int64, *, financing_rate: float = 0.0
) -> Ledger:
    """Book the fills of a session, in time order (`FILL_COLUMNS`), and mark the position at `times` (k,), ns.

    `mark2` (k,) is bid + ask of the last two-sided book at each time, 1e-9. `financing_rate` is a yearly rate on the
    value of the position at its last fill price. Fills at a mark's time precede the mark.
    """
    lots = fills["lots"].to_numpy()
    worth = {
        "decided": money.worth(lots, fills["mid2_decided"].to_numpy()),
        "arrived": money.worth(lots, fills["mid2_arrived"].to_numpy()),
        "filled": money.worth(lots, fills["mid2_filled"].to_numpy()),
        "touch": money.worth(lots, 2 * fills["touch"].to_numpy()),
        "price": money.worth(lots, 2 * fills["price"].to_numpy()),
    }
    position = np.cumsum(lots)
    filled = fills["filled"].to_numpy()
    financing = _charge_financing(position, fills["price"].to_numpy(), filled, times, money, financing_rate)
    amounts = {
        "latency": worth["arrived"] - worth["decided"],
        "waiting": worth["filled"] - worth["arrived"],
        "spread": worth["touch"] - worth["filled"],
        "depth": worth["price"] - worth["touch"],
        "commission": charge_commissions(fills, money),
        "financing": financing,
    }
    done = np.searchsorted(filled, times, side="right")  # fills before each mark

    def cumulate(each: Amounts) -> Amounts:
        return np.concatenate([np.zeros(1, object), np.cumsum(each)])[done]

    held = np.concatenate([[0], position])[done].astype(np.int64)
    at_mark = money.worth(held, mark2)
    charges = sum((cumulate(amounts[kind]) for kind in ("commission", "financing")), np.zeros(len(times), object))
    gross = at_mark - cumulate(worth["decided"])
    net = at_mark - cumulate(worth["price"]) - charges
    sums = {kind: int(sum(amounts[kind])) for kind in KINDS}
    totals = Totals(
        gross=int(gross[-1]) if len(gross) else 0,
        traded_value=int(sum(abs(each) for each in worth["price"])),
        traded=int(np.abs(lots).sum()),
        fills=len(lots),
        **sums,
    )
    booked = fills.with_columns(pl.Series("position", position, pl.Int64))
    return Ledger(booked, amounts, times, gross, net, held, totals)


def charge_commissions(fills: pl.DataFrame, money: Money) -> Amounts:
    """Charge the commission of each fill. What an order pays up to the minimum of its ticket is added to its last fill,
    of makers and takers apart.
    """
    rows = zip(*(fills[c].to_list() for c in ("order", "maker", "lots", "price")), strict=True)
    charged = np.zeros(fills.height, object)
    tickets: dict[tuple[int, bool], list[int]] = {}
    for row, (order, maker, lots, price) in enumerate(rows):
        charged[row] = money.fee(lots, price, maker=maker)
        tickets.setdefault((order, maker), []).append(row)
    for (_, maker), ticket in tickets.items():
        paid = sum(charged[ticket])
        charged[ticket[-1]] += money.charge_order(paid, maker=maker) - paid
    return charged


def _charge_financing(position: Int64, price: Int64, filled: Int64, times: Int64, money: Money, rate: float) -> Amounts:
    """Charge each fill for the time that the position before it was held; the last position is flat at the close."""
    charges = np.zeros(len(position), object)
    if rate == 0 or len(position) < 2:
        return charges
    held = np.diff(filled)
    value = money.worth(np.abs(position[:-1]), 2 * price[:-1])
    for row in range(1, len(position)):
        charges[row] = round(abs(value[row - 1]) * rate * int(held[row - 1]) / _YEAR)
    return charges
