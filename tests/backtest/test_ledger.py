"""The ledger: costs by hand, and identities that hold for all fills."""

from dataclasses import astuple, fields
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.backtest.ledger import KINDS, Totals, total_fills
from ofiml.backtest.money import MONEY_SCALE, Money, estimate_fee_ticks
from ofiml.config import Instrument
from tests.backtest.fills import Fees, draw_fills, fill, keep, keep_ledger, make_fills, make_money, read_fills
from tests.backtest.single_money import fee, flow, sale_fee
from tests.books import SECOND

quick = settings(max_examples=30)
LINEAR = make_money(taker=Fees(per_unit=0.005), maker=Fees(per_unit=-0.002))
CONTRACTS = {
    "linear": make_money(
        multiplier=0.3,
        taker=Fees(bps=7.3, minimum=0.5),
        maker=Fees(per_contract=-0.1),
        seller=Fees(bps=0.2, per_unit=3e-4),
    ),
    "inverse": make_money(
        contract="inverse",
        settlement="BTC",
        multiplier=100.0,
        taker=Fees(bps=7.5),
        maker=Fees(bps=-2.5, minimum=1e-4),
        seller=Fees(bps=0.7),
    ),
}


def count(amounts: object) -> list[float]:
    """Money in currency."""
    return [amount / MONEY_SCALE for amount in amounts]


def cost(totals: Totals) -> dict[str, float]:
    return {kind: getattr(totals, kind) / MONEY_SCALE for kind in KINDS}


def test_a_taker_by_hand():
    # Bought: decided at a mid of 100.00, which is 100.01 on arrival; the ask is 100.02 and 100.03 is paid.
    bought = fill(2, 10, 100.03, decided=100.00, arrived=100.01, touch=100.02)
    # Sold: decided at 100.50, 100.48 on arrival, at a bid of 100.47, all of it there.
    sold = fill(4, -10, 100.47, decided=100.50, arrived=100.48, order=1)
    sold["touch"] = sold["price"]
    ledger = keep(LINEAR, bought, sold, marks={1: 100.00, 3: 100.20, 5: 100.60})
    assert cost(ledger.totals) == pytest.approx(
        {"latency": 0.1 + 0.2, "waiting": 0, "spread": 0.1 + 0.1, "depth": 0.1, "commission": 0.1, "financing": 0}
    )
    assert count(ledger.gross) == [0, 2.0, 5.0]  # 10 lots from 100.00 to 100.20, then to 100.50
    assert count(ledger.net) == [0, 1.65, 4.3]  # 10 lots from 100.03, less commissions of 0.05 each
    assert ledger.position.tolist() == [0, 10, 0]
    assert ledger.held.tolist() == [10, 0]
    assert ledger.totals.net == ledger.net[-1] == 4_300_000_000_000
    assert (ledger.totals.traded, ledger.totals.fills) == (20, 2)
    assert ledger.totals.traded_value == (1000.3 + 1004.7) * MONEY_SCALE


def test_a_maker_waits_and_earns_the_spread_and_a_rebate():
    sold = fill(3, -4, 50.03, decided=50.00, arrived=50.01, waited=50.04, touch=50.03, maker=True)
    ledger = keep(LINEAR, sold, marks={1: 50.0, 4: 50.1})
    # A sale gains as the mid rises, so latency and waiting are negative costs; the mid at the fill is above its price.
    assert cost(ledger.totals) == pytest.approx(
        {"latency": -0.04, "waiting": -0.12, "spread": 0.04, "depth": 0, "commission": -0.008, "financing": 0}
    )
    assert ledger.position.tolist() == [0, -4]
    assert ledger.net[-1] == round(-4 * 0.07 * MONEY_SCALE + 0.008 * MONEY_SCALE)


def test_the_minimum_is_of_an_order():
    money = make_money(taker=Fees(per_unit=0.01, minimum=1.0), maker=Fees(per_unit=0.01, minimum=0.2))
    rows = (
        *(fill(1, 10, 5.0), fill(2, 30, 5.0)),  # 0.1 and 0.3 of one order: 0.6 are missing
        fill(3, 200, 5.0, order=1),  # 2: enough
        *(fill(4, 1, 5.0, order=2), fill(5, 1, 5.0, order=2, maker=True)),  # took, and its rest waited: one ticket
        fill(6, -2, 5.0, order=3, maker=True),
    )
    assert count(keep(money, *rows, marks={7: 5.0}).amounts["commission"]) == [0.1, 0.9, 2.0, 0.01, 0.99, 0.2]


def test_financing_is_of_the_time_between_fills():
    day = 86_400
    rows = (fill(0, 10, 100.0), fill(36.5 * day, -5, 200.0), fill(73 * day, -5, 300.0))
    ledger = keep(make_money(), *rows, marks={80 * day: 300.0}, rate=0.1)
    # 10 lots of 100.00 for a tenth of a year, then 5 of 200.00.
    assert count(ledger.amounts["financing"]) == [0, 10.0, 10.0]
    assert keep(make_money(), *rows[:1], marks={80 * day: 300.0}, rate=0.1).totals.financing == 0
    short = [fill(0, -10, 100.0), fill(36.5 * day, 10, 100.0)]
    assert keep(make_money(), *short, marks={80 * day: 300.0}, rate=0.1).totals.financing == 10 * MONEY_SCALE


def test_a_mark_precedes_what_is_decided_at_its_time():
    at_once = fill(1, 5, 10.0, decided=9.0, at=1)  # no latency: decided and filled at the mark's time
    earlier = fill(2, -5, 10.0, at=1.5)  # decided before: filled before the mark
    ledger = keep(make_money(), at_once, earlier, marks={1: 10.0, 2: 10.0, 3: 10.0})
    assert ledger.position.tolist() == [0, 0, 0]
    assert count(ledger.net) == [0, 0, 0]
    ledger = keep(make_money(), at_once, marks={1: 10.0, 2: 11.0})
    assert ledger.position.tolist() == [0, 5]
    assert count(ledger.gross) == [0, 10]
    # The last mark is the close, when positions are closed: it follows all fills.
    closing = fill(3, -5, 12.0, order=1, at=3)
    ledger = keep(make_money(), at_once, closing, marks={1: 10.0, 3.0: 12.0, 3.0000001: 12.0})
    assert ledger.position.tolist() == [0, 5, 0]
    assert keep(make_money(), at_once, marks={1: 10.0}).position.tolist() == [5]


def test_without_a_fill_all_is_zero():
    ledger = keep(LINEAR, marks={1: 10.0, 2: 11.0}, rate=0.1)
    assert ledger.totals == Totals()
    assert ledger.gross.tolist() == ledger.net.tolist() == ledger.position.tolist() == [0, 0]
    assert total_fills(read_fills(make_fills()), [0, 0], CONTRACTS["inverse"], 0) == [Totals(), Totals()]
    assert len(ledger.held) == 0


def test_totals_add_up_kind_by_kind():
    one, two = Totals(**{f.name: k + 1 for k, f in enumerate(fields(Totals))}), Totals(gross=100, depth=7, fills=1)
    total = Totals.add([one, two])
    assert Totals.add([]) == Totals()
    assert astuple(total) == tuple(a + b for a, b in zip(astuple(one), astuple(two), strict=True))
    assert (total.gross, total.depth, total.fills) == (101, 12, 11)
    assert one.costs == 2 + 3 + 4 + 5 + 6 + 7
    assert one.net == 1 - one.costs


MARKS = np.arange(0, 46, 5) * SECOND
MARK2 = np.arange(len(MARKS)) * 2 * 10**7 + 10_000 * 10**7 + 1


def lowest(name: str) -> int:
    return 1 if name == "inverse" else -2000


@pytest.mark.parametrize("name", CONTRACTS)
@quick
@given(data=st.data())
def test_net_is_gross_less_costs_to_the_last_digit(name: str, data: st.DataObject) -> None:
    money, fills = CONTRACTS[name], data.draw(draw_fills(lowest=lowest(name)))
    ledger = keep_ledger(fills, money, MARKS, MARK2, financing_rate=0.3)
    totals = ledger.totals
    assert totals.net == totals.gross - sum(getattr(totals, kind) for kind in KINDS) == ledger.net[-1]
    assert totals.gross == ledger.gross[-1]
    assert all(type(amount) is int for kind in KINDS for amount in ledger.amounts[kind].tolist())


@pytest.mark.parametrize("name", CONTRACTS)
@quick
@given(data=st.data())
def test_scenarios_together_have_the_totals_of_each(name: str, data: st.DataObject) -> None:
    money = CONTRACTS[name]
    parts = [data.draw(draw_fills(lowest=lowest(name))) for _ in range(3)]
    apart = [keep_ledger(part, money, MARKS, MARK2, financing_rate=0.3).totals for part in parts]
    joined = read_fills(pl.concat(part.with_columns(pl.col("order") + 10 * k) for k, part in enumerate(parts)))
    counts = [part.height for part in parts]
    assert total_fills(joined, counts, money, int(MARK2[-1]), financing_rate=0.3) == apart


@pytest.mark.parametrize("name", CONTRACTS)
@quick
@given(data=st.data())
def test_position_times_price_reconciles_with_cash_at_every_mark(name: str, data: st.DataObject) -> None:
    money, fills = CONTRACTS[name], data.draw(draw_fills(lowest=lowest(name)))
    ledger = keep_ledger(fills, money, MARKS, MARK2)
    paid = ledger.amounts["commission"]
    for k, at in enumerate(MARKS):
        cash, position = 0, 0
        for row, one in enumerate(fills.iter_rows(named=True)):
            before = one["filled"] < at or (one["filled"] == at and one["decided"] < at) or k == len(MARKS) - 1
            if before:
                cash += flow(money, one["lots"], one["price"]) - paid[row]
                position += one["lots"]
        assert ledger.position[k] == position
        assert ledger.net[k] == cash - flow(money, position, Fraction(int(MARK2[k]), 2))


@quick
@given(
    data=st.data(),
    name=st.sampled_from(list(CONTRACTS)),
    add=st.floats(0, 50),
    least=st.floats(0, 5),
    sell=st.floats(0, 9),
)
def test_profit_never_rises_with_a_fee(data: st.DataObject, name: str, add: float, least: float, sell: float) -> None:
    fills = data.draw(draw_fills(lowest=lowest(name)))
    keys = {"contract": name, "settlement": "BTC", "multiplier": 3.0}
    cheap = make_money(**keys, taker=Fees(bps=1.0), maker=Fees(bps=-1.0))
    dear = make_money(
        **keys,
        taker=Fees(bps=1.0 + add, minimum=least),
        maker=Fees(bps=-1.0 + add, minimum=least),
        seller=Fees(bps=sell),
    )
    a, b = (keep_ledger(fills, money, MARKS, MARK2) for money in (cheap, dear))
    assert b.totals.net <= a.totals.net
    assert b.totals.gross == a.totals.gross
    assert (b.net <= a.net).all() or least > 0  # the minimum of a ticket comes with its last fill


def mirror(fills: pl.DataFrame, around: int) -> pl.DataFrame:
    """Sell what was bought, at prices mirrored around one."""
    single, double = pl.col("price", "touch"), pl.col("mid2_decided", "mid2_arrived", "mid2_filled")
    return fills.with_columns(
        (single * -1 + 2 * around).name.keep(), (double * -1 + 4 * around).name.keep(), pl.col("lots") * -1
    )


@quick
@given(fills=draw_fills())
def test_mirrored_fills_have_the_same_profit_without_fees_of_sellers(fills: pl.DataFrame) -> None:
    around = 55 * 10**9
    a = keep_ledger(fills, LINEAR, MARKS, MARK2)
    b = keep_ledger(mirror(fills, around), LINEAR, MARKS, 4 * around - MARK2)
    assert (a.net == b.net).all()
    assert (a.gross == b.gross).all()
    assert (a.position == -b.position).all()
    for kind in KINDS:
        assert getattr(a.totals, kind) == getattr(b.totals, kind)


@quick
@given(fills=draw_fills())
def test_mirrored_fills_differ_by_what_sellers_pay(fills: pl.DataFrame) -> None:
    """A purchase becomes a sale, so fees of sellers are those of the other fills; all else is the same."""
    around = 55 * 10**9
    sellers = make_money(taker=Fees(per_unit=0.005), maker=Fees(per_unit=-0.002), seller=Fees(per_unit=0.001))
    a = keep_ledger(fills, sellers, MARKS, MARK2)
    b = keep_ledger(mirror(fills, around), sellers, MARKS, 4 * around - MARK2)
    sold, bought = (int(fills["lots"].clip(*clip).abs().sum()) for clip in ((-99, 0), (0, 99)))
    assert a.totals.commission - b.totals.commission == (sold - bought) * MONEY_SCALE // 1000
    for kind in ("gross", *KINDS[:-2]):
        assert getattr(a.totals, kind) == getattr(b.totals, kind)


def test_what_sellers_pay_is_beside_the_minimum_of_an_order():
    money = make_money(taker=Fees(per_unit=0.005, minimum=1.0), seller=Fees(per_unit=0.01))
    rows = fill(1, -10, 20.0), fill(2, -10, 20.0), fill(3, 20, 20.0, order=1)
    ledger = keep(money, *rows, marks={4: 20.0})
    assert count(ledger.amounts["commission"]) == pytest.approx([0.05 + 0.1, 0.95 + 0.1, 1.0])


@quick
@given(fills=draw_fills(lowest=9_990, flat=True))
def test_linear_and_inverse_agree_to_first_order(fills: pl.DataFrame) -> None:
    near = {
        name: 10**11 * scale + (pl.col(name) - 10**11 * scale) // 10_000  # within half a basis point of 100.00
        for name, scale in (("price", 1), ("touch", 1), ("mid2_decided", 2), ("mid2_arrived", 2), ("mid2_filled", 2))
    }
    fills = fills.with_columns(**near)
    mark2 = np.full(len(MARKS), 2 * 10**11)
    linear = keep_ledger(fills, make_money(taker=Fees(bps=5)), MARKS, mark2)
    inverse = keep_ledger(
        fills, make_money(contract="inverse", settlement="BTC", multiplier=1e4, taker=Fees(bps=5)), MARKS, mark2
    )
    # A lot of either gains 1 as the price rises by 1 from 100; an inverse lot is worth 100 at 100.
    bound = 40 * 72 * 100 * 1e-8 * MONEY_SCALE  # lots x value x the square of the largest relative move
    for kind in ("latency", "waiting", "spread", "depth", "gross"):
        assert getattr(inverse.totals, kind) == pytest.approx(getattr(linear.totals, kind), abs=bound, rel=1e-3)
    assert inverse.totals.commission == pytest.approx(linear.totals.commission, rel=1e-3)


def test_prices_may_pass_through_zero():
    money = make_money(multiplier=1000.0, taker=Fees(bps=10))
    rows = fill(1, 1, 10.0), fill(2, -2, -20.0, order=1), fill(3, 1, -37.63, order=2)
    ledger = keep(money, *rows, marks={4: -37.0})
    assert ledger.totals.gross == -12_370 * MONEY_SCALE
    assert count(ledger.amounts["commission"]) == [10.0, 40.0, 37.63]  # of |price|, on either side


@quick
@given(data=st.data(), name=st.sampled_from(list(CONTRACTS)))
def test_columns_of_money_equal_their_single_values(data: st.DataObject, name: str) -> None:
    money: Money = CONTRACTS[name]
    fills = data.draw(draw_fills(lowest=lowest(name)))
    lots, price, maker = (fills[c].to_numpy() for c in ("lots", "price", "maker"))
    mid2 = fills["mid2_filled"].to_numpy()
    worth = [-flow(money, int(q), Fraction(int(p), 2)) for q, p in zip(lots, mid2, strict=True)]
    assert money.worth(lots, mid2).tolist() == worth
    each = [fee(money, int(q), int(p), maker=bool(m)) for q, p, m in zip(lots, price, maker, strict=True)]
    assert money.fees(lots, price, maker).tolist() == each
    sales = [sale_fee(money, int(q), int(p)) for q, p in zip(lots, price, strict=True)]
    assert money.sale_fees(lots, price).tolist() == sales


def test_fees_of_many_prices_in_ticks():
    share = Instrument(0.01, 1.0, "XNYS", taker=Fees(per_unit=0.005, bps=10), maker=Fees(bps=-1))
    price = np.array([10.0, 0.0, float("nan")]) * 10**9
    # Half a tick a share, and a thousandth of 10.00, which is a tick.
    np.testing.assert_allclose(estimate_fee_ticks(share, price, lots=5), [1.5, 0.5, np.nan])
    np.testing.assert_allclose(estimate_fee_ticks(share, price, lots=5, maker=True), [-0.1, 0, np.nan])
    coin = Instrument(0.5, 1.0, "24/7", contract="inverse", settlement="BTC", taker=Fees(bps=10, per_contract=1e-8))
    price = np.array([50_000.0, 0.0, -1.0, float("nan")]) * 10**9
    got = estimate_fee_ticks(coin, price, lots=5)
    np.testing.assert_allclose(got, [100 + 1e-8 * 50_000**2 / 0.5, np.nan, np.nan, np.nan])
