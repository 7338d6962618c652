"""hftbacktest's arrays: a book by hand, both views of time, unknown levels, and every kind of damage."""

import io
import zipfile

import numpy as np
import pytest

from ofiml.config import Policy
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.golden.test_aapl import file_dataset

START = 1_731_369_600_000_000_000
DTYPE = np.dtype(
    [("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8"),
     ("order_id", "u8"), ("ival", "i8"), ("fval", "f8")]
)  # fmt: skip
BOTH, LOCAL, EXCHANGE, BUY, SELL = 3 << 30, 1 << 30, 1 << 31, 1 << 29, 1 << 28
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4

ROWS = [
    (DEPTH | BUY, 0, 50.0, 1.0),  # before the snapshot
    (CLEAR | BUY, 1, 99.9, 0.0),
    (SNAPSHOT | BUY, 1, 100.0, 1.0),
    (SNAPSHOT | BUY, 1, 99.9, 2.0),
    (CLEAR | SELL, 1, 100.3, 0.0),
    (SNAPSHOT | SELL, 1, 100.1, 3.0),
    (SNAPSHOT | SELL, 1, 100.3, 4.0),
    (DEPTH | BUY, 2, 100.0, 0.0),
    (DEPTH | SELL, 2, 100.1, 5.0),
    (TRADE | BUY, 3, 100.1, 0.5),
    (TRADE | SELL, 3, 99.9, 0.25),
    (DEPTH | SELL, 3, 100.1, 4.5),
]


def array(rows=ROWS, flags=BOTH):
    full = [(ev | flags, START + 1000 * t, START + 1000 * t + 7, px, qty, 0, 0, 0.0) for ev, t, px, qty in rows]
    return np.array(full, DTYPE)


def pack(content=None, **arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **(arrays or {"data": array() if content is None else content}))
    return buffer.getvalue()


def read(path, content=None, *, policy=None, **other):
    path.write_bytes(pack(content)) if not isinstance(content, bytes) else path.write_bytes(content)
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    config = file_dataset("hftbacktest", path, policy=Policy(**(policy or {})), **(market | other))
    return [s for source in list_sources(config) for s in source()]


def best(session):
    columns = ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    rows = session.events.select("action", *columns).rows()
    return [(a, bp and bp / 1e9, bs, ap and ap / 1e9, az) for a, bp, bs, ap, az in rows]


BOOK = [
    ("M", 100.0, 1000, 100.1, 3000),
    ("M", 99.9, 2000, 100.1, 5000),
    ("T", 99.9, 2000, 100.1, 5000),
    ("T", 99.9, 2000, 100.1, 5000),
    ("M", 99.9, 2000, 100.1, 4500),
]


def test_a_book_by_hand(tmp_path):
    (s,) = read(tmp_path / "btcusdt_20241112.npz")
    assert (s.symbol, s.quality.rows, s.quality.used) == ("BTCUSDT", 12, 5)
    assert best(s) == BOOK
    assert s.events["side"].to_list() == ["N", "A", "B", "A", "A"]
    assert s.events["size"].to_list() == [0, 5000, 500, 250, 4500]
    assert s.events["flags"].to_list() == [F_LAST | F_SNAPSHOT] + [F_LAST] * 4
    assert s.events["ts_recv"].to_physical().to_list() == [START + 1000 * t + 7 for t in (1, 2, 3, 3, 3)]
    assert s.events["ts_event"].to_physical().to_list() == [START + 1000 * t for t in (1, 2, 3, 3, 3)]
    assert "BTCUSDT is from its name" in s.quality.notes[0]
    (s,) = read(tmp_path / "x.npz", symbols=["Y"])
    assert (s.symbol, s.quality.notes) == ("Y", [])


def test_only_what_was_received_is_read(tmp_path):
    rows = array()
    twice = np.repeat(rows, 2)
    twice["ev"][::2] ^= LOCAL  # in exchange order only
    twice["ev"][1::2] ^= EXCHANGE
    (s,) = read(tmp_path / "x.npz", twice)
    assert best(s) == BOOK
    assert "rows ignored: 12" in s.quality.notes[0]
    (s,) = read(tmp_path / "x.npz", array(flags=EXCHANGE))
    assert best(s) == BOOK


def test_a_second_snapshot_keeps_levels_beyond_it(tmp_path):
    more = [*ROWS, (CLEAR | BUY, 5, 99.9, 0.0), (SNAPSHOT | BUY, 5, 99.9, 8.0), (DEPTH | BUY, 6, 99.9, 0.0)]
    with_far = [*more[:4], (SNAPSHOT | BUY, 1, 99.0, 6.0), *more[4:]]
    (s,) = read(tmp_path / "x.npz", array(with_far))
    assert best(s)[-2:] == [("M", 99.9, 8000, 100.1, 4500), ("M", 99.0, 6000, 100.1, 4500)]
    (s,) = read(tmp_path / "x.npz", array([*ROWS, (CLEAR | BUY, 5, np.nan, 0.0)]))
    assert best(s)[-1] == ("M", None, None, 100.1, 4500)


def test_levels_without_a_snapshot_are_unknown_until_they_are_seen(tmp_path):
    rows = [(DEPTH | BUY, 1, 100.0, 1.0), (DEPTH | SELL, 2, 100.2, 1.0), (DEPTH | SELL, 3, 100.1, 2.0)]
    (s,) = read(tmp_path / "x.npz", array(rows))
    assert best(s) == [("M", 100.0, 1000, 100.1, 2000)]
    assert s.events["ask_px_01"].to_list() == [100_200_000_000]
    with pytest.raises(DataError, match=r"contains bids and asks and no snapshot .* the book is unknown"):
        read(tmp_path / "x.npz", array(rows[:2]))
    with pytest.raises(DataError, match=r"hftbacktest array contains bids and no snapshot"):
        read(tmp_path / "x.npz", array(rows[:1]))


def test_a_size_off_the_step(tmp_path):
    far = [*ROWS, (DEPTH | SELL, 4, 200.0, 1.00005)]
    (s,) = read(tmp_path / "x.npz", array(far), levels=2)
    assert best(s) == BOOK
    assert "sizes that are not multiples" in s.quality.notes[-1]
    with pytest.raises(DataError, match=r"row 13: the size '1\.00005' at '200' .*set dataset\.size_unit=1e-05"):
        read(tmp_path / "x.npz", array(far), levels=3)


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("ev", BOTH | BUY | 7, "column ev: the event 0x[0-9a-f]* is unknown"),
        ("ev", BOTH | DEPTH, "column ev: .* has no side"),
        ("px", np.nan, "column px: nan is not a price"),
        ("px", -1.0, "column px: -1.0 is not a price"),
        ("px", 1e10, "column px: 10000000000.0 is not a price"),
        ("qty", -1.0, "column qty: -1.0 is not a size"),
        ("qty", np.inf, "column qty: inf is not a size"),
        ("local_ts", -5, "column local_ts: -5 is not a time in ns"),
    ],
)
def test_damage_is_named_or_dropped(tmp_path, column, value, what):
    rows = array()
    rows[column][8] = value
    with pytest.raises(DataError, match=rf"x\.npz, row 9: {what}.*unreadable=drop"):
        read(tmp_path / "x.npz", rows)
    (s,) = read(tmp_path / "x.npz", rows, policy={"unreadable": "drop"})
    assert s.quality.dropped == {"unreadable": 1, "no_snapshot": 1}


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "x.npz"
    orders = array([(10 | BUY, 0, 100.0, 1.0)])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data", b"x")
    for content, what in (
        (buffer.getvalue(), "it contains other files"),
        (b"", "no npz or npy of hftbacktest, or damaged"),
        (pack()[:100], "no npz or npy of hftbacktest, or damaged"),
        (pack(data=np.array([{}, []], object)), "no npz or npy of hftbacktest, or damaged"),
        (pack(data=np.zeros((5, 6))), "array of 6 columns without names, as hftbacktest 1 wrote"),
        (pack(data=array()[["ev", "px"]].copy()), "the column exch_ts is missing or of another type"),
        (pack(a=array(), b=array()), "contains the arrays a, b, and none named data"),
        (pack(array([])), "is empty"),
        (pack(orders), "events of single orders"),
    ):
        with pytest.raises(DataError, match=what):
            read(path, content)
