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

Some costs are gains: a resting order earns the spread, a rebate is a negative commission, and the mid may move in
favour of an order before it is filled. `Totals` divides the costs into what is paid and what is earned:
costs = paid - earned. Of spread and commission this is decided fill by fill. The other kinds are moves of the mid,
whose signs are chance in each fill: their sum is either paid or earned.

Money is an integer of 1e-12 units of the settlement currency.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple, Self

import numpy as np

from ofiml._typing import Bool, Int64
from ofiml.backtest.money import Amounts, Money, sum_money
from ofiml.units import SECOND

KINDS = ("latency", "waiting", "spread", "depth", "commission", "financing")

_YEAR = 365 * 86_400 * SECOND


class Fills(NamedTuple):
    """Fills as the simulation hands them over, (n,) each: the row of their order, times in ns, prices in 1e-9 and mids
    doubled, lots signed (negative: sold), and whether each rested.
    """

    order: Int64
    decided: Int64
    arrived: Int64
    filled: Int64
    lots: Int64
    price: Int64
    touch: Int64
    mid2_decided: Int64
    mid2_arrived: Int64
    mid2_filled: Int64
    maker: Bool

    def divide(self, counts: Sequence[int]) -> "list[Fills]":
        """Divide the fills into parts of `counts`."""
        stops = np.cumsum(counts).tolist()
        return [
            Fills._make(column[stop - count : stop] for column in self)
            for count, stop in zip(counts, stops, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of a ledger: money in integers of 1e-12, `traded_value` the money that changed hands, lots and fills.

    `spread_earned` and `rebates` are what fills earned by the spread and by commissions, 0 or more; `spread` and
    `commission` are net of them.
    """

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
    spread_earned: int = 0
    rebates: int = 0

    @property
    def costs(self) -> int:
        """All costs."""
        return self.latency + self.waiting + self.spread + self.depth + self.commission + self.financing

    @property
    def earned(self) -> dict[str, int]:
        """What each kind of cost earned, 0 or more."""
        by_sum = {kind: max(0, -int(getattr(self, kind))) for kind in KINDS}
        return by_sum | {"spread": self.spread_earned, "commission": self.rebates}

    @property
    def paid(self) -> dict[str, int]:
        """What was paid for each kind of cost, 0 or more."""
        return {kind: getattr(self, kind) + amount for kind, amount in self.earned.items()}

    @property
    def net(self) -> int:
        """The profit after costs."""
        return self.gross - self.costs

    @classmethod
    def add(cls, parts: Iterable[Self]) -> Self:
        """Add the totals of several sessions; all is 0 without one."""
        parts = list(parts)
        return cls(**{name: sum(map(attrgetter(name), parts)) for name in _SUMMED})


_SUMMED = tuple(f.name for f in fields(Totals))


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of one session.

    `held` is the position after each of the `fills` (lots), and `amounts` has the money of each by kind. `times` (k,)
    are the marks (ns); `gross` and `net` (k,) the profit so far, and `position` (k,) the lots held at each. `totals`
    are those of the last mark.
    """

    fills: Fills
    held: Int64
    amounts: dict[str, Amounts]
    times: Int64
    gross: Amounts
    net: Amounts
    position: Int64
    totals: Totals


def keep_ledger(fills: Fills, money: Money, times: Int64, mark2: Int64, *, financing_rate: float = 0.0) -> Ledger:
    """Book the fills of a session, in time order, and mark the position at `times` (k,), ns, k > 0.

    `mark2` (k,) is bid + ask of the last two-sided book at each time, 1e-9. `financing_rate` is a yearly rate on the
    value of the position at its last fill price. A fill at a mark's time precedes the mark, unless it was decided at
    that time: a mark precedes the decision of its bar. The last mark is the close and follows all fills.
    """
    worth, amounts = _book_fills(fills, money, financing_rate, [len(fills.lots)])
    known = fills.filled + (fills.decided >= fills.filled)
    done = np.searchsorted(np.maximum.accumulate(known), times, side="right")
    done[-1] = len(known)  # fills before each mark
    held = np.cumsum(fills.lots)
    position = np.concatenate([[0], held])[done]
    at_mark = money.worth(position, mark2)
    gross = at_mark - sum_money(worth["decided"])[done]
    net = at_mark - sum_money(worth["price"] + amounts["commission"] + amounts["financing"])[done]
    totals = _sum_totals(_list_totals(fills, worth, amounts), int(at_mark[-1]))
    return Ledger(fills, held, amounts, times, gross, net, position, totals)


def total_fills(
    fills: Fills, counts: Sequence[int], money: Money, close2: int, *, financing_rate: float = 0.0
) -> list[Totals]:
    """Total the fills of several scenarios of a session, `counts` of each, one after the other, without marks between.

    No order number is in two scenarios. `close2` is bid + ask at the close, 1e-9.
    """
    each = _list_totals(fills, *_book_fills(fills, money, financing_rate, counts))
    stops = np.cumsum(counts)
    held = np.concatenate([[0], np.cumsum(fills.lots)])
    left = money.worth(held[stops] - held[stops - counts], np.full(len(stops), close2)).tolist()
    return [_sum_totals(each[stop - count : stop], last) for count, stop, last in zip(counts, stops, left, strict=True)]


def _book_fills(
    fills: Fills, money: Money, rate: float, counts: Sequence[int]
) -> tuple[dict[str, Amounts], dict[str, Amounts]]:
    """Book the worth of each fill at its five prices, and its costs by kind."""
    mids = {"decided": fills.mid2_decided, "arrived": fills.mid2_arrived, "filled": fills.mid2_filled}
    prices = {"touch": 2 * fills.touch, "price": 2 * fills.price}
    worth = {at: money.worth(fills.lots, price2) for at, price2 in (mids | prices).items()}
    amounts = {
        "latency": worth["arrived"] - worth["decided"],
        "waiting": worth["filled"] - worth["arrived"],
        "spread": worth["touch"] - worth["filled"],
        "depth": worth["price"] - worth["touch"],
        "commission": charge_commissions(fills, money),
        "financing": _charge_financing(fills, money, rate, counts),
    }
    return worth, amounts


def _list_totals(fills: Fills, worth: dict[str, Amounts], amounts: dict[str, Amounts]) -> Amounts:
    """List what each fill adds to each field of `Totals`, shape (n, fields)."""
    columns = {
        "gross": -worth["decided"],
        "traded_value": np.abs(worth["price"]),
        "traded": np.abs(fills.lots),
        "fills": np.ones(len(fills.lots), np.int64),
        "spread_earned": np.maximum(-amounts["spread"], 0),
        "rebates": np.maximum(-amounts["commission"], 0),
        **amounts,
    }
    return np.stack([columns[name].astype(object) for name in _SUMMED], axis=1)


def _sum_totals(each: Amounts, left: int) -> Totals:
    """Sum what fills add; `left` is the worth of what is held at the session's end, 0 if it ends flat."""
    sums = dict(zip(_SUMMED, each.sum(axis=0).tolist(), strict=True))
    return Totals(**{**sums, "gross": left + sums["gross"]})


def charge_commissions(fills: Fills, money: Money) -> Amounts:
    """Charge the commission of each fill. What an order pays up to the minimum of its ticket is added to its last fill.

    An order has one ticket: that of a taker if any of its fills took. What sellers pay more does not count for it.
    """
    lots, price, maker = fills.lots, fills.price, fills.maker
    charged, sales = money.fees(lots, price, maker), money.sale_fees(lots, price)
    if not (money.taker.minimum or money.maker.minimum):
        return charged + sales
    tickets: dict[int, list[int]] = {}
    for row, number in enumerate(fills.order.tolist()):
        tickets.setdefault(number, []).append(row)
    for ticket in tickets.values():
        paid = sum(charged[ticket])
        charged[ticket[-1]] += money.charge_order(paid, maker=bool(maker[ticket].all())) - paid
    return charged + sales


def _charge_financing(fills: Fills, money: Money, rate: float, counts: Sequence[int]) -> Amounts:
    """Charge each fill for the time that the position before it was held; the last position is flat at the close."""
    if rate == 0:
        return np.zeros(len(fills.lots), object)
    return np.concatenate([_charge_positions(part, money, rate) for part in fills.divide(counts)])


def _charge_positions(fills: Fills, money: Money, rate: float) -> Amounts:
    charges = np.zeros(len(fills.lots), object)
    if len(charges) < 2:
        return charges
    position, price, durations_ns = np.cumsum(fills.lots), fills.price, np.diff(fills.filled)
    value = money.worth(np.abs(position[:-1]), 2 * price[:-1]).tolist()
    for row in range(1, len(position)):
        charges[row] = round(abs(value[row - 1]) * rate * int(durations_ns[row - 1]) / _YEAR)
    return charges
