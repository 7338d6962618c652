"""Money of an instrument, in exact integers of 1e-12 of its settlement currency.

Prices are integers of 1e-9 of the quote currency, or fractions of them (a mid). A number that has no exact value is
rounded half to even, once: the value of an inverse contract, and a fee.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ofiml._typing import Bool, Float, Int64
from ofiml.config import Fees, Instrument
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

MONEY_SCALE = 10**12  # units of money in one of the currency

_NO_VALUE = "An inverse contract has no value at a price of 0 or below: use contract: linear, or check the prices."

Price = int | Fraction
"""A price in 1e-9 of the quote currency."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """Fees as exact numbers: `per_lot` in 1e-12 of the currency, `share` of the value, `minimum` in 1e-12."""

    per_lot: Fraction
    share: Fraction
    minimum: int

    @classmethod
    def of(cls, fees: Fees, contracts: Fraction, units: Fraction) -> Self:
        per_lot = _exact(fees.per_unit) * units + _exact(fees.per_contract) * contracts
        return cls(per_lot * MONEY_SCALE, _exact(fees.bps) / 10_000, round(_exact(fees.minimum) * MONEY_SCALE))


@dataclass(frozen=True, slots=True)
class Money:
    """What lots of an instrument are worth and cost. `unit` is the multiplier of one lot.

    Money adds up: the profit of any sequence of fills is the sum of their flows, and `gain` is the flow of a purchase
    and of the sale after it.
    """

    currency: str
    inverse: bool
    unit: Fraction
    taker: _Rates
    maker: _Rates

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        """Make the money of an instrument."""
        contracts = _exact(instrument.size_unit)
        units = contracts * _exact(instrument.multiplier)
        taker, maker = (_Rates.of(fees, contracts, units) for fees in (instrument.taker, instrument.maker))
        return cls(instrument.currency, instrument.contract == "inverse", units, taker, maker)

    def value(self, lots: int, price: Price) -> int:
        """Return the value of lots at a price, of the sign of lots times price.

        Raises DataError for an inverse contract at a price of 0 or below, where it has none.
        """
        return _divide(*self._value(lots, price))

    def flow(self, lots: int, price: Price) -> int:
        """Return the money that a fill of `lots` (negative: sold) moves into the account.

        A purchase of a linear contract pays its value. The value of an inverse contract falls as the price rises, and a
        purchase gains from that, so its flow is plus the value. Only sums of flows that end flat are profits.
        """
        value = self.value(lots, price)
        return value if self.inverse else -value

    def worth(self, lots: Int64, price2: Int64) -> NDArray[np.object_]:
        """Return what lots (n,) gain or lose of a position's profit at prices (n,), which are doubled integers of 1e-9.

        Its difference between two prices is the profit of holding the lots: the negative of `flow`, as Python integers.
        Raises DataError for lots of an inverse contract at a price of 0 or below.
        """
        pairs = zip(lots.tolist(), price2.tolist(), strict=True)
        out = np.empty(len(lots), object)
        if self.inverse:
            _require_value(lots, price2)
            factor, divisor = -2 * MONEY_SCALE * PRICE_SCALE * self.unit.numerator, self.unit.denominator
            out[:] = [_divide(factor * many, divisor * doubled) if many else 0 for many, doubled in pairs]
            return out
        ratio = self.unit * MONEY_SCALE / (2 * PRICE_SCALE)
        factor, divisor = ratio.numerator, ratio.denominator
        if divisor == 1:
            out[:] = [factor * many * doubled for many, doubled in pairs]
        else:
            out[:] = [_divide(factor * many * doubled, divisor) for many, doubled in pairs]
        return out

    def gain(self, lots: int, entry: Price, exit: Price) -> int:
        """Return the profit of lots (negative: short) from one price to another, before costs."""
        return self.flow(lots, entry) + self.flow(-lots, exit)

    def fee(self, lots: int, price: Price, *, maker: bool = False) -> int:
        """Return the fee of a fill, before the minimum of its order; a rebate is negative.

        A fee in bps is of the absolute value, so it is paid at any price and on either side.
        """
        rates = self.maker if maker else self.taker
        numerator, denominator = self._value(lots, price)
        return round(rates.per_lot * abs(lots) + rates.share * abs(Fraction(numerator, denominator)))

    def fees(self, lots: Int64, price: Int64, maker: Bool) -> NDArray[np.object_]:
        """Return the `fee` of each fill (n,), as Python integers."""
        out = np.empty(len(lots), object)
        kinds = {False: self._scale_rates(self.taker), True: self._scale_rates(self.maker)}
        if self.inverse:
            _require_value(lots, price)
        for row, (many, at, kind) in enumerate(zip(lots.tolist(), price.tolist(), maker.tolist(), strict=True)):
            fixed, varying, divisor = kinds[kind]
            if self.inverse:
                out[row] = _divide(abs(many) * (fixed * at + varying), divisor * at) if many else 0
            else:
                out[row] = _divide(abs(many) * (fixed + varying * abs(at)), divisor)
        return out

    def _scale_rates(self, rates: _Rates) -> tuple[int, int, int]:
        """Return integers (a, b, d): the fee of a lot at price P is (a + b |P|)/d, and (a + b/P)/d if inverse."""
        value = self.unit * MONEY_SCALE * (PRICE_SCALE if self.inverse else Fraction(1, PRICE_SCALE))
        fixed, varying = rates.per_lot, rates.share * value
        divisor = math.lcm(fixed.denominator, varying.denominator)
        return int(fixed * divisor), int(varying * divisor), divisor

    def charge_order(self, fees: int, *, maker: bool = False) -> int:
        """Return the commission of an order that traded, from the sum of its fills' fees: at least the minimum."""
        minimum = (self.maker if maker else self.taker).minimum
        return max(fees, minimum) if minimum else fees

    def _value(self, lots: int, price: Price) -> tuple[int, int]:
        """Return the exact value as a ratio; its denominator is positive."""
        if lots == 0:
            return 0, 1
        scale = MONEY_SCALE * lots * self.unit.numerator
        if not self.inverse:
            return scale * price.numerator, PRICE_SCALE * self.unit.denominator * price.denominator
        if price <= 0:
            raise DataError(_NO_VALUE)
        return scale * PRICE_SCALE * price.denominator, self.unit.denominator * price.numerator


def estimate_fee_ticks(instrument: Instrument, price: Float, *, lots: int, maker: bool = False) -> Float:
    """Estimate the fee of an order of `lots` at prices (n,), 1e-9 of the quote currency, not negative, in ticks of
    price.

    It is the move that pays for one fee, to first order; the minimum of an order spreads over its lots. NaN for a NaN
    price, and for an inverse contract at a price of 0 or below.
    """
    fees, inverse = instrument.maker if maker else instrument.taker, instrument.contract == "inverse"
    if inverse:
        price = np.where(price > 0, price, np.nan)
    # The money of a move of the price by 1, in the currency, of one contract: an inverse one's falls with the price.
    per_move = instrument.multiplier / ((price / PRICE_SCALE) ** 2 if inverse else 1.0)
    fee = (fees.per_unit + fees.per_contract / per_move) * PRICE_SCALE + fees.bps * 1e-4 * price
    if fees.minimum:
        fee = np.maximum(fee, fees.minimum / (lots * instrument.size_unit * per_move) * PRICE_SCALE)
    ticks: Float = fee / round(instrument.tick * PRICE_SCALE)
    return ticks


def _exact(number: float) -> Fraction:
    """Return a number of the config as it is written."""
    return Fraction(repr(float(number)))


def _require_value(lots: Int64, price: Int64) -> None:
    if ((price <= 0) & (lots != 0)).any():
        raise DataError(_NO_VALUE)


def _divide(numerator: int, denominator: int) -> int:
    """Divide integers, rounding half to even; the denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))
