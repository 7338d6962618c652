"""Money of an instrument, in exact integers of 1e-12 of its settlement currency.

Prices are integers of 1e-9 of the quote currency, and doubled ones where they may be mids. A number that has no exact
value is rounded half to even, once: the value of an inverse contract, and a fee.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ofiml._typing import Bool, Float, Int64
from ofiml.config import Fees, Instrument
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

MONEY_SCALE = 10**12  # units of money in one of the currency

#: Amounts of money, (n,): Python integers, which do not overflow, or int64 if all are below `_NARROW` in size. Two
#: differences of these, one of the other, do not overflow. Sums are of Python integers.
Amounts = NDArray[Any]

_NARROW = 2**61
_EXACT = 2**53  # integers up to it are exact as floats

_NO_VALUE = "An inverse contract has no value at a price of 0 or below: use contract: linear, or check the prices."


@dataclass(frozen=True, slots=True)
class _Rates:
    """Fees as exact numbers: `per_lot` in 1e-12 of the currency, `share` of the value, `minimum` in 1e-12.

    `scaled` are integers (a, b, d): the fee of a lot at price P is (a + b |P|)/d, and (a + b/P)/d if inverse.
    """

    per_lot: Fraction
    share: Fraction
    minimum: int
    scaled: tuple[int, int, int]

    @classmethod
    def of(cls, fees: Fees, contracts: Fraction, units: Fraction, *, inverse: bool) -> Self:
        per_lot = (_exact(fees.per_unit) * units + _exact(fees.per_contract) * contracts) * MONEY_SCALE
        share, minimum = _exact(fees.bps) / 10_000, round(_exact(fees.minimum) * MONEY_SCALE)
        varying = share * units * MONEY_SCALE * (PRICE_SCALE if inverse else Fraction(1, PRICE_SCALE))
        divisor = math.lcm(per_lot.denominator, varying.denominator)
        return cls(per_lot, share, minimum, (int(per_lot * divisor), int(varying * divisor), divisor))


@dataclass(frozen=True, slots=True)
class Money:
    """What lots of an instrument are worth and cost. `unit` is the multiplier of one lot, and `ratio`, as numerator and
    denominator, what a lot is worth at a doubled price of 1e-9; of an inverse contract, that worth times the price.

    Money adds up: the profit of any sequence of fills that ends flat is the negative sum of their `worth`.
    """

    currency: str
    inverse: bool
    unit: Fraction
    ratio: tuple[int, int]
    taker: _Rates
    maker: _Rates
    seller: _Rates

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        """Make the money of an instrument."""
        contracts = _exact(instrument.size_unit)
        units = contracts * _exact(instrument.multiplier)
        inverse = instrument.contract == "inverse"
        scale = -2 * MONEY_SCALE * PRICE_SCALE if inverse else Fraction(MONEY_SCALE, 2 * PRICE_SCALE)
        fees = (instrument.taker, instrument.maker, instrument.seller)
        rates = [_Rates.of(each, contracts, units, inverse=inverse) for each in fees]
        return cls(instrument.currency, inverse, units, (units * scale).as_integer_ratio(), *rates)

    def worth(self, lots: Int64, price2: Int64) -> Amounts:
        """Return what lots (n,) gain or lose of a position's profit at prices (n,), which are doubled integers of 1e-9.

        Its difference between two prices is the profit of holding the lots. The value of an inverse contract falls as
        the price rises, and a purchase gains from that, so its worth is minus the value. Raises DataError for lots of
        an inverse contract at a price of 0 or below, where it has no value.
        """
        factor, divisor = self.ratio
        if self.inverse:
            _require_value(lots, price2)
        elif max(factor * _find_largest(lots) * _find_largest(price2), divisor) < _NARROW:  # as are all products
            return _divide_columns(factor * lots * price2, divisor)
        pairs = zip(lots.tolist(), price2.tolist(), strict=True)
        out = np.empty(len(lots), object)
        if self.inverse:
            out[:] = [_divide(factor * many, divisor * doubled) if many else 0 for many, doubled in pairs]
        else:
            out[:] = [_divide(factor * many * doubled, divisor) for many, doubled in pairs]
        return out

    def fees(self, lots: Int64, price: Int64, maker: Bool) -> NDArray[np.object_]:
        """Return the fee of each fill (n,) as taker or maker, before the minimum of its order, as Python integers.

        A rebate is negative. A fee in bps is of the absolute value, so it is paid at any price. What sellers pay more
        is not in it. Raises DataError as `worth` does.
        """
        rates = self.taker.scaled, self.maker.scaled
        return self._charge(lots, price, map(rates.__getitem__, maker.tolist()))

    def sale_fees(self, lots: Int64, price: Int64) -> NDArray[np.object_]:
        """Return what each fill (n,) pays more because it is a sale, as Python integers; 0 for a purchase."""
        if not (self.seller.per_lot or self.seller.share):
            return np.zeros(len(lots), object)
        return self._charge(np.minimum(lots, 0), price, [self.seller.scaled] * len(lots))

    def _charge(self, lots: Int64, price: Int64, rates: Iterable[tuple[int, int, int]]) -> NDArray[np.object_]:
        """Charge the scaled rates of each fill, rounded once."""
        out = np.empty(len(lots), object)
        if self.inverse:
            _require_value(lots, price)
        for row, (many, at, rate) in enumerate(zip(lots.tolist(), price.tolist(), rates, strict=True)):
            fixed, varying, divisor = rate
            if self.inverse:
                out[row] = _divide(abs(many) * (fixed * at + varying), divisor * at) if many else 0
            else:
                out[row] = _divide(abs(many) * (fixed + varying * abs(at)), divisor)
        return out

    def charge_order(self, fees: int, *, maker: bool = False) -> int:
        """Return the commission of an order that traded, from the sum of its fills' fees: at least the minimum."""
        minimum = (self.maker if maker else self.taker).minimum
        return max(fees, minimum) if minimum else fees


def sum_money(amounts: Amounts) -> Amounts:
    """Sum amounts (n,) up to each, and 0 before the first, (n + 1,)."""
    sums = np.concatenate([np.zeros(1, object), np.cumsum(amounts.astype(object))])
    return sums.astype(np.int64) if _find_largest(sums) < _NARROW else sums


def convert_amounts(amounts: Amounts) -> Float:
    """Convert amounts (n,) to currency, each rounded once."""
    if amounts.dtype == np.int64 and _find_largest(amounts) < _EXACT:
        return amounts / MONEY_SCALE
    return np.array([amount / MONEY_SCALE for amount in amounts.tolist()], np.float64)


def estimate_fee_ticks(instrument: Instrument, price: Float, *, lots: int, maker: bool = False) -> Float:
    """Estimate the fee of an order of `lots` at prices (n,), 1e-9 of the quote currency, not negative, in ticks of
    price.

    It is the move that pays for one fee, to first order. The minimum of an order spreads over its lots. What sellers
    pay more spreads over a purchase and a sale, because each position has one of each. NaN for a NaN price, and for an
    inverse contract at a price of 0 or below.
    """
    side, inverse = instrument.maker if maker else instrument.taker, instrument.contract == "inverse"
    if inverse:
        price = np.where(price > 0, price, np.nan)
    # The money of a move of the price by 1, in the currency, of one contract: an inverse one's falls with the price.
    per_move = instrument.multiplier / ((price / PRICE_SCALE) ** 2 if inverse else 1.0)

    def charge(fees: Fees) -> Float:
        return (fees.per_unit + fees.per_contract / per_move) * PRICE_SCALE + fees.bps * 1e-4 * price

    fee = charge(side)
    if side.minimum:
        fee = np.maximum(fee, side.minimum / (lots * instrument.size_unit * per_move) * PRICE_SCALE)
    ticks: Float = (fee + charge(instrument.seller) / 2) / round(instrument.tick * PRICE_SCALE)
    return ticks


def _exact(number: float) -> Fraction:
    """Return a number of the config as it is written."""
    return Fraction(repr(float(number)))


def _require_value(lots: Int64, price: Int64) -> None:
    if ((price <= 0) & (lots != 0)).any():
        raise DataError(_NO_VALUE)


def _find_largest(amounts: Amounts) -> int:
    """Find the largest absolute value, at least 1."""
    return int(np.abs(amounts).max(initial=1))


def _divide_columns(numerator: Int64, denominator: int) -> Int64:
    """Divide integers (n,) within `_NARROW` by one, rounding half to even."""
    quotient, rest = np.divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + ((twice > denominator) | ((twice == denominator) & (quotient % 2 == 1)))


def _divide(numerator: int, denominator: int) -> int:
    """Divide integers, rounding half to even; the denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))
