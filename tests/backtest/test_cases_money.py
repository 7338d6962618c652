"""Money of files as people have them (tests/cases): the right answers come from the file's text, by other means."""

import csv
import gzip

import numpy as np
import pytest

from ofiml.backtest.instruments import Listing, assign_instruments
from ofiml.config import Fees
from ofiml.errors import ConfigError
from tests.conftest import ROOT
from tests.trading import Traded

CASES = ROOT / "tests" / "cases"
COIN = CASES / "039-crypto-with-default-costs" / "btcusdt.csv.gz"
OIL = CASES / "040-databento-prices-through-zero" / "clk0_mbp1.csv.gz"
INVERSE = CASES / "055-inverse-perpetual" / "bitmex_book_snapshot_5_2024-11-12_XBTUSD.csv.gz"
COIN_AS_QUOTES = ["dataset=quotes", f"dataset.path={COIN}", "dataset.tick=0.1", "dataset.size_unit=0.001"]


def read_quotes(path, time, bid, ask):
    """Times (ns), bids and asks of the rows of a file, by the names of its columns."""
    with gzip.open(path, "rt") as stream:
        rows = [(row[time], float(row[bid]), float(row[ask])) for row in csv.DictReader(stream)]
    stamps = np.array([t.rstrip("Z") for t, _, _ in rows])
    numbers = (
        stamps.astype(np.int64) * 1000 if stamps[0].isdigit() else stamps.astype("datetime64[ns]").astype(np.int64)
    )
    return numbers, *np.array([row[1:] for row in rows]).T


def find_quote(stamps, bid, ask, times):
    """Bid and ask of the file in force at each time."""
    row = np.searchsorted(stamps, times.to_physical().to_numpy(), side="right") - 1
    return bid[row], ask[row]


def find_touch(fills, stamps, bid, ask):
    """The best price that each order met on arrival by the file, and the mid of its decision.

    `stamps` are the times of the exchange (arrival) and of receipt (decision) of the rows.
    """
    exchange, receipt = stamps
    best_bid, best_ask = find_quote(exchange, bid, ask, fills["arrived"])
    known_bid, known_ask = find_quote(receipt, bid, ask, fills["decided"])
    return np.where(fills["lots"].to_numpy() > 0, best_ask, best_bid), (known_bid + known_ask) / 2


# --- 039: a coin is not a share ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("calendar", [[], ["dataset.calendar=24/7"]])
@pytest.mark.parametrize("units", [[], ["dataset.tick=0.1", "dataset.size_unit=0.001"]])
def test_a_coin_without_fees_is_refused_with_the_presets_that_fit(configure, calendar, units):
    config = configure("dataset=quotes", f"dataset.path={COIN}", *calendar, *units)
    listing = Listing("BTCUSDT", config.dataset.calendar, None, COIN.name)
    with pytest.raises(ConfigError, match="choose instrument=binance_usdm or instrument=binance_spot or instrument=by"):
        assign_instruments([listing], config.dataset)


@pytest.fixture(scope="module")
def coin(configure):
    """The coin with forecasts that know the label."""
    return Traded(configure(*COIN_AS_QUOTES, "instrument=binance_usdm", "bars.step=60s", "horizon=60s"))


@pytest.mark.slow
def test_a_coin_pays_bps_of_its_value_every_day_of_the_year(coin):
    instrument = coin.assigned["BTCUSDT"].instrument
    assert (instrument.calendar, instrument.taker, instrument.maker) == ("24/7", Fees(bps=5), Fees(bps=2))
    result = coin.run(edge_multiple=0.0)
    stamps, bid, ask = read_quotes(COIN, "DT", "BID", "OFR")
    fills, s = result.fills, result.summary
    touch, mid = find_touch(fills, (stamps, stamps), bid, ask)
    price = fills["price"].to_numpy() / 1e9
    np.testing.assert_allclose(price, touch, rtol=1e-15)  # one level is shown: nothing is filled deeper
    coins = fills["lots"].to_numpy() * 0.001
    fees = np.sum(np.abs(coins) * price) * 5e-4
    assert s.fills > 1000
    assert s.costs_by_kind.commission == pytest.approx(fees, rel=1e-12)
    assert s.gross_pnl == pytest.approx(-np.sum(coins * mid), rel=1e-9)
    assert s.net_pnl == pytest.approx(-np.sum(coins * price) - fees, rel=1e-9)
    assert s.gross_pnl > 0 > s.net_pnl, "even a forecast that knows the future does not earn 5 bps a side here"
    assert s.currency == "USDT"
    assert 25 < s.costs_by_kind.commission / np.abs(coins).sum() < 36, "dollars a coin and side"
    gains = np.diff(result.equity["net"].to_numpy(), prepend=0.0)
    # A day has 1440 bars, wherever the file begins and ends.
    assert s.sharpe_net == pytest.approx(gains.mean() / gains.std(ddof=1) * np.sqrt(365 * 1440))
    assert "sqrt(365 days x 1,440 bars" in s.sharpe_unit


def test_no_forecast_of_the_coin_is_worth_its_fee(coin):
    assert coin.run().summary.fills == 0, "no move in a minute pays for 5 bps a side"
    cheap = coin.run(instrument={"taker": Fees(per_unit=0.001)})
    assert cheap.summary.fills > 1000, "what the same fee of a share would let through"


# --- 040: a future through zero ---------------------------------------------------------------------------------------

OIL_AS_MBP = ["dataset=databento", f"dataset.path={OIL}", "strategy.edge_multiple=0"]


def test_a_future_is_no_share_whatever_calendar_its_dataset_has(configure):
    with pytest.raises(ConfigError, match=r"of CLK0 are unknown.*choose instrument=cme_cl, or write"):
        Traded(configure(*OIL_AS_MBP))


def test_a_point_of_oil_is_a_thousand_dollars_at_every_price(configure):
    result = Traded(configure(*OIL_AS_MBP, "instrument=cme_cl")).run()
    exchange, bid, ask = read_quotes(OIL, "ts_event", "bid_px_00", "ask_px_00")
    receipt, *_ = read_quotes(OIL, "ts_recv", "bid_px_00", "ask_px_00")
    fills, s = result.fills, result.summary
    touch, mid = find_touch(fills, (exchange, receipt), bid, ask)
    mid_arrived = sum(find_quote(exchange, bid, ask, fills["arrived"])) / 2
    lots, price = fills["lots"].to_numpy(), fills["price"].to_numpy() / 1e9
    assert (price < 0).sum() > 100 < (price > 0).sum()
    np.testing.assert_allclose(price, touch, atol=1e-12)
    assert s.gross_pnl == pytest.approx(-1000 * np.sum(lots * mid), rel=1e-9)
    assert s.costs_by_kind.latency == pytest.approx(1000 * np.sum(lots * (mid_arrived - mid)), rel=1e-9)
    assert s.costs_by_kind.spread == pytest.approx(1000 * np.sum(lots * (price - mid_arrived)), rel=1e-9)
    assert s.costs_by_kind.commission == pytest.approx(2.47 * np.abs(lots).sum(), rel=1e-12)
    assert (s.currency, s.net_pnl) == ("USD", pytest.approx(s.gross_pnl - s.costs, rel=1e-12))


# --- 055: an inverse contract is settled in coins ---------------------------------------------------------------------


def test_an_inverse_perpetual_earns_coins(configure):
    overrides = ["dataset=tardis", f"dataset.path={INVERSE}", "instrument=bitmex_xbtusd", "strategy.edge_multiple=0"]
    traded = Traded(configure(*overrides))
    result = traded.run()
    own = traded.assigned["XBTUSD"].instrument
    assert (own.tick, own.size_unit, own.contract, own.currency) == (0.5, 1.0, "inverse", "XBT")
    exchange, bid, ask = read_quotes(INVERSE, "timestamp", "bids[0].price", "asks[0].price")
    receipt, *_ = read_quotes(INVERSE, "local_timestamp", "bids[0].price", "asks[0].price")
    fills, s = result.fills, result.summary
    touch, mid = find_touch(fills, (exchange, receipt), bid, ask)
    mid_arrived = sum(find_quote(exchange, bid, ask, fills["arrived"])) / 2
    contracts, price = fills["lots"].to_numpy(), fills["price"].to_numpy() / 1e9
    assert s.fills > 100
    assert s.gross_pnl == pytest.approx(np.sum(contracts / mid), rel=1e-6)
    assert s.costs_by_kind.latency == pytest.approx(np.sum(contracts / mid - contracts / mid_arrived), rel=1e-6)
    assert s.costs_by_kind.spread == pytest.approx(np.sum(contracts / mid_arrived - contracts / touch), rel=1e-6)
    assert s.costs_by_kind.depth == pytest.approx(np.sum(contracts / touch - contracts / price), abs=1e-9)
    assert s.costs_by_kind.commission == pytest.approx(np.sum(np.abs(contracts) / price) * 7.5e-4, abs=s.fills * 1e-12)
    assert s.net_pnl == pytest.approx(s.gross_pnl - s.costs, rel=1e-9)
    assert s.currency == "XBT"

    # As a linear contract of a coin, as before, it would earn N (P1 - P0): about the price squared as much.
    linear = traded.run(instrument={"contract": "linear", "settlement": "USD"}).summary
    assert linear.fills == s.fills
    assert linear.gross_pnl / s.gross_pnl == pytest.approx(np.median(price) ** 2, rel=0.02)


def test_the_inverse_contract_without_instrument_is_refused(configure):
    with pytest.raises(ConfigError, match=r"of XBTUSD are unknown.*choose instrument=bitmex_xbtusd, or write"):
        Traded(configure("dataset=tardis", f"dataset.path={INVERSE}", "dataset.tick=0.5", "dataset.size_unit=1"))
