"""Which instrument a symbol gets: what the config states, what may be assumed, and what must be stated."""

import pytest
import yaml

from ofiml.backtest.instruments import (
    EMBEDDED,
    US_EQUITIES,
    US_SALES,
    Listing,
    assign_instruments,
    describe_instrument,
    describe_unfitting_patterns,
    suggest_presets,
)
from ofiml.config import Fees
from ofiml.config.instrument import find_instrument
from ofiml.errors import ConfigError
from tests.conftest import ROOT, slow_but_each


@pytest.fixture
def assign(tmp_path, configure):
    (tmp_path / "file.csv").touch()

    def of(symbol, *overrides, calendar="XNYS", home=None, source="file.csv"):
        dataset = configure("dataset=quotes", f"dataset.path={tmp_path / 'file.csv'}", f"dataset.calendar={calendar}",
                            *overrides).dataset  # fmt: skip
        listings = [Listing(name, calendar, home, source) for name in symbol.split()]
        return assign_instruments(listings, dataset)

    return of


@pytest.mark.parametrize("symbol", ["AAPL", "BRK.B", "GBTC", "FBTC", "ETHE", "ESS", "SYN", "SYN1", "CLX", "0700"])
def test_a_us_share_is_assumed_and_that_is_said(assign, symbol):
    (one,) = assign(symbol).values()
    assert (one.assumed, one.instrument.taker, one.instrument.currency) == ("us_equities", US_EQUITIES, "USD")
    assert (one.instrument.trading_days, one.instrument.seller) == (252, US_SALES)
    assert describe_instrument(one.instrument).endswith(
        "takers pay 0.005 USD a unit, makers the same, sellers 0.000195 USD a unit and 0.206 bps more"
    )


def test_the_assumption_is_the_preset():
    own = yaml.safe_load((ROOT / "conf" / "instrument" / "us_equities.yaml").read_text())
    preset = find_instrument("AAPL", own, tick=0.01, size_unit=1.0, calendar="XNYS")
    assert (preset.taker, preset.maker, preset.seller, preset.quote) == (US_EQUITIES, US_EQUITIES, US_SALES, "USD")


def test_the_embedded_market_keeps_its_fee(configure):
    for choice, names in (("synthetic", ["SYN"]), ("synthetic_basket", ["SYN1", "SYN2", "SYN3"])):
        dataset = configure(f"dataset={choice}").dataset
        assert dataset.symbols[:3] == names
        one = assign_instruments([Listing(names[0], None, None, "simulated")], dataset)[names[0]]
        assert one.instrument.taker == EMBEDDED == Fees(per_unit=0.001)
        assert (one.instrument.currency, one.instrument.trading_days) == ("currency", 252)
    own = configure("+dataset.instruments={SYN: {taker: {bps: 3}}}").dataset
    assert assign_instruments([Listing("SYN", None, None, "")], own)["SYN"].instrument.taker == Fees(bps=3)


@pytest.mark.parametrize(
    ("symbol", "how", "presets"),
    slow_but_each(
        2,
        [
            ("BTCUSDT", {}, ["binance_usdm", "binance_spot", "bybit_linear"]),
            ("btcusdt", {"source": "binance-futures_book.csv.gz"}, ["binance_usdm", "binance_spot"]),
            ("ETHUSDC", {"calendar": "24/7", "source": "bybit.csv"}, ["bybit_linear"]),
            ("BTC/USDT:USDT", {"calendar": "24/7"}, ["binance_usdm", "binance_spot", "bybit_linear"]),
            ("XBTUSD", {"calendar": "24/7"}, ["bitmex_xbtusd"]),
            ("BTCUSD_PERP", {"calendar": "24/7"}, ["bybit_inverse", "binance_coinm"]),
            ("BTCUSD", {"calendar": "24/7", "source": "bybit_book.csv"}, ["bybit_inverse"]),
            ("BTC-USD", {"calendar": "24/7", "source": "coinbase.csv"}, []),
            ("ESU4", {"calendar": "CMES"}, ["cme_es"]),
            ("6EZ4", {}, ["cme_6e"]),
            ("ES.c.0", {"home": "CMES"}, ["cme_es"]),
            ("ZNH5", {}, []),
            ("CLK0", {"home": "CMES"}, ["cme_cl"]),
            ("38", {"home": "CMES"}, []),
            ("VOD", {"calendar": "XLON"}, []),
            ("X", {"calendar": "24/7"}, []),
        ],
    ),
)
def test_any_other_symbol_must_state_its_fees(assign, symbol, how, presets):
    with pytest.raises(ConfigError, match="are unknown, and it is not recognised as a US share") as error:
        assign(symbol, **how)
    sentence = str(error.value)
    assert suggest_presets(symbol, how.get("source", "")) == presets
    assert [word.rstrip(",") for word in sentence.split() if word.startswith("instrument=")] == [
        f"instrument={preset}" for preset in presets
    ]
    assert "dataset.instruments={" in sentence
    for preset in presets:  # what the sentence advises works
        (one,) = assign(symbol, f"instrument={preset}", **how).values()
        assert one.assumed is None


@pytest.mark.parametrize(
    ("symbol", "contract", "multiplier", "fees"),
    [
        ("BTCUSDT", "linear", 1.0, Fees(bps=5)),
        ("XBTUSD", "inverse", 1.0, Fees(bps=5)),
        ("ZNH5", "linear", 50.0, Fees(per_contract=2.5)),
    ],
)
def test_what_the_sentence_advises_to_write_works(assign, symbol, contract, multiplier, fees):
    with pytest.raises(ConfigError) as error:
        assign(symbol, calendar="24/7")
    advice = str(error.value).split("'")[1]
    own = assign(symbol, f"+{advice}", calendar="24/7")[symbol].instrument
    assert (own.contract, own.multiplier, own.taker, own.maker) == (contract, multiplier, fees, fees)


def test_a_pattern_that_does_not_match_is_named(assign):
    with pytest.raises(ConfigError, match=r"No pattern with fees in dataset\.instruments \(ES\?\*\) matches it"):
        assign("CLK0", "instrument=cme_es", calendar="CMES")


def test_half_an_instrument_is_no_us_share(assign):
    with pytest.raises(ConfigError, match="The fees and the currency of OPT are unknown"):
        assign("OPT", "+dataset.instruments={OPT: {multiplier: 100}}")
    with pytest.raises(ConfigError, match="are unknown"):
        assign("ABC", "+dataset.instruments={ABC: {quote: GBP}}")


def test_money_of_several_currencies_is_not_added(assign):
    with pytest.raises(ConfigError, match=r"BTCUSDT in USDT, BTCUSDC in USDC\): choose those of one currency"):
        assign("BTCUSDT BTCUSDC", "instrument=binance_usdm", calendar="24/7")
    assert len(assign("BTCUSDT ETHUSDT", "instrument=binance_usdm", calendar="24/7")) == 2


def find(symbol, instruments):
    return find_instrument(symbol, instruments, tick=0.01, size_unit=1.0, calendar="24/7")


def test_for_each_key_the_first_pattern_that_has_it_counts():
    patterns = {
        "*": {"tick": 1.0, "quote": "USD", "taker": {"bps": 5, "minimum": 1}, "days_per_year": 360},
        "BTC*": {"tick": 0.1, "taker": {"bps": 4}},
        "B*": {"tick": 0.2, "size_unit": 0.5, "taker": {"bps": 3, "per_contract": 2}},
        "BTCUSDT": {"quote": "USDT"},
    }
    own = find("BTCUSDT", patterns)
    assert (own.tick, own.size_unit, own.quote, own.trading_days) == (0.1, 0.5, "USDT", 360)
    assert own.taker == own.maker == Fees(bps=4, per_contract=2, minimum=1)
    other = find("ETHUSDT", patterns)
    assert (other.tick, other.size_unit, other.quote, other.taker) == (1.0, 1.0, "USD", Fees(bps=5, minimum=1))
    assert find("ETHUSDT", {}).stated is False
    assert find("ETHUSDT", {"ETHUSDT": {"taker": {}}}).stated, "no fee at all can be stated, too"


def test_days_a_year_follow_the_calendar():
    assert find("X", {}).trading_days == 365
    assert find("X", {"X": {"calendar": "CMES"}}).trading_days == 252


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ("{X: {taker: {bsp: 5}}}", "Unknown key dataset.instruments.X.taker.bsp: fees are per_unit, per_contract, bps"),
        ("{X: {taker: 5}}", "dataset.instruments.X.taker must be a mapping of per_unit, per_contract, bps, minimum"),
        ("{X: {taker: {bps: many}}}", "dataset.instruments.X.taker.bps='many' is not a number"),
        ("{X: {taker: {minimum: -1}}}", "dataset.instruments.X.taker.minimum must lie between 0"),
        ("{X: {contract: quanto}}", "dataset.instruments.X.contract=quanto is not one of linear, inverse"),
        ("{X: {multiplier: 0}}", "dataset.instruments.X.multiplier must lie between"),
        ("{X: {quote: 1}}", "dataset.instruments.X.quote=1 is not a name"),
        ("{X: {days_per_year: 0}}", "dataset.instruments.X.days_per_year=0 must be a whole number from 1 to 366"),
        ("{X: {days_per_year: 252.5}}", "must be a whole number from 1 to 366"),
        (
            "{X: {maker: {bps: 1}}}",
            "dataset.instruments of X: fees of makers or sellers without taker fees; give taker",
        ),
        (
            "{X: {seller: {bps: 1}}}",
            "dataset.instruments of X: fees of makers or sellers without taker fees; give taker",
        ),
        ("{X: {taker: {bps: 1}, seller: {minimum: 1}}}", "what sellers pay has no minimum of its own; leave it out"),
        (
            "{X: {contract: inverse, settlement: BTC, taker: {bps: 1}, seller: {per_unit: 1}}}",
            "an inverse contract has no fee per unit; use bps or per_contract",
        ),
        ("{X: {contract: inverse, taker: {bps: 1}}}", "settlement is needed, as in settlement: BTC"),
        (
            "{X: {contract: inverse, settlement: BTC, taker: {per_unit: 1}}}",
            "an inverse contract has no fee per unit; use bps or per_contract",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(assign, own, sentence):
    with pytest.raises(ConfigError) as error:
        assign("X", f"+dataset.instruments={own}")
    assert sentence in str(error.value)


def test_a_simulated_market_has_its_own_tick_and_lot(configure):
    for key, remedy in (("tick", "set dataset.tick"), ("size_unit", "a simulated lot is one unit")):
        with pytest.raises(ConfigError, match=f"has a {key} of SYN, which is simulated: {remedy}"):
            configure(f"+dataset.instruments={{SYN: {{{key}: 1}}}}")


def test_a_pattern_that_fits_no_symbol_of_the_data_is_named(tmp_path, configure):
    """A mistyped name would hide the fees that were meant; several datasets may share one table, so it is no error."""
    (tmp_path / "file.csv").touch()
    table = "dataset.instruments={*: {taker: {bps: 4}}, BTC*: {tick: 0.1}, BTCUSTD: {taker: {bps: 50}}}"
    dataset = configure("dataset=quotes", f"dataset.path={tmp_path / 'file.csv'}", f"+{table}").dataset
    (warning,) = describe_unfitting_patterns(dataset, ["BTCUSDT", "BTCUSDT"])
    assert warning == "dataset.instruments has BTCUSTD, but the symbols that were read are BTCUSDT"
    (warning,) = describe_unfitting_patterns(dataset, [f"ETH{k}" for k in range(7)])
    assert warning.startswith("dataset.instruments has BTC*, BTCUSTD, but")
    assert warning.endswith("ETH4 and 2 others")
    assert describe_unfitting_patterns(dataset, ["BTCUSDT", "BTCUSTD"]) == []
    assert describe_unfitting_patterns(dataset, []) == []
    basket = configure("dataset=synthetic_basket", "+dataset.instruments={SYN2: {taker: {bps: 1}}}").dataset
    assert describe_unfitting_patterns(basket, ["SYN1"]) == []  # its symbols are known, whatever was read
