"""hftbacktest's arrays: a book by hand, both views of time, unknown levels, and every kind of damage."""

import io
import zipfile

import numpy as np
import pytest

from ofiml.config import Policy
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.data.test_carry import walk
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
    if not path.is_dir():
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


MINUTE = 60_000_000  # in the µs of ROWS


def walk_rows(count=400, first=MINUTE):
    """Return a snapshot, then changes of single levels and trades."""
    rows = [(SNAPSHOT | BUY, first, 99.9, 0.005), (SNAPSHOT | SELL, first, 100.0, 0.004)]
    for i, (side, price, size) in enumerate(walk(count), start=1):
        at = first + 100_000 * i
        rows.append((DEPTH | (BUY if side == "b" else SELL), at, float(price), int(size) / 1000))
        if i % 7 == 0:
            rows.append((TRADE | BUY, at + 5, 100.0, 0.001))
    return rows


def write_files(folder, parts):
    """Write each part to an npz or, in turn, to a bare array."""
    folder.mkdir()
    for k, (name, rows) in enumerate(parts):
        if k % 2 == 0:
            (folder / f"{name}.npz").write_bytes(pack(array(rows)))
        else:
            np.save(folder / f"{name}.npy", array(rows))
    return folder


def test_a_rotated_recording_is_the_unrotated_one(tmp_path):
    rows = walk_rows()
    (whole,) = read(write_files(tmp_path / "whole", [("x_0", rows)]))
    assert whole.events["ask_px_00"].null_count() <= 2
    for a, b in ((2, len(rows) - 1), (117, 251), (200, 203)):
        folder = write_files(tmp_path / f"{a}", [("x_2", rows[b:]), ("x_0", rows[:a]), ("x_1", rows[a:b])])
        (rotated,) = read(folder)
        assert rotated.events.equals(whole.events)
        assert any(
            note.startswith("read as one stream from 3 files, the book carried") for note in rotated.quality.notes
        )
        for key in ("rows", "used", "dropped", "kept"):
            assert getattr(rotated.quality, key) == getattr(whole.quality, key)


def test_the_book_is_carried_over_midnight_to_a_day_without_a_snapshot(tmp_path):
    day = 86_400_000_000
    rows = walk_rows(first=day - 20_000_000)
    cut = next(k for k, row in enumerate(rows) if row[1] >= day)
    (_, whole) = read(write_files(tmp_path / "whole", [("x", rows)]))
    parts = [("x_20241112", rows[:cut]), ("x_20241113", rows[cut:])]
    (one, two) = read(write_files(tmp_path / "days", parts))
    assert (one.date, two.date) == ("2024-11-12", "2024-11-13")
    assert two.events.equals(whole.events)
    # The snapshot at the end of the first day stands for it, and beside it repeats it.
    end = [(ev, day - 1000, px, qty) for ev, px, qty in book_at(rows[:cut])]
    folder = write_files(tmp_path / "ends", [("x_20241112_eod", end), ("x_20241113", rows[cut:])])
    (two,) = read(folder)
    assert two.events.tail(whole.events.height).drop("sequence").equals(whole.events.drop("sequence"))
    folder = write_files(tmp_path / "both", [*parts, ("x_20241112_eod", end)])
    (_, two) = read(folder)
    assert two.events.equals(whole.events)


def book_at(rows):
    """Return the levels at the end of the rows."""
    book = {}
    for ev, _, px, qty in rows:
        if ev & 0xFF != TRADE:
            book[ev & (BUY | SELL), px] = qty
    return [(SNAPSHOT | side, px, qty) for (side, px), qty in book.items() if qty]


def test_a_day_that_begins_with_a_snapshot_is_read_by_itself(tmp_path):
    first, second = walk_rows(), walk_rows(first=86_400_000_000)
    folder = write_files(tmp_path / "days", [("x_1", first), ("x_2", second)])
    sessions = read(folder)
    assert len(sessions) == 2
    assert not any("one stream" in note for s in sessions for note in s.quality.notes)
    later = [(SNAPSHOT | BUY, 150_000_000, 99.0, 0.007), (SNAPSHOT | SELL, 150_000_000, 99.1, 0.004)]
    (s,) = read(write_files(tmp_path / "again", [("x_1", first), ("x_2", later)]))  # the same day, started again
    assert best(s)[-1] == ("M", 99.0, 7, 99.1, 4)
    assert s.events["bid_px_01"][-1] is None


def test_after_a_long_pause_between_files_the_book_is_unknown(tmp_path):
    rows = walk_rows(100)
    later = [(ev, t + 200_000_000, px, qty) for ev, t, px, qty in rows[80:]]
    (s,) = read(write_files(tmp_path / "x", [("x_1", rows[:80]), ("x_2", later)]))
    assert s.quality.kept["gap"] == 1
    at = (s.events["flags"] & F_SNAPSHOT != 0).to_list().index(True, 1)
    assert s.events["ask_px_01"][at] is None
    with pytest.raises(DataError, match=r"^x_2\.npy, row 1: a file begins here, a long pause after"):
        read(tmp_path / "x", policy={"gap": "raise"})


def test_the_symbol_is_from_the_name(tmp_path):
    assert read(tmp_path / "20241112_ethusdt.npz")[0].symbol == "ETHUSDT"
    with pytest.raises(DataError, match=r"^20241112\.npz: neither the file nor its name states the symbol: name it"):
        read(tmp_path / "20241112.npz")


def test_files_of_two_symbols_are_not_one_recording(tmp_path):
    a, b = walk_rows(50), walk_rows(50)
    blind = [(DEPTH | BUY, MINUTE + 10_000_000, 70.0, 1.0)]  # its ends do not show a book
    folder = write_files(tmp_path / "x", [("a", a), ("b", b)])
    assert [s.symbol for s in read(folder)] == ["A", "B"]
    np.savez(folder / "c.npz", data=array(blind))
    with pytest.raises(DataError, match=r"b\.npy and c\.npz are of several symbols, by their names"):
        read(folder)
