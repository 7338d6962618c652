"""The money of single fills in fractions: the reference for the columns of `ofiml.backtest.money.Money`."""

from fractions import Fraction

from ofiml.backtest.money import MONEY_SCALE, Money
from ofiml.units import PRICE_SCALE

Price = int | Fraction  # 1e-9 of the quote currency


def value(money: Money, lots: int, price: Price) -> Fraction:
    """The exact value of lots in 1e-12 of the settlement currency, of the sign of lots times price."""
    if not lots:
        return Fraction(0)
    at = Fraction(price) / PRICE_SCALE
    return lots * money.unit * MONEY_SCALE * (1 / at if money.inverse else at)


def flow(money: Money, lots: int, price: Price) -> int:
    """What a fill moves into the account: a purchase pays its value, and that of an inverse contract is received."""
    return round(value(money, lots, price) * (1 if money.inverse else -1))


def gain(money: Money, lots: int, entry: Price, exit: Price) -> int:
    """The profit of lots (negative: short) from one price to another, before costs."""
    return flow(money, lots, entry) + flow(money, -lots, exit)


def fee(money: Money, lots: int, price: Price, *, maker: bool = False) -> int:
    """The fee of a fill as taker or maker, before the minimum of its order."""
    rates = money.maker if maker else money.taker
    return round(rates.per_lot * abs(lots) + rates.share * abs(value(money, lots, price)))


def sale_fee(money: Money, lots: int, price: Price) -> int:
    """What a fill pays more as a sale."""
    return round(money.seller.per_lot * -lots + money.seller.share * abs(value(money, lots, price))) if lots < 0 else 0
