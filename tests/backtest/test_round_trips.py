"""Round trips by hand, over additions and reversals; their sums are the ledger's; measures of them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from ofiml.backtest.concentration import measure_concentration
from ofiml.backtest.ledger import Ledger
from ofiml.backtest.measures import describe_trades
from ofiml.backtest.money import MONEY_SCALE, Money
from ofiml.backtest.round_trips import ROUND_TRIP_SCHEMA, list_round_trips, tabulate_round_trips
from tests.backtest.fills import Fees, draw_fills, fill, keep, keep_ledger, make_money
from tests.books import SECOND

MONEY = make_money(taker=Fees(per_unit=0.01))


def tabulate(ledger: Ledger, money: Money) -> pl.DataFrame:
    return tabulate_round_trips(pl.DataFrame(list_round_trips(ledger, money)))


def test_a_reversal_ends_one_and_begins_another():
    rows = (
        fill(1, 10, 100.0),
        fill(2, 10, 101.0, order=1),
        fill(3, -50, 102.0, decided=103.0, order=2),  # sells 20 and goes 30 short
        fill(5, 30, 99.0, order=3),
    )
    ledger = keep(MONEY, *rows, marks={6: 99.0})
    trips = tabulate(ledger, MONEY)
    assert trips.schema == ROUND_TRIP_SCHEMA
    long, short = trips.rows(named=True)
    assert (long["side"], long["lots"], long["entry"], long["exit"]) == ("long", 20, 100.5, 102.0)
    assert (short["side"], short["lots"], short["entry"], short["exit"]) == ("short", 30, 102.0, 99.0)
    # Gross is from mid to mid of the decisions, net from price to price less commission, 20 of 50 lots' and all of 20.
    assert long["gross"] == pytest.approx(20 * 103 - 2010)
    assert long["net"] == pytest.approx(20 * 1.5 - 0.4)
    assert short["gross"] == pytest.approx(30 * (103 - 99))
    assert short["net"] == pytest.approx(30 * 3 - 0.6)
    assert (long["value"], short["value"]) == (2010.0, 3060.0)
    stamps = trips.select(pl.col("opened", "closed").cast(pl.Int64) // SECOND).rows()
    assert stamps == [(1, 3), (3, 5)]
    assert long["net"] + short["net"] == pytest.approx(ledger.totals.net / MONEY_SCALE)


def test_an_inverse_contract_gains_coins():
    money = make_money(contract="inverse", settlement="BTC", multiplier=100.0)
    rows = fill(1, -2, 50_000.0), fill(2, 2, 40_000.0, order=1)
    (trip,) = tabulate(keep(money, *rows, marks={3: 40_000.0}), money).rows(named=True)
    assert trip["net"] == trip["gross"] == pytest.approx(200 / 40_000 - 200 / 50_000)
    assert trip["value"] == pytest.approx(200 / 50_000)


def test_an_open_position_is_no_round_trip():
    assert tabulate(keep(MONEY, fill(1, 5, 10.0), marks={2: 10.0}), MONEY).height == 0
    assert tabulate(keep(MONEY, marks={2: 10.0}), MONEY).schema == ROUND_TRIP_SCHEMA


@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_nets_add_up_to_the_ledgers(contract: str) -> None:
    money = make_money(contract=contract, settlement="BTC", multiplier=7.0, taker=Fees(bps=3.0, minimum=0.01))

    @settings(max_examples=30)
    @given(fills=draw_fills(lowest=1, flat=True))
    def check(fills: pl.DataFrame) -> None:
        ledger = keep_ledger(fills, money, np.array([50 * SECOND]), np.array([10**10]))
        trips = tabulate(ledger, money)
        for kind in ("gross", "net"):
            total = getattr(ledger.totals, kind) / MONEY_SCALE
            assert trips[kind].sum() == pytest.approx(total, rel=1e-9, abs=1e-9)
        position = ledger.held
        before = np.concatenate([[0], position])[:-1]
        assert trips.height == int(((position == 0) | (position * before < 0)).sum())
        # Each lot bought to open is sold to close: the lots traded are twice those of the round trips.
        assert 2 * trips["lots"].sum() <= fills["lots"].abs().sum()

    check()


def trips(nets: list[float], held: float = 1.0) -> pl.DataFrame:
    n = len(nets)
    opened = pl.Series([0] * n, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    closed = pl.Series([round((k + 1) * held * SECOND) for k in range(n)], dtype=pl.Int64).cast(
        pl.Datetime("ns", "UTC")
    )
    return pl.DataFrame(
        {"opened": opened, "closed": closed, "net": nets, "value": [100.0] * n, "net_ticks": nets},
        schema_overrides={"net": pl.Float64, "net_ticks": pl.Float64, "value": pl.Float64},
    )


def test_round_trips_are_described():
    got = describe_trades(trips([1.0, -1.0, 0.0, 4.0]))
    assert (got.round_trips, got.hit_rate, got.mean_net, got.mean_ticks, got.mean_bps) == (4, 0.5, 1.0, 1.0, 100.0)
    assert (got.holding_q25, got.holding_median, got.holding_q75) == (1.75, 2.5, 3.25)
    none = describe_trades(trips([]))
    assert none.round_trips == 0
    assert np.isnan([none.hit_rate, none.mean_net, none.mean_ticks, none.mean_bps, none.holding_median]).all()


@pytest.mark.parametrize(("count", "best"), [(1, 1), (99, 1), (100, 1), (101, 2), (700, 7)])
def test_the_best_trades_are_one_of_a_hundred(count: int, best: int) -> None:
    days = pl.DataFrame({"session": ["d"], "net": [float(count)]})
    got = measure_concentration(trips([1.0] * count), days)
    assert got is not None
    assert got.best_trades == best
    assert got.net_without_best_trades == count - best
    assert got.best_trades_share == pytest.approx(best / count)


def test_concentration_by_hand():
    days = pl.DataFrame({"session": ["a", "b", "c"], "net": [3.0, 9.0, -2.0]})
    got = measure_concentration(trips([8.0, 1.0, 1.0]), days)
    assert got is not None
    assert (got.best_day, got.net_without_best_day, got.best_day_share) == ("b", 1.0, 0.9)
    assert (got.net_without_best_trades, got.best_trades_share) == (2.0, 0.8)
    # Without a net profit nothing is a share of it.
    lost = measure_concentration(trips([-1.0, -3.0]), pl.DataFrame({"session": ["a"], "net": [-4.0]}))
    assert lost is not None
    assert np.isnan([lost.best_day_share, lost.best_trades_share]).all()
    assert lost.net_without_best_trades == -3.0
    assert measure_concentration(trips([]), days) is None
