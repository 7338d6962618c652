"""Bybit: books by hand, gaps, trades, whole books of one level, packed files and every kind of damage."""

import gzip
import io
import json
import zipfile

import pytest

from ofiml.config import Policy
from ofiml.data.schema import F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.golden.test_aapl import file_dataset

START = 1_731_369_600_000  # ms, 2024-11-12 00:00 UTC


def read(path, *, policy=None, **other):
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    config = file_dataset("bybit", path, policy=Policy(**(policy or {})), **(market | other))
    return [s for source in list_sources(config) for s in source()]


def book(u, bids=(), asks=(), *, full=False, symbol="X", depth=500):
    data = {"s": symbol, "b": [list(b) for b in bids], "a": [list(a) for a in asks], "u": u, "seq": 7 * u}
    kind = "snapshot" if full else "delta"
    return {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": START + u, "data": data, "cts": START + u - 3}


def trades(at, *rows):
    data = [{"T": START + at - 3, "s": "X", "S": s, "v": v, "p": p, "i": "id", "BT": False} for s, p, v in rows]
    return {"topic": "publicTrade.X", "type": "snapshot", "ts": START + at, "data": data}


STREAM = [
    book(1, [("100.0", "1"), ("99.9", "2")], [("100.1", "3"), ("100.3", "4")], full=True),
    book(2, [("100.0", "0")], [("100.1", "5")]),
    trades(2, ("Buy", "100.1", "0.5"), ("Sell", "99.9", "0.25")),
    book(3, [], [("100.1", "0"), ("100.2", "9")]),
    book(4, [("100.0", "6"), ("98.0", "1")]),
]


def write(path, *messages):
    path.write_text("\n".join(m if isinstance(m, str) else json.dumps(m) for m in messages) + "\n")
    return path


def best(session):
    columns = ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    rows = session.events.select("action", *columns).rows()
    return [(a, bp and bp / 1e9, bs, ap and ap / 1e9, az) for a, bp, bs, ap, az in rows]


def test_a_book_by_hand(tmp_path):
    (s,) = read(write(tmp_path / "x.data", *STREAM))
    assert best(s) == [
        ("M", 100.0, 1000, 100.1, 3000),
        ("M", 99.9, 2000, 100.1, 5000),
        ("T", 99.9, 2000, 100.1, 5000),
        ("T", 99.9, 2000, 100.1, 5000),
        ("M", 99.9, 2000, 100.2, 9000),
        ("M", 100.0, 6000, 100.2, 9000),
    ]
    assert s.events["side"].to_list() == ["N", "A", "B", "A", "A", "B"]
    assert s.events["size"].to_list() == [0, 5000, 500, 250, 9000, 1000]
    assert ((s.events["flags"] & F_SNAPSHOT) != 0).to_list() == [True] + [False] * 5
    clocks = [(START + k) * 10**6 for k in (1, 2, 2, 2, 3, 4)]
    assert s.events["ts_recv"].to_physical().to_list() == clocks
    assert s.events["ts_event"].to_physical().to_list() == [t - 3 * 10**6 for t in clocks]
    assert (s.quality.rows, s.quality.used) == (6, 6)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6])
def test_the_local_time_is_the_receipt(tmp_path, unit):
    lines = [f"{(START + 100 + i) * unit} {json.dumps(m)}" for i, m in enumerate(STREAM)]
    (s,) = read(write(tmp_path / "x.txt", *lines))
    assert s.events["ts_recv"].to_physical().to_list()[:2] == [(START + 100 + i) * 10**6 for i in range(2)]
    assert s.events["ts_event"].to_physical().to_list()[0] == (START - 2) * 10**6


def test_after_a_gap_levels_are_unknown_until_they_are_seen(tmp_path):
    more = [
        book(6, [("100.0", "7")]),  # 5 is missing
        book(7, [], [("100.1", "8")]),
        book(7, [("50.0", "1")]),  # again
        book(1, [("90.0", "1")], [("90.1", "2")], full=True),  # the service has restarted
        book(2, [("90.0", "3")]),
    ]
    path = write(tmp_path / "x.data", *STREAM[:2], book(3), book(4), *more)
    (s,) = read(path, levels=2, policy={"time_reversal": "keep"})
    assert best(s)[2:] == [
        ("R", None, None, None, None),
        ("M", 100.0, 7000, 100.1, 8000),
        ("M", 90.0, 1000, 90.1, 2000),
        ("M", 90.0, 3000, 90.1, 2000),
    ]
    assert s.events["bid_px_01"].to_list()[3] is None
    assert s.quality.kept["gap"] == 1
    assert s.quality.notes == ["deltas older than the book: 1"]
    with pytest.raises(DataError, match=r"line 5: deltas are missing before this one.*gap=keep"):
        read(path, policy={"gap": "raise"})


def test_deltas_before_the_first_snapshot(tmp_path):
    early = [book(-1 + k, [("80.0", "1")]) for k in (1, 2)]
    path = write(tmp_path / "x.data", early[0], *STREAM)
    (s,) = read(path)
    assert s.quality.dropped == {"no_snapshot": 1}
    assert s.events.height == 6
    with pytest.raises(DataError, match="line 1: a delta before the first snapshot"):
        read(path, policy={"no_snapshot": "raise"})
    with pytest.raises(DataError, match=r"x\.data .*the book is unknown: add the full book"):
        read(write(path, *early))


def test_snapshots_only_are_whole_books(tmp_path):
    rows = [book(k, [("100.0", str(k))], [("100.1", "1")], full=True, depth=1) for k in (1, 2, 5)]
    (s,) = read(write(tmp_path / "x.data", *rows))
    assert best(s) == [("M", 100.0, 1000 * k, 100.1, 1000) for k in (1, 2, 5)]
    assert (s.levels, s.events["flags"].to_list()) == (1, [128] * 3)


def test_a_zip_a_gzip_and_several_symbols(tmp_path):
    both = [*STREAM, book(1, [("7.0", "1")], [("7.1", "1")], full=True, symbol="Y"), book(2, symbol="Y")]
    content = write(tmp_path / "x.data", *both).read_bytes()
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.data", content)
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    whole = read(tmp_path / "x.data", policy={"time_reversal": "keep"})
    assert [s.symbol for s in whole] == ["X", "Y"]
    for name in ("x.gz", "x.zip"):
        packed = read(tmp_path / name, policy={"time_reversal": "keep"})
        assert all(a.events.equals(b.events) for a, b in zip(packed, whole, strict=True))
    assert [s.symbol for s in read(tmp_path / "x.data", symbols=["Y"])] == ["Y"]
    with pytest.raises(DataError, match="no order book of Z"):
        read(tmp_path / "x.data", symbols=["Z"])
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("y.data", content)
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"x\.zip contains 2 files, not one"):
        read(tmp_path / "x.zip")


def changed(**cells):
    message = book(3, [("100.0", "1")])
    outer = {k: v for k, v in cells.items() if k in message}
    return message | {"data": message["data"] | {k: v for k, v in cells.items() if k not in message}} | outer


@pytest.mark.parametrize(
    ("message", "what"),
    slow_but_each(
        4,
        [
            ("{", "not a complete JSON message"),
            ("17", "17 is not a message"),
            (changed(b=[["1x2", "1"]]), "the price '1x2' is not a decimal number"),
            (changed(b=[["100.0"]]), "not a list of"),
            (changed(b=7), "not a list of"),
            (changed(u="3"), "column u: '3' is not an update id"),
            (changed(u=None), "column u: None is not an update id"),
            (changed(ts=17), "column ts: 17 is not a time in ms"),
            (changed(ts=None), r"the message has no time \(ts\)"),
            (changed(type="x"), "column type: 'x' is neither snapshot nor delta"),
            (changed(s=5), "column s: 5 is not a symbol"),
            (changed(data=5), "column data: 5 is not an order book"),
            (trades(3, ("buy", "1", "1")), "column S: 'buy' is neither Buy nor Sell"),
        ],
    ),
)
def test_damage_is_named_or_dropped(tmp_path, message, what):
    path = write(tmp_path / "x.data", *STREAM[:2], message)
    with pytest.raises(DataError, match=rf"x\.data, line 3: .*{what}.*unreadable=drop"):
        read(path)
    (s,) = read(path, policy={"unreadable": "drop"})
    assert (s.quality.dropped, s.events.height) == ({"unreadable": 1}, 2)


def test_files_that_are_something_else(tmp_path):
    for content, what in (("", "is empty"), ("{}", "contains no Bybit order book"), ("a,b\n1,2", "not a local time")):
        path = tmp_path / "x.data"
        path.write_text(content)
        with pytest.raises(DataError, match=what):
            read(path)


def test_prices_of_spreads_may_have_any_sign(tmp_path):
    stream = [
        book(1, [("-0.2", "1"), ("-0.3", "2")], [("-0.1", "3"), ("0.4", "4")], full=True),
        book(2, [], [("-0.1", "0"), ("0.0", "5")]),
        trades(2, ("Sell", "-0.2", "0.5")),
    ]
    (s,) = read(write(tmp_path / "x.data", *stream))
    assert best(s)[1:] == [("M", -0.2, 1000, 0.0, 5000), ("T", -0.2, 1000, 0.0, 5000)]
    assert s.events["price"].to_list()[1:] == [0, -200_000_000]
