"""Money of files as people have them (tests/cases): the right answers come from the file's text, by other means."""

import csv
import gzip
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from ofiml.backtest.taker import backtest

from ofiml.backtest.instruments import Listing, assign_instruments
from ofiml.config import Fees
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError
from ofiml.samples.prepare import prepare_session
from ofiml.samples.settings import SampleSettings
from tests.conftest import ROOT

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


def trade(configure, *overrides):
    """Trade all sessions of a config with forecasts that know the label, and return its instruments and the result."""
    config = configure(*overrides)
    sessions = [s for source in list_sources(config.dataset) for s in source()]
    samples = [prepare_session(s, SampleSettings.of(config)) for s in sessions]
    listings = [Listing(s.key[0], s.calendar, s.home, s.source) for s in samples]
    instruments = {name: one.instrument for name, one in assign_instruments(listings, config.dataset).items()}
    rows = pl.concat([s.rows for s in samples]).filter(pl.col("mid").is_not_null()).sort("bar_close")
    rows = rows.with_columns(pl.col("move_ticks").fill_null(0.0).alias("edge_ticks"))
    closing = {s.key: s.closing for s in samples}

    def run(edge_multiple=config.backtest.edge_multiple, **other):
        settings = replace(config.backtest, edge_multiple=edge_multiple)
        own = {name: replace(instrument, **other) for name, instrument in instruments.items()}
        return backtest(rows, closing, settings, own, bar=config.bars.label)

    return instruments, run


def signed(fills):
    return np.where(fills["side"].to_numpy() == "buy", 1, -1) * fills["size"].to_numpy()


def find_touch(fills, stamps, bid, ask):
    """The price that each fill pays or gets by the file, and the mid."""
    row = np.searchsorted(stamps, fills["filled"].to_physical().to_numpy(), side="right") - 1
    return np.where(fills["side"].to_numpy() == "buy", ask[row], bid[row]), (bid[row] + ask[row]) / 2


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
    """The instrument of the coin, and a function that trades it with other fees."""
    instruments, run = trade(configure, *COIN_AS_QUOTES, "instrument=binance_usdm", "bars.step=60s", "horizon=60s")
    return instruments["BTCUSDT"], run


def test_a_coin_pays_bps_of_its_value_every_day_of_the_year(coin):
    instrument, run = coin
    assert (instrument.calendar, instrument.taker, instrument.maker) == ("24/7", Fees(bps=5), Fees(bps=2))
    result = run(edge_multiple=0.0)
    stamps, bid, ask = read_quotes(COIN, "DT", "BID", "OFR")
    fills = result.fills
    price, _ = find_touch(fills, stamps, bid, ask)
    np.testing.assert_allclose(fills["price"].to_numpy(), price, rtol=1e-15)
    coins = signed(fills) * 0.001
    fees = np.sum(np.abs(coins) * price) * 5e-4
    s = result.summary
    assert s.fills > 1000
    assert s.costs_by_kind.commission == pytest.approx(fees, rel=1e-12)
    assert s.net_pnl == pytest.approx(-np.sum(coins * price) - fees, rel=1e-9)
    assert s.gross_pnl > 0 > s.net_pnl, "even a forecast that knows the future does not earn 5 bps a side here"
    assert (s.currency, fills["currency"].unique().to_list()) == ("USDT", ["USDT"])
    assert 25 < s.costs_by_kind.commission / np.abs(coins).sum() < 36, "dollars a coin and side"
    gains = np.diff(result.equity["net"].to_numpy(), prepend=0.0)
    bars_a_day = result.equity.height / 3
    assert s.sharpe_net == pytest.approx(gains.mean() / gains.std(ddof=1) * np.sqrt(365 * bars_a_day))
    assert "sqrt(365 x" in s.sharpe_unit


def test_no_forecast_of_the_coin_is_worth_its_fee(coin):
    _, run = coin
    assert run().summary.fills == 0, "no move in a minute pays for 5 bps a side"
    assert run(taker=Fees(per_unit=0.001)).summary.fills > 1000, "what the same fee of a share would let through"


# --- 040: a future through zero ---------------------------------------------------------------------------------------

OIL_AS_MBP = ["dataset=databento", f"dataset.path={OIL}", "backtest.edge_multiple=0"]


def test_a_future_is_no_share_whatever_calendar_its_dataset_has(configure):
    with pytest.raises(ConfigError, match=r"of CLK0 are not known.*choose instrument=cme_cl, or write"):
        trade(configure, *OIL_AS_MBP)


def test_a_point_of_oil_is_a_thousand_dollars_at_every_price(configure):
    _, run = trade(configure, *OIL_AS_MBP, "instrument=cme_cl")
    result = run()
    stamps, bid, ask = read_quotes(OIL, "ts_recv", "bid_px_00", "ask_px_00")
    price, mid = find_touch(result.fills, stamps, bid, ask)
    lots = signed(result.fills)
    s = result.summary
    assert (result.fills["price"] < 0).sum() > 100 < (result.fills["price"] > 0).sum()
    np.testing.assert_allclose(result.fills["price"].to_numpy(), price, atol=1e-12)
    assert s.gross_pnl == pytest.approx(-1000 * np.sum(lots * mid), rel=1e-9)
    assert s.costs_by_kind.spread == pytest.approx(1000 * np.sum(lots * (price - mid)), rel=1e-9)
    assert s.costs_by_kind.commission == pytest.approx(2.47 * np.abs(lots).sum(), rel=1e-12)
    assert (s.currency, s.net_pnl) == ("USD", pytest.approx(s.gross_pnl - s.costs, rel=1e-12))


# --- 055: an inverse contract is settled in coins ---------------------------------------------------------------------


def test_an_inverse_perpetual_earns_coins(configure):
    overrides = ["dataset=tardis", f"dataset.path={INVERSE}", "instrument=bitmex_xbtusd", "backtest.edge_multiple=0"]
    instruments, run = trade(configure, *overrides)
    result = run()
    own = instruments["XBTUSD"]
    assert (own.tick, own.size_unit, own.contract, own.currency) == (0.5, 1.0, "inverse", "XBT")
    stamps, bid, ask = read_quotes(INVERSE, "local_timestamp", "bids[0].price", "asks[0].price")
    price, mid = find_touch(result.fills, stamps, bid, ask)
    contracts, s = signed(result.fills), result.summary
    assert s.fills > 100
    assert s.gross_pnl == pytest.approx(np.sum(contracts / mid), rel=1e-6)
    assert s.costs_by_kind.spread == pytest.approx(np.sum(contracts / mid - contracts / price), rel=1e-6)
    assert s.costs_by_kind.commission == pytest.approx(np.sum(np.abs(contracts) / price) * 7.5e-4, abs=s.fills * 1e-12)
    assert s.net_pnl == pytest.approx(s.gross_pnl - s.costs, rel=1e-9)
    assert (s.currency, result.fills["currency"][0]) == ("XBT", "XBT")

    # As a linear contract of a coin, as before, it would earn N (P1 - P0): about the price squared as much.
    linear = run(contract="linear", settlement="USD").summary
    assert linear.fills == s.fills
    assert linear.gross_pnl / s.gross_pnl == pytest.approx(np.median(price) ** 2, rel=0.02)


def test_the_inverse_contract_without_instrument_is_refused(configure):
    with pytest.raises(ConfigError, match=r"of XBTUSD are not known.*choose instrument=bitmex_xbtusd, or write"):
        trade(configure, "dataset=tardis", f"dataset.path={INVERSE}", "dataset.tick=0.5", "dataset.size_unit=1")
