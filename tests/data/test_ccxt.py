"""ccxt: whole books by hand, every form of a time, exact decimals, several symbols, and damage."""

import json

import pytest

from ofiml.config import Policy
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.golden.test_aapl import file_dataset

START = 1_731_369_600_000  # ms, 2024-11-12 00:00 UTC


def read(path, *, policy=None, **other):
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    chosen = Policy(**({"clock": "keep"} | (policy or {})))
    config = file_dataset("ccxt", path, policy=chosen, **(market | other))
    return [s for source in list_sources(config) for s in source()]


def book(k, **other):
    bids, asks = [[100.0 + k, 0.726], [99.9, 2]], [[100.1 + k, 0.017], [100.5 + k, 3], [101 + k, 0.5]]
    row = {"symbol": "BTC/USDT", "bids": bids, "asks": asks, "timestamp": START + 1000 * k, "nonce": 1000 + k}
    return row | other


BOOKS = [book(k) for k in range(1, 7)]


def write(path, *books):
    path.write_text("\n".join(b if isinstance(b, str) else json.dumps(b) for b in books) + "\n")
    return path


def test_each_line_is_a_whole_book(tmp_path):
    (s,) = read(write(tmp_path / "x.jsonl", *BOOKS))
    assert (s.symbol, s.levels, s.quality.rows, s.quality.used) == ("BTC/USDT", 3, 6, 6)
    assert s.events["bid_px_00"].to_list() == [(100 + k) * 10**9 for k in range(1, 7)]
    assert s.events["ask_px_02"].to_list() == [(101 + k) * 10**9 for k in range(1, 7)]
    assert s.events["bid_sz_00"].to_list() == [726] * 6
    assert s.events["ask_sz_00"].to_list() == [17] * 6
    assert s.events["bid_px_02"].null_count() == 6
    assert s.events["sequence"].to_list() == list(range(1001, 1007))
    assert s.events["flags"].to_list() == [128] * 6
    assert s.events["ts_event"].to_physical().to_list() == [(START + 1000 * k) * 10**6 for k in range(1, 7)]
    (s,) = read(tmp_path / "x.jsonl", levels=1)
    assert s.levels == 1
    with pytest.raises(DataError, match=r"at most 3 levels: set dataset\.levels=3"):
        read(tmp_path / "x.jsonl", levels=4)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (START + 7, (START + 7) * 10**6),
        ((START + 7) * 1000, (START + 7) * 10**6),
        ((START + 7) * 10**6 + 5, (START + 7) * 10**6 + 5),
        (START / 1000 + 0.25, START * 10**6 + 250_000_000),
        (str(START + 7), (START + 7) * 10**6),
        ("2024-11-12T01:00:00.5+01:00", START * 10**6 + 500_000_000),
    ],
)
def test_a_local_time_is_the_receipt(tmp_path, local, expected):
    for other in ({}, {"timestamp": None, "datetime": None}):
        (s,) = read(write(tmp_path / "x.jsonl", book(0, local_timestamp=local, **other)))
        assert s.events["ts_recv"].to_physical().to_list() == [expected]
        event = expected if other else START * 10**6
        assert s.events["ts_event"].to_physical().to_list() == [event]


def test_the_time_before_the_line_and_the_datetime(tmp_path):
    row = book(0, timestamp=None, datetime="2024-11-12T00:00:01.000Z")
    (s,) = read(write(tmp_path / "x.jsonl", f"{START + 1200} {json.dumps(row)}"))
    assert s.events["ts_recv"].to_physical().to_list() == [(START + 1200) * 10**6]
    assert s.events["ts_event"].to_physical().to_list() == [(START + 1000) * 10**6]


def test_decimals_are_those_of_the_file(tmp_path):
    row = book(0, bids=[[1e-05, 1234567.8]], asks=[["0.00001001", "0.30000000", 17]])
    (s,) = read(write(tmp_path / "x.jsonl", row), tick=1e-8, size_unit=0.1)
    first = s.events.row(0, named=True)
    assert (first["bid_px_00"], first["bid_sz_00"], first["ask_px_00"], first["ask_sz_00"]) == (
        10_000, 12_345_678, 10_010, 3,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"line 1: the size '1234567\.8' at .*set dataset\.size_unit=1e-01"):
        read(tmp_path / "x.jsonl", tick=1e-8, size_unit=1.0)


def test_several_symbols_and_exchanges(tmp_path):
    path = write(tmp_path / "x.jsonl", book(0), book(1, symbol="Y"), {"id": 1, "price": 5}, book(2))
    first, second = read(path)
    assert (first.symbol, first.events.height, second.symbol, second.events.height) == ("BTC/USDT", 2, "Y", 1)
    assert first.quality.notes == ["lines ignored: 1 without bids and asks"]
    assert [s.symbol for s in read(path, symbols=["Y"])] == ["Y"]
    with pytest.raises(DataError, match="no order book of Z; it contains BTC/USDT, Y"):
        read(path, symbols=["Z"])
    with pytest.raises(DataError, match="line 2: a book of BTC/USDT on okx after books on binance"):
        read(write(path, book(0, exchange="binance"), book(1, exchange="okx")))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", "not a complete JSON message"),
        (book(1, timestamp=None), "the book has no time: timestamp is null"),
        (book(1, timestamp=17), "column timestamp: 17 is not a time"),
        (book(1, timestamp=None, datetime="2024-11-12 00:00"), "column datetime: .* is not a time"),
        (book(1, symbol=None), "column symbol: None is not a symbol"),
        (book(1, bids=[[1]]), r"column bids: not a list of \[price, amount\]"),
        (book(1, asks=None), "column asks: not a list"),
        (book(1, bids=[[None, 1]]), "the price None is not a decimal number"),
        (book(1, bids=[["-", 1]]), r"the price '-' is not a decimal number"),
        (book(1, nonce="x"), "column nonce: 'x' is not a number"),
    ],
)
def test_damage_is_named_or_dropped(tmp_path, row, what):
    path = write(tmp_path / "x.jsonl", book(0), row, book(2))
    with pytest.raises(DataError, match=rf"x\.jsonl, line 2: .*{what}.*unreadable=drop"):
        read(path)
    (s,) = read(path, policy={"unreadable": "drop"})
    assert (s.quality.dropped, s.events.height) == ({"unreadable": 1}, 2)


def test_books_out_of_order_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"level 1 at .* is not worse than level 0"):
        read(write(tmp_path / "x.jsonl", book(0, bids=[[99.0, 1], [100.0, 1]])))
    with pytest.raises(DataError, match="contains no ccxt order book"):
        read(write(tmp_path / "x.jsonl", {"a": 1}))


def test_prices_of_spreads_may_have_any_sign(tmp_path):
    books = [book(k, bids=[[-0.2, 1], [-0.3, 2]], asks=[[(k - 2) / 10, 1.5], [5, 1]]) for k in range(1, 4)]
    (s,) = read(write(tmp_path / "x.jsonl", *books))
    assert s.events["bid_px_01"].to_list() == [-300_000_000] * 3
    assert s.events["ask_px_00"].to_list() == [-100_000_000, 0, 100_000_000]
