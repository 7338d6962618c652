"""Money in exact integers: known answers by hand, and laws for any instrument, price and size."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ofiml.backtest.money import MONEY_SCALE, Money, convert_amounts, estimate_fee_ticks, sum_money
from ofiml.config import Fees, Instrument
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

ES = Instrument(0.25, 1.0, "CMES", multiplier=50.0, quote="USD", taker=Fees(per_contract=2.25))
BTCUSDT = Instrument(0.1, 0.001, "24/7", quote="USDT", taker=Fees(bps=5), maker=Fees(bps=2))
XBTUSD = Instrument(
    0.5, 1.0, "24/7", "inverse", 1.0, "USD", "XBT", taker=Fees(bps=7.5), maker=Fees(bps=-1.0, per_contract=0.0)
)


def price(number):
    return round(number * PRICE_SCALE)


def flow(money, lots, at):
    """What one fill moves into the account."""
    return -money.worth(np.array([lots]), np.array([2 * at])).tolist()[0]


def value(money, lots, at):
    return flow(money, lots, at) * (1 if money.inverse else -1)


def gain(money, lots, entry, exit):
    """The profit of lots (negative: short) from one price to another."""
    return flow(money, lots, entry) + flow(money, -lots, exit)


def fee(money, lots, at, *, maker=False):
    return money.fees(np.array([lots]), np.array([at]), np.array([maker]))[0]


def sale_fee(money, lots, at):
    return money.sale_fees(np.array([lots]), np.array([at]))[0]


def test_a_future_by_hand():
    money = Money.of(ES)
    assert money.currency == "USD"
    assert value(money, 3, price(5000.25)) == 3 * 50 * 500025 * MONEY_SCALE // 100
    assert gain(money, 2, price(5000), price(5001.5)) == 150 * MONEY_SCALE
    assert gain(money, -2, price(5000), price(5001.5)) == -150 * MONEY_SCALE
    assert fee(money, -4, price(5000)) == 9 * MONEY_SCALE
    assert fee(money, 4, price(-5000)) == 9 * MONEY_SCALE


def test_a_linear_perpetual_by_hand():
    money = Money.of(BTCUSDT)
    # 100 lots are 0.1 coins: 6,300 USDT, 5 bps of which are 3.15 and 2 bps 1.26.
    assert value(money, 100, price(63_000)) == 6_300 * MONEY_SCALE
    assert fee(money, 100, price(63_000)) == 315 * MONEY_SCALE // 100
    assert fee(money, -100, price(63_000), maker=True) == 126 * MONEY_SCALE // 100
    assert gain(money, 100, price(63_000), price(63_000.1)) == MONEY_SCALE // 100


def test_an_inverse_perpetual_by_hand():
    money = Money.of(XBTUSD)
    assert money.currency == "XBT"
    # 10,000 contracts from 50,000 to 62,500 dollars: 0.2 coins become worth 0.16, so 0.04 are earned.
    assert value(money, 10_000, price(50_000)) == 2 * MONEY_SCALE // 10
    assert gain(money, 10_000, price(50_000), price(62_500)) == 4 * MONEY_SCALE // 100
    assert gain(money, -10_000, price(50_000), price(62_500)) == -4 * MONEY_SCALE // 100
    assert fee(money, 10_000, price(50_000)) == 15 * MONEY_SCALE // 100_000
    assert fee(money, 10_000, price(50_000), maker=True) == -2 * MONEY_SCALE // 100_000, "a rebate is received"
    # 1/3 of a coin is rounded once, half to even.
    assert value(money, 1, price(3)) == 333_333_333_333
    assert value(Money.of(XBTUSD), 0, 0) == 0
    for bad in (0, -price(1)):
        with pytest.raises(DataError, match="inverse contract has no value at a price of 0 or below"):
            value(money, 1, bad)


def test_a_unit_is_of_the_underlying_and_a_contract_has_several():
    fees = Fees(per_unit=0.01, per_contract=0.5)
    option = Instrument(0.01, 10.0, "XNYS", multiplier=100.0, taker=fees)
    assert fee(Money.of(option), 2, price(1)) == (2 * 10 * 100 // 100 + 2 * 10 // 2) * MONEY_SCALE


def test_a_minimum_is_of_the_order_and_does_not_take_a_rebate():
    broker = Instrument(0.01, 1.0, "XNYS", taker=Fees(per_unit=0.005, minimum=1.0), maker=Fees(per_unit=-0.002))
    money = Money.of(broker)
    assert money.charge_order(fee(money, 100, price(20))) == MONEY_SCALE
    assert money.charge_order(fee(money, 150, price(20)) + fee(money, 150, price(20))) == 15 * MONEY_SCALE // 10
    rebate = fee(money, 100, price(20), maker=True)
    assert rebate < 0
    assert money.charge_order(rebate, maker=True) == rebate


SALES = Fees(per_unit=0.000195, bps=0.206)


def test_sellers_pay_more_by_hand():
    share = Instrument(0.01, 1.0, "XNYS", taker=Fees(per_unit=0.005), maker=Fees(per_unit=0.005), seller=SALES)
    money = Money.of(share)
    # 300 shares at 150.00 are 45,000 dollars: 0.927 to the SEC and 0.0585 to FINRA, on top of a commission of 1.50.
    assert sale_fee(money, -300, price(150)) == 985_500_000_000
    assert sale_fee(money, 300, price(150)) == 0
    assert fee(money, -300, price(150)) == fee(money, 300, price(150)) == 15 * MONEY_SCALE // 10
    # A purchase and a sale pay it once between them.
    ticks = estimate_fee_ticks(share, float(price(150)), lots=300)
    assert ticks * 2 * 0.01 * 300 == pytest.approx(2 * 1.5 + 0.9855)
    assert estimate_fee_ticks(share, float(price(150)), lots=300, maker=True) == pytest.approx(ticks)


def test_a_number_of_the_config_is_what_it_is_written_as():
    # 0.1 is no binary fraction; three of them are 0.3, exactly.
    assert value(Money.of(Instrument(0.1, 0.1, "24/7")), 3, price(1)) == 3 * MONEY_SCALE // 10


prices = st.integers(1, 10**15)
lots = st.integers(-(10**6), 10**6)
fees = st.builds(Fees, per_contract=st.floats(-1, 5), bps=st.floats(-5, 50))
inverse = st.builds(
    Instrument, st.just(0.5), st.sampled_from([1.0, 0.1, 100.0]), st.just("24/7"), st.just("inverse"),
    st.sampled_from([1.0, 10.0, 100.0]), settlement=st.just("XBT"), taker=fees,
)  # fmt: skip
linear = st.builds(
    Instrument, st.just(0.01), st.sampled_from([1.0, 0.001, 1e-8]), st.just("24/7"), st.just("linear"),
    st.sampled_from([1.0, 50.0, 0.1]), taker=fees,
)  # fmt: skip


@given(st.one_of(linear, inverse), st.lists(st.tuples(lots, prices), min_size=1, max_size=20), prices)
def test_sums_are_exact(instrument, fills, last):
    """The profit of fills that end flat is the sum of their flows: of each from its price to the last one."""
    money = Money.of(instrument)
    position = sum(q for q, _ in fills)
    flows = sum(flow(money, q, p) for q, p in fills) + flow(money, -position, last)
    gains = sum(gain(money, q, p, last) for q, p in fills)
    unit = Fraction(repr(instrument.size_unit)) * Fraction(repr(instrument.multiplier)) * MONEY_SCALE
    if instrument.contract == "linear":
        exact = sum(Fraction(q * (last - p), PRICE_SCALE) for q, p in fills) * unit
    else:
        exact = sum(q * (Fraction(PRICE_SCALE, p) - Fraction(PRICE_SCALE, last)) for q, p in fills) * unit
    assert abs(flows - exact) <= Fraction(len(fills) + 1, 2), "each value is rounded once"
    assert abs(gains - exact) <= len(fills)


@given(st.one_of(linear, inverse), lots, prices, prices)
def test_a_long_position_gains_when_the_price_rises_and_a_short_one_mirrors_it(instrument, q, low, high):
    money, (low, high) = Money.of(instrument), sorted((low, high))
    gained = gain(money, abs(q), low, high)
    assert gained >= 0
    assert gain(money, -abs(q), low, high) == -gained
    assert gain(money, abs(q), high, low) == -gained


@given(lots, st.integers(10_000, 10**6), st.floats(-1e-3, 1e-3))
@example(10_000, 63_000, 1e-3)
def test_linear_and_inverse_agree_to_first_order(q, level, move):
    """N inverse contracts at P0 gain what N / P0 coins do: the money of one in coins times the price is that of the
    other in dollars, but for the square of the move."""
    entry = level * PRICE_SCALE
    exit = entry + round(entry * move)
    coins = gain(Money.of(Instrument(0.5, 1.0, "24/7", "inverse", 1.0, "USD", "XBT")), q, entry, exit)
    dollars = gain(Money.of(Instrument(0.5, 1.0 / 2**20, "24/7")), q, entry, exit) * 2**20 / level
    assert abs(coins * level - dollars) <= abs(dollars) * 1.01 * abs(move) + level


@given(st.one_of(linear, inverse), lots, prices)
def test_fees_but_those_of_sellers_do_not_depend_on_the_side_and_grow_with_the_rate(instrument, q, p):
    money = Money.of(instrument)
    assert fee(money, q, p) == fee(money, -q, p)
    dearer = Fees(per_contract=instrument.taker.per_contract, bps=instrument.taker.bps + 1)
    assert fee(Money.of(Instrument(**_fields(instrument) | {"taker": dearer})), q, p) >= fee(money, q, p)


@given(linear, lots, prices, st.floats(0, 50))
def test_a_fee_in_bps_of_a_negative_price_is_paid(instrument, q, p, bps):
    money = Money.of(Instrument(**_fields(instrument) | {"taker": Fees(bps=bps)}))
    assert fee(money, q, -p) == fee(money, q, p) >= 0
    assert value(money, q, -p) == -value(money, q, p)


def _fields(instrument):
    return {name: getattr(instrument, name) for name in Instrument.__dataclass_fields__}


@pytest.mark.parametrize("instrument", [ES, BTCUSDT, XBTUSD])
def test_the_fee_in_ticks_is_the_move_that_pays_for_it(instrument):
    money, at = Money.of(instrument), price(50_000)
    ticks = estimate_fee_ticks(instrument, float(at), lots=100)
    earned = gain(money, 100, at, at + round(ticks * instrument.tick * PRICE_SCALE))
    assert earned == pytest.approx(fee(money, 100, at), rel=2e-3)


def test_a_minimum_makes_small_orders_dear():
    broker = Instrument(0.01, 1.0, "XNYS", taker=Fees(per_unit=0.005, minimum=1.0))
    assert estimate_fee_ticks(broker, float(price(20)), lots=1000) == pytest.approx(0.5)
    assert estimate_fee_ticks(broker, float(price(20)), lots=10) == pytest.approx(10.0)
    assert estimate_fee_ticks(XBTUSD, 0.0, lots=1) != estimate_fee_ticks(XBTUSD, 0.0, lots=1), "NaN"


@pytest.mark.parametrize(
    ("size_unit", "multiplier"), [(1.0, 1.0), (0.001, 1.0), (0.123456789, 1.0), (0.123456789012345, 1.23456789012345)]
)
@given(lots=st.integers(-(10**9), 10**9), mid=st.integers(-(10**14), 10**14), others=st.integers(0, 2))
@example(lots=23_058, mid=10**11, others=0)
@example(lots=23_059, mid=10**11, others=0)
@example(lots=0, mid=10**11, others=0)
def test_numbers_of_either_width_are_the_same(size_unit, multiplier, lots, mid, others):
    """Small ones are 64 bits wide; beside a large one, which does not fit, they are as they are alone."""
    money = Money.of(Instrument(0.01, size_unit, "24/7", multiplier=multiplier))
    many, prices = np.array([lots, -lots, 10**9][: 1 + others]), np.array([2 * mid + 1, 1 - mid, 10**14][: 1 + others])
    worth = money.worth(many, prices).tolist()
    exact = [Fraction(int(q) * int(p)) * Fraction(*money.ratio) for q, p in zip(many, prices, strict=True)]
    assert worth == [round(each) for each in exact]
    sums = [sum(worth[:k]) for k in range(len(worth) + 1)]
    for amounts in (np.array(worth, object), money.worth(many, prices)):
        assert sum_money(amounts).tolist() == sums
        assert convert_amounts(amounts).tolist() == [each / MONEY_SCALE for each in worth]


@given(amounts=st.lists(st.integers(2**52, 2**61), max_size=9))
@example(amounts=[2**53 + 2 * k + 1 for k in range(999)])
def test_currency_is_rounded_once(amounts):
    assert convert_amounts(np.array(amounts, np.int64)).tolist() == [each / MONEY_SCALE for each in amounts]


def test_only_small_numbers_are_narrow():
    money = Money.of(Instrument(0.01, 1.0, "24/7"))
    below, above = (money.worth(np.array([lots]), np.array([2 * 10**11])) for lots in (23_058, 23_059))
    assert (below.dtype, above.dtype) == (np.int64, object)
    assert sum_money(np.repeat(below, 2)).dtype == object
    assert sum_money(below).dtype == np.int64
