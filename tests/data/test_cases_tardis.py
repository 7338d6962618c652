"""tardis.dev's files that hold more than dollars: prices in yen and won, quotes, trades alone."""

import csv
import gzip
import io
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.golden.test_aapl import file_dataset

CASES = Path(__file__).parents[1] / "cases"
START = 1_731_380_400_000_000  # µs


def read(path, *, policy=None, **other):
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    config = file_dataset("tardis", path, policy=Policy(clock="keep", **(policy or {})), **(market | other))
    return [s for source in list_sources(config) for s in source()]


def cells(path):
    """The file's rows as text, by the csv module of Python."""
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


# --- prices beyond what a float holds to 1e-9 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "symbol", "tick", "size_unit"),
    [
        ("bitflyer_book_snapshot_5_2024-11-12_FX_BTC_JPY.csv.gz", "FX_BTC_JPY", 1.0, 0.01),
        ("upbit_book_snapshot_5_2024-11-12_KRW-BTC.csv.gz", "KRW-BTC", 1000.0, 0.0001),
    ],
)
def test_prices_in_yen_and_won(name, symbol, tick, size_unit):
    path = CASES / "021-tardis-price-in-yen-or-won" / name
    (s,) = read(path, tick=tick, size_unit=size_unit)
    rows = cells(path)
    assert (s.symbol, s.levels, s.events.height) == (symbol, 5, len(rows))
    for m in range(5):
        for side in ("bid", "ask"):
            prices = [int(Decimal(r[f"{side}s[{m}].price"]) * 10**9) for r in rows]
            sizes = [int(Decimal(r[f"{side}s[{m}].amount"]) / Decimal(str(size_unit))) for r in rows]
            assert s.events[f"{side}_px_{m:02d}"].to_list() == prices
            assert s.events[f"{side}_sz_{m:02d}"].to_list() == sizes


HEADER = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"


def quotes(folder, *rows, header=HEADER, name="upbit_quotes_2024-11-12_KRW-BTC.csv.gz", symbol="KRW-BTC"):
    lines = [header, *(f"upbit,{symbol},{START + t - 5},{START + t},{row}" for t, row in rows)]
    path = folder / name
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


@pytest.mark.parametrize(
    ("bid", "ask"),
    [
        ("130000000", "130001000"),
        ("130000000.000000001", "130001000.123456789"),
        ("1.3e8", "1.30001e8"),
        ('"130000000.5"', '"130001000.000000001"'),
        ("2250000000", "2250000000.1"),
        ("4599999999.999999999", "4600000000"),
    ],
)
def test_large_prices_in_every_notation_are_exact(tmp_path, bid, ask):
    (s,) = read(quotes(tmp_path, (0, f"1,{ask},{bid},2"), (1, "1,100.5,100.4,2")), tick=1e-9)
    assert s.events["bid_px_00"][0] == int(Decimal(bid.strip('"')) * 10**9)
    assert s.events["ask_px_00"][0] == int(Decimal(ask.strip('"')) * 10**9)


@pytest.mark.parametrize(
    "bid", ["130000000.0000000001", "1.300000000000000001e8", "4600000000.1", "9300000000", "1e30"]
)
def test_a_price_that_is_too_fine_or_too_large_is_no_other_price(tmp_path, bid):
    with pytest.raises(DataError, match=rf"line 3, column bid_price: '{bid}'"):
        read(quotes(tmp_path, (0, "1,130001000,130000000,2"), (1, f"1,9.4e9,{bid},2")), policy={"unreadable": "raise"})


def test_the_sum_of_bid_and_ask_has_room(tmp_path):
    from ofiml.bars.time import compute_mid_ticks

    (s,) = read(quotes(tmp_path, (0, "1,4600000000,4599999998,2")), tick=1.0)
    mid = compute_mid_ticks(s.events.select(bid="bid_px_00", ask="ask_px_00"), s.tick)
    assert mid.to_list() == [4_599_999_999.0]
    assert mid.dtype == pl.Float64


# --- quotes -----------------------------------------------------------------------------------------------------------


def test_a_quotes_file():
    path = CASES / "023-tardis-quotes-file" / "binance-futures_quotes_2024-11-12_BTCUSDT.csv.gz"
    (s,) = read(path)
    rows = cells(path)
    e = s.events
    assert (s.symbol, s.levels, e.height) == ("BTCUSDT", 1, len(rows))
    assert e["ts_recv"].to_physical().to_list() == [int(r["local_timestamp"]) * 1000 for r in rows]
    assert e["ts_event"].to_physical().to_list() == [int(r["timestamp"]) * 1000 for r in rows]
    for side in ("bid", "ask"):
        assert e[f"{side}_px_00"].to_list() == [int(Decimal(r[f"{side}_price"]) * 10**9) for r in rows]
        assert e[f"{side}_sz_00"].to_list() == [int(Decimal(r[f"{side}_amount"]) * 1000) for r in rows]
    assert set(e["action"]) == {"M"}
    assert s.quality.notes == []


TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"


def test_quotes_with_their_trades(tmp_path):
    name = "upbit_{}_2024-11-12_KRW-BTC.csv.gz"
    path = quotes(tmp_path, (10, "3,101,100,2"), (20, "3,102,100,2"), (30, ",,100,2"))
    trades = [(15, "a,buy,101,3"), (20, "b,sell,100,1")]
    quotes(tmp_path, *trades, header=TRADES, name=name.format("trades"))
    (s,) = read(path)
    assert s.events["action"].to_list() == ["M", "T", "T", "M", "M"]  # at equal times the trade comes first
    assert s.events["side"].to_list() == ["N", "B", "A", "N", "N"]
    assert s.events["ask_px_00"].to_list() == [101 * 10**9, 101 * 10**9, 101 * 10**9, 102 * 10**9, None]
    assert s.events["ask_sz_00"].to_list()[-1] is None
    with pytest.raises(DataError, match=r"has 1 levels?: set dataset\.levels=1"):
        read(path, levels=2)


def test_two_books_of_a_day_are_named(tmp_path):
    path = quotes(tmp_path, (10, "3,101,100,2"))
    path.with_name("upbit_book_snapshot_5_2024-11-12_KRW-BTC.csv.gz").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"book_snapshot_5.* and upbit_quotes.* contain the same book: choose one"):
        read(tmp_path)


def test_trades_alone(tmp_path):
    for name in ("upbit_trades_2024-11-12_KRW-BTC.csv.gz", "mine.csv.gz"):
        path = quotes(tmp_path, (15, "a,buy,101,3"), header=TRADES, name=name)
        with pytest.raises(DataError, match=rf"{name}.* (only trades|trades without a book).*quotes"):
            read(path)


@pytest.mark.parametrize(
    ("header", "row", "sentence"),
    [
        (
            "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,open_interest,last_price",
            "1,2,3,4", "derivative_ticker, without a book",
        ),
        ("exchange,symbol,timestamp,local_timestamp,id,side,price,amount,x", "1,buy,3,4,5", "trades without a book"),
        ("exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration", "1,2,3", "options_chain"),
        ("a,b,c,d,e", "1", "columns without a book"),
    ],
)  # fmt: skip
def test_other_types_are_named(tmp_path, header, row, sentence):
    with pytest.raises(DataError, match=sentence):
        read(quotes(tmp_path, (0, row), header=header, name="x.csv.gz"))
