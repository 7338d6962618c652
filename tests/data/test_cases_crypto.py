"""Files of crypto exchanges as users bring them: each with its right answer, computed from its text in another way."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ofiml.config import Policy
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.golden.test_aapl import file_dataset

CASES = Path(__file__).parents[1] / "cases"
LEVELS = 10


def find(case, name):
    (path,) = CASES.glob(f"{case}-*/{name}")
    return path


def read(name, path, **other):
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    config = file_dataset(name, path, policy=Policy(clock="keep"), **(market | other))
    (session,) = (s for source in list_sources(config) for s in source())
    return session


def apply(sides, updates):
    """Set levels (side, price, size) in two dictionaries; return the shown levels."""
    for side, price, size in updates:
        sides[side].pop(float(price), None)
        if float(size):
            sides[side][float(price)] = float(size)
    return show(sides)


def show(sides, levels=LEVELS):
    row = []
    for side, sign in (("b", -1), ("a", 1)):
        left = sorted((sign * p, q) for p, q in sides[side].items())[:levels]
        left += [(None, None)] * (levels - len(left))
        row += [None if p is None else round(sign * p * 1e9) for p, _ in left]
        row += [None if q is None else round(q * 1000) for _, q in left]
    return row


def shown(session, levels=LEVELS):
    columns = [f"{side}_{q}_{m:02d}" for side in ("bid", "ask") for q in ("px", "sz") for m in range(levels)]
    return [list(row) for row in session.events.select(columns).rows()]


def without_repeats(rows):
    return [row for k, row in enumerate(rows) if k == 0 or row != rows[k - 1]]


def answer(lines):
    """Return the books after each Binance message, and the exchange's times in ns."""
    sides = {"b": {}, "a": {}}
    books, times = [], []
    for line in lines:
        message = json.loads(line[line.index("{") :])
        message = message.get("data", message)
        keys = ("bids", "asks") if "bids" in message else ("b", "a")
        books.append(
            apply(sides, [(side, *level) for side, key in zip("ba", keys, strict=True) for level in message[key]])
        )
        times.append(message.get("T", message.get("E")))
    return books, times


def test_007_local_times_in_microseconds():
    fine, coarse = (read("binance", find("007", f"btcusdt_{unit}.txt")) for unit in ("ns", "us"))
    assert coarse.events.equals(fine.events)
    lines = find("007", "btcusdt_us.txt").read_text().splitlines()
    books, _ = answer(lines)
    assert shown(coarse) == without_repeats(books)
    stamps = [int(line.split()[0]) * 1000 for line in lines]
    assert coarse.events["ts_recv"].to_physical().to_list() == stamps


def test_008_event_times_in_microseconds():
    fine, coarse = (read("binance", find("008", f"btcusdt_spot_{unit}.json")) for unit in ("us", "ms"))
    assert fine.events.equals(coarse.events)
    lines = find("008", "btcusdt_spot_us.json").read_text().splitlines()
    books, times = answer(lines)
    assert shown(fine) == without_repeats(books)
    assert fine.events["ts_event"].to_physical().to_list()[1:] == [t * 1000 for t in times[1:]]


def test_010_t_depth():
    sides = {"b": {}, "a": {}}
    books = []
    for part in ("snap", "update"):
        with find("010", f"*_depth_{part}.csv").open() as file:
            rows = list(csv.DictReader(file))
        ids = [row["last_update_id"] for row in rows]
        starts = [k for k in range(len(ids)) if k == 0 or ids[k] != ids[k - 1]]
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            books.append(apply(sides, [(r["side"], r["price"], r["qty"]) for r in rows[start:end]]))
    session = read("binance", find("010", "*_depth_update.csv"), tick=0.01)
    assert shown(session) == without_repeats(books)


def test_035_bybit_ob500():
    sides = {"b": {}, "a": {}}
    books, times = [], []
    for message in map(json.loads, find("035", "*.data").read_text().splitlines()):
        levels = [(side, *level) for side in "ba" for level in message["data"][side]]
        books.append(apply(sides, levels))
        times.append(message["ts"] * 10**6)
    session = read("bybit", find("035", "*.data"))
    assert shown(session) == without_repeats(books)
    assert set(session.events["ts_recv"].to_physical().to_list()) <= set(times)


def test_036_ccxt_lines():
    rows = [json.loads(line) for line in find("036", "btc.jsonl").read_text().splitlines()]
    session = read("ccxt", find("036", "btc.jsonl"))
    assert session.symbol == "BTC/USDT"
    books = [show({"b": dict(row["bids"]), "a": dict(row["asks"])}, 5) for row in rows]
    assert shown(session, 5) == books
    assert session.events["ts_event"].to_physical().to_list() == [row["timestamp"] * 10**6 for row in rows]


def test_038_hftbacktest_bids_alone():
    path = find("038", "*.npz")
    rows = np.load(path, allow_pickle=False)["data"]
    assert not (rows["ev"] & (1 << 28)).any()  # no ask: no book can be known
    with pytest.raises(DataError, match=r"20241112\.npz: this hftbacktest array contains bids and no snapshot"):
        read("hftbacktest", path)


def test_058_a_level_off_the_step(data):
    session = read("binance", data("binance/spot_btcusdt_20240808.gz"), tick=0.01, size_unit=1e-5)
    assert session.quality.dropped == {"no_snapshot": 4}
    assert "gap" not in session.quality.kept
