"""Tick, lot and calendar belong to a symbol, whatever else lies in its file."""

import re

import pytest

from ofiml.config import load, resolve_config
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from tests.conftest import ROOT, slow_but_each
from tests.data.test_databento import metadata, put, quote
from tests.data.test_databento import read as read_dbn
from tests.data.test_joining import NIGHT, write


def two_symbols(path):
    """ES in steps of 0.25 and ZN in steps of 1/64, sizes in multiples of 10."""
    lines = []
    for i in range(300):
        t = f"{NIGHT.replace(minute=30 + i // 60, second=i % 60):%Y-%m-%dT%H:%M:%S}Z"
        es, zn = 5000 + 0.25 * (i // 10), 110 + (i // 20) / 64
        lines += [f"{t},ESU4,{es},{es + 0.25},{10 * (i % 9 + 1)},20", f"{t},ZNU4,{zn},{zn + 1 / 64},{i % 9 + 1},5"]
    write(path, lines)


@pytest.fixture
def read(tmp_path, configure):
    two_symbols(tmp_path / "two.csv")

    def sessions(*overrides):
        asked = ["dataset=quotes", f"dataset.path={tmp_path}", "dataset.calendar=CMES", "dataset.sizes=units",
                 "dataset.size_unit=1", *overrides]  # fmt: skip
        return {s.symbol: s for source in list_sources(configure(*asked).dataset) for s in source()}

    return sessions


BOTH = "+dataset.instruments={ES*: {tick: 0.25, size_unit: 10}, ZN*: {tick: 0.015625}}"


def test_each_symbol_has_its_own(read):
    es, zn = (read(BOTH)[name] for name in ("ESU4", "ZNU4"))
    assert (es.tick, es.size_unit) == (250_000_000, 10.0)
    assert (zn.tick, zn.size_unit) == (15_625_000, 1.0)
    assert es.events["bid_sz_00"].to_list()[:3] == [1, 2, 3]
    assert zn.events["bid_sz_00"].to_list()[:3] == [1, 2, 3]
    assert set(es.quality.warnings) == {"coverage", "end"}  # five minutes of a day
    assert set(zn.quality.warnings) == {"coverage", "end"}


def test_one_tick_for_both_is_refused_or_doubted(read):
    with pytest.raises(DataError, match=r"column bid_px_00: 110\.016 is not a multiple of dataset\.tick=0\.25"):
        read("dataset.tick=0.25")
    assert "25" not in read("dataset.tick=0.015625")["ZNU4"].quality.warnings
    assert "multiple of 0.25" in read("dataset.tick=0.015625")["ESU4"].quality.warnings["tick"]


def test_the_first_pattern_counts(read):
    es = read("dataset.tick=0.015625", "+dataset.instruments={ESU4: {tick: 0.25}, E*: {tick: 0.125}}")["ESU4"]
    assert es.tick == 250_000_000


def test_a_part_of_a_lot_is_refused(read):
    with pytest.raises(DataError, match=r"column bid_sz_00: 1 is not a multiple of the lot of 10 \(300 such"):
        read("dataset.tick=0.015625", "+dataset.instruments={ZN*: {size_unit: 10}}")
    with pytest.raises(DataError, match=r"lot of 0\.5 is not a whole multiple of dataset\.size_unit=1"):
        read("dataset.tick=0.015625", "+dataset.instruments={ZN*: {size_unit: 0.5}}")


def test_a_source_that_states_no_exchange_cannot_choose_a_calendar(read):
    with pytest.raises(DataError, match=r"does not state its exchange, so dataset\.calendar=auto cannot choose"):
        read("dataset.calendar=auto", BOTH)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (
            "{ES: {tik: 1}}",
            "Unknown key dataset.instruments.ES.tik: an instrument has tick, size_unit, calendar, contract, mul",
        ),
        ("{ES: {tick: x}}", "dataset.instruments.ES.tick='x' is not a number"),
        ("{ES: {tick: 0}}", "dataset.instruments.ES.tick must lie between"),
        ("{ES: {calendar: CMEX}}", "dataset.instruments.ES.calendar=CMEX is not a calendar of exchange_calendars; did"),
        ("{ES: 0.25}", "dataset.instruments.ES must be a mapping"),
    ],
)
def test_wrong_instruments_are_named(read, own, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        read(f"+dataset.instruments={own}")


def test_a_logged_config_has_them(tmp_path, configure):
    two_symbols(tmp_path / "two.csv")
    config = configure("dataset=quotes", f"dataset.path={tmp_path}", BOTH)
    assert load(resolve_config(config)).dataset == config.dataset


SYMBOLS = {
    "us_equities": "AAPL", "us_equities_direct": "AAPL",
    "cme_es": "ESU4 ES.c.0", "cme_nq": "NQU4", "cme_cl": "CLK0", "cme_6e": "6EZ4",
    "binance_spot": "BTCUSDT ETHUSDC", "binance_usdm": "BTCUSDT ETHUSDC", "binance_coinm": "BTCUSD_PERP ETHUSD_PERP",
    "bybit_linear": "BTCUSDT ETHPERP", "bybit_inverse": "BTCUSD ETHUSD", "bitmex_xbtusd": "XBTUSD",
}  # fmt: skip


@pytest.mark.parametrize(
    "path", slow_but_each(4, sorted((ROOT / "conf" / "instrument").glob("*.yaml"))), ids=lambda path: path.stem
)
def test_every_instrument_of_the_house_composes(tmp_path, configure, path):
    (tmp_path / "data").touch()
    dataset = configure("dataset=databento", f"dataset.path={tmp_path / 'data'}", f"instrument={path.stem}").dataset
    text = path.read_text()
    assert re.search(r"\b202\d\b", text), "the date of its fees stands in a comment"
    assert re.search(r"\.com|Rule|Equity 7|CME Group", text), "and their source"
    kind = path.stem.split("_")[0]
    for own in [dataset.find_instrument(name) for name in SYMBOLS[path.stem].split()]:
        assert own.stated
        assert own.calendar == {"cme": "CMES", "us": "XNYS"}.get(kind, "24/7")
        assert own.trading_days == (365 if own.calendar == "24/7" else 252)
        assert own.currency in ("USD", "USDT", "USDC", "BTC", "ETH", "XBT")
        assert (own.contract == "inverse") == (path.stem in ("binance_coinm", "bybit_inverse", "bitmex_xbtusd"))
    if kind == "cme":
        assert not dataset.find_instrument("AAPL").stated
        assert dataset.find_instrument("AAPL").calendar == "XNYS"


@pytest.mark.parametrize(("publisher", "venue", "calendar"), [(1, "GLBX.MDP3", "CMES"), (2, "XNAS.ITCH", "XNYS")])
def test_a_source_that_states_its_exchange_chooses_the_calendar(tmp_path, publisher, venue, calendar):
    def read(name):
        rows = [quote(i, publisher_id=publisher) for i in range(3)]
        return read_dbn(put(tmp_path, metadata(), *rows), calendar=name, hours="regular")

    (session,) = read("auto")
    assert session.calendar == calendar
    assert f"calendar {calendar}, that of {venue}" in session.quality.notes
    (session,) = read("XNYS")
    hint = [note for note in session.quality.notes if "dataset.calendar=auto takes its own" in note]
    assert len(hint) == (calendar != "XNYS")


def test_a_publisher_without_a_known_calendar_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no calendar is known for publisher 41, so dataset\.calendar=auto"):
        read_dbn(put(tmp_path, metadata(), quote(0, publisher_id=41)), calendar="auto")
