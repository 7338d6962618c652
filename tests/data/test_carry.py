"""A recording in several files is read as the one in a single file: the book is carried from each file to the next."""

import gzip
import json
import random

import pytest

from ofiml.config import Policy
from ofiml.data import chains
from ofiml.data.chains import chain_inputs, split_streams
from ofiml.data.inputs import group_inputs
from ofiml.data.schema import F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_except
from tests.golden.test_aapl import file_dataset

START = 1_731_369_600_000  # ms, 2024-11-12 00:00 UTC
TARDIS_HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
MBO_HEADER = "ts_recv,ts_event,action,side,price,size,order_id,flags,sequence,symbol,instrument_id,publisher_id"


def read(name, path, **other):
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001, "store": None}
    policy = Policy(**other.pop("policy", {}))
    config = file_dataset(name, path, policy=policy, **(market | other))
    return [session for source in list_sources(config) for session in source()]


def walk(count, seed=1):
    """Changes of single levels around 100: (side, price, size in thousandths), never crossed."""
    random.seed(seed)
    for _ in range(count):
        k = random.randrange(10)
        side = random.choice("ba")
        yield side, f"{99.9 - k / 10 if side == 'b' else 100.0 + k / 10:.1f}", f"{random.randrange(0, 9)}"


def binance_lines(count=400):
    book = {"lastUpdateId": 1000, "E": START + 60_000, "T": START + 60_000, "bids": [["99.9", "5"]],
            "asks": [["100.0", "4"]]}  # fmt: skip
    lines = [book]
    for i, (side, price, size) in enumerate(walk(count), start=1001):
        change = {"b": [], "a": []} | {side: [[price, size]]}
        time = START + 60_000 + 100 * (i - 1000)
        lines.append({"e": "depthUpdate", "E": time, "T": time, "s": "X", "U": i, "u": i, "pu": i - 1, **change})
        if i % 7 == 0:
            lines.append({"e": "trade", "E": time + 1, "T": time + 1, "s": "X", "t": i, "p": "100.0", "q": "1",
                          "m": bool(i % 2), "X": "MARKET"})  # fmt: skip
    return [json.dumps(line) for line in lines]


def bybit_lines(count=400):
    def message(u, kind, bids, asks):
        data = {"s": "X", "b": bids, "a": asks, "u": u, "seq": u}
        at = START + 60_000 + 100 * u
        return {"topic": "orderbook.500.X", "type": kind, "ts": at, "data": data, "cts": at - 3}

    lines = [message(1, "snapshot", [["99.9", "5"]], [["100.0", "4"]])]
    for u, (side, price, size) in enumerate(walk(count), start=2):
        change = [[price, size]]
        lines.append(message(u, "delta", change if side == "b" else [], change if side == "a" else []))
        if u % 9 == 0:
            trade = {"T": START + 60_000 + 100 * u, "s": "X", "S": "Buy", "v": "1", "p": "100.0", "i": "id"}
            lines.append({"topic": "publicTrade.X", "ts": START + 60_001 + 100 * u, "data": [trade]})
    return [json.dumps(line) for line in lines]


def tardis_lines(count=400):
    def row(i, snapshot, side, price, size):
        time = 1000 * (START + 60_000 + 100 * i)
        return f"e,X,{time},{time + 5},{snapshot},{side},{price},{size}"

    lines = [row(0, "true", "bid", "99.9", "5"), row(0, "true", "ask", "100.0", "4")]
    names = {"b": "bid", "a": "ask"}
    return lines + [row(1 + i // 2, "false", names[s], price, size) for i, (s, price, size) in enumerate(walk(count))]


def mbo_lines(count=400):
    random.seed(2)
    lines, orders = [], []

    def add(action, side, price, size, order, flags=128):
        i = len(lines)
        stamp = f"2024-11-12T14:{i // 60 % 60:02d}:{i % 60:02d}"
        lines.append(f"{stamp}.000000001Z,{stamp}Z,{action},{side},{price},{size},{order},{flags},{i},X,38,2")

    add("R", "N", "", 0, 0, 8)
    for order in range(1, count):
        side = random.choice("BA")
        price = f"{99.9 - random.randrange(8) / 10 if side == 'B' else 100.0 + random.randrange(8) / 10:.1f}"
        if orders and random.random() < 0.4:
            number, *rest = orders.pop(random.randrange(len(orders)))
            add("C", *rest, number)
        else:
            orders.append((order, side, price, random.randrange(1, 9)))
            add("A", *orders[-1][1:], order, 0 if order % 5 == 0 else 128)
    return lines


RECORDINGS = {
    "binance": (binance_lines, "", "jsonl", {}),
    "bybit": (bybit_lines, "", "data", {}),
    "tardis": (tardis_lines, TARDIS_HEADER, "csv", {}),
    "databento_mbo": (mbo_lines, MBO_HEADER, "csv", {"size_unit": 1.0}),
}


def write(path, header, lines, *, packed=False):
    text = ("\n".join([header, *lines] if header else lines) + "\n").encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text) if packed else text)


PACKED = [(name, packed) for name in RECORDINGS for packed in (False, True)]


@pytest.mark.parametrize(("name", "packed"), slow_except([*PACKED[:2], *PACKED[2::2]], PACKED))
def test_a_rotated_recording_is_the_unrotated_one(tmp_path, name, packed):
    make, header, suffix, more = RECORDINGS[name]
    lines = make()
    write(tmp_path / "whole" / f"x.{suffix}", header, lines)
    (whole,) = read(name, tmp_path / "whole", **more)
    assert whole.events["ask_px_00"].null_count() <= 2
    for a, b in ((2, len(lines) - 1), (117, 251), (200, 203)):
        folder = tmp_path / f"{a}"
        for k, part in enumerate((lines[:a], lines[a:b], lines[b:])):
            write(folder / f"{k}.{suffix}", header, part, packed=packed)
        (rotated,) = read(name, folder, **more)
        assert rotated.events.equals(whole.events)
        assert rotated.source == f"0.{suffix} to 2.{suffix}"
        assert any(
            note.startswith("read as one stream from 3 files, the book carried") for note in rotated.quality.notes
        )
        for key in ("rows", "used", "dropped", "kept"):
            assert getattr(rotated.quality, key) == getattr(whole.quality, key)


def test_the_ids_of_binance_show_a_gap_between_files(tmp_path):
    lines = binance_lines()
    write(tmp_path / "0.jsonl", "", lines[:150])
    write(tmp_path / "1.jsonl", "", lines[151:])
    (s,) = read("binance", tmp_path)
    assert s.quality.kept["gap"] == 1
    at = (s.events["flags"] & F_SNAPSHOT != 0).to_list().index(True, 1)
    assert s.events["ask_px_01"][at - 1] is not None
    assert s.events["ask_px_01"][at] is None
    with pytest.raises(DataError, match=r"^1\.jsonl, line 1: updates are missing before this update"):
        read("binance", tmp_path, policy={"gap": "raise"})


def test_files_of_binance_that_overlap_count_each_message_once(tmp_path):
    lines = binance_lines()
    write(tmp_path / "whole" / "x.jsonl", "", lines)
    write(tmp_path / "two" / "0.jsonl", "", lines[:150])
    write(tmp_path / "two" / "1.jsonl", "", lines[100:])
    (whole,), (two,) = (read("binance", tmp_path / folder) for folder in ("whole", "two"))
    assert two.events.equals(whole.events)
    assert two.quality.dropped["overlap"] > 0


@pytest.mark.parametrize("name", ["tardis", "databento_mbo"])
def test_a_long_pause_between_files_without_ids_is_a_gap(tmp_path, name):
    make, header, suffix, more = RECORDINGS[name]
    lines = make()
    late = [
        line.replace("2024-11-12T14", "2024-11-12T20").replace(f",{START // 10**7}", f",{START // 10**7 + 1}")
        for line in lines
    ]
    write(tmp_path / f"0.{suffix}", header, lines[:200])
    write(tmp_path / f"1.{suffix}", header, late[200:])
    (s,) = read(name, tmp_path, **more)
    assert s.quality.kept["gap"] == 1
    first = s.events["ts_recv"].diff().arg_max()
    if name == "tardis":  # unknown until seen
        assert s.events["flags"][first] & F_SNAPSHOT
        assert s.events["ask_px_03"][first - 1] is not None
        assert s.events["ask_px_03"][first] is None
    else:  # unknown until the next clear
        assert s.events.height <= 200
        assert s.quality.dropped["no_snapshot"] == len(lines) - 200


def test_a_size_off_the_step_and_a_damaged_line_are_of_their_file(tmp_path):
    lines = binance_lines()
    write(tmp_path / "0.jsonl", "", lines[:150])
    write(tmp_path / "1.jsonl", "", [*lines[150:160], lines[160].replace('"s": "X"', '"s": 7'), *lines[161:]])
    with pytest.raises(DataError, match=r"^1\.jsonl, line 11: column s: 7 is not a symbol"):
        read("binance", tmp_path)
    off = next(k for k, line in enumerate(lines) if '"trade"' in line and k > 150)
    damaged = [*lines[150:off], lines[off].replace('"q": "1"', '"q": "1.0005"'), *lines[off + 1 :]]
    write(tmp_path / "1.jsonl", "", damaged)
    with pytest.raises(DataError, match=rf"^1\.jsonl, line {off - 149}: the size '1\.0005'"):
        read("binance", tmp_path)


def test_a_bad_file_of_a_stream_is_left_out_and_the_book_is_unknown_after_it(tmp_path):
    lines = binance_lines()
    for k, (a, b) in enumerate([(0, 100), (100, 200), (200, 300), (300, len(lines))]):
        write(tmp_path / f"{k}.jsonl", "", lines[a:b])
    (tmp_path / "1.jsonl").write_text("\n".join([*lines[100:150], "{damaged", *lines[151:200]]) + "\n")
    with pytest.raises(DataError, match=r"^1\.jsonl, line 51: not a complete JSON message"):
        read("binance", tmp_path)
    (s,) = read("binance", tmp_path, bad_files="skip")
    (bad,) = s.quality.left_out
    assert bad.files == ["1.jsonl"]
    assert bad.error.startswith("1.jsonl, line 51: not a complete JSON message")
    assert s.quality.kept["gap"] == 1
    (without,) = read("binance", tmp_path / "0.jsonl")
    assert s.events.head(without.events.height).equals(without.events)
    assert s.events["flags"][without.events.height] & F_SNAPSHOT


def test_a_file_that_begins_with_a_clear_is_a_stream_of_its_own(tmp_path):
    lines = mbo_lines()
    clear = lines[200].split(",")[:2] + lines[0].split(",")[2:]
    write(tmp_path / "0.csv", MBO_HEADER, lines[:200])
    write(tmp_path / "1.csv", MBO_HEADER, [",".join(clear), *lines[200:]])
    write(tmp_path / "2.csv", MBO_HEADER, lines[399:])
    config = file_dataset("databento_mbo", tmp_path, calendar="24/7", tick=0.1, store=None)
    (chain,) = chain_inputs(group_inputs(config), config)
    streams = split_streams(chain, config)
    assert [[group[0].name for group in stream.inputs] for stream in streams] == [["0.csv"], ["1.csv", "2.csv"]]
    assert [stream.lost for stream in streams] == [False, False]


def test_a_stream_too_large_for_memory_is_cut_and_that_is_a_gap(tmp_path, monkeypatch):
    lines = binance_lines()
    for k in range(4):
        write(tmp_path / f"{k}.jsonl", "", lines[100 * k : 100 * k + 100])
    monkeypatch.setattr(chains, "_MAX_STREAM_BYTES", 1.5 * sum(len(line) for line in lines[:200]))
    (s,) = read("binance", tmp_path)
    assert s.quality.kept["gap"] == 1
    assert any(note.startswith("read as one stream from 2 files") for note in s.quality.notes)
    assert s.quality.notes[-1].startswith("joined from 2 files")


QUOTES_HEADER = "DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ"


def sparse_quotes(count=300, step_ms=1000):
    """Quotes of two symbols in which a blank repeats the value before it; the first row of each is whole."""
    random.seed(3)
    lines = []
    for i in range(count):
        cells = [f"{99.0 + random.randrange(9) / 10:.1f}", f"{100.0 + random.randrange(9) / 10:.1f}",
                 str(random.randrange(1, 9)), str(random.randrange(1, 9))]  # fmt: skip
        blank = random.sample(range(4), 3) if i > 1 else []
        cells = ["" if k in blank else cell for k, cell in enumerate(cells)]
        lines.append(",".join([str(START + 60_000 + step_ms * i), "XY"[i % 2], *cells]))
    return lines


def read_quotes(configure, path, *overrides):
    market = ("dataset.calendar=24/7", "dataset.tick=0.1", "dataset.size_unit=1", "dataset.blank=unchanged")
    dataset = configure("dataset=quotes", f"dataset.path={path}", *market, *overrides).dataset
    return [session for source in list_sources(dataset) for session in source()]


def test_a_blank_repeats_the_value_of_the_file_before(tmp_path, configure):
    lines = sparse_quotes()
    write(tmp_path / "whole" / "q.csv", QUOTES_HEADER, lines)
    whole = read_quotes(configure, tmp_path / "whole")
    assert all(s.events["ask_px_00"].null_count() == 0 for s in whole)
    for k, part in enumerate((lines[:2], lines[2:171], lines[171:])):
        write(tmp_path / "parts" / f"{k}.csv", QUOTES_HEADER, part, packed=k == 1)
    parts = read_quotes(configure, tmp_path / "parts")
    assert [s.symbol for s in parts] == ["X", "Y"]
    for one, other in zip(parts, whole, strict=True):
        assert one.events.drop("sequence").equals(other.events.drop("sequence"))
        assert any(note.startswith("read as one stream from 3 files") for note in one.quality.notes)
    # Without the file with the first values a level is missing until its price and its size are known.
    (tmp_path / "parts" / "0.csv").unlink()
    rest = read_quotes(configure, tmp_path / "parts")
    for one, other in zip(rest, whole, strict=True):
        assert any(
            note.startswith("levels of which only the price or the size is known yet") for note in one.quality.notes
        )
        assert one.events["bid_px_00"].null_count() > 0
        assert one.events.tail(100).drop("sequence").equals(other.events.tail(100).drop("sequence"))


def test_files_of_whole_quotes_are_read_by_themselves(tmp_path, configure):
    lines = [f"{START + 60_000 + 1000 * i},X,99,100,{1 + i % 3},1" for i in range(20)]
    for k, part in enumerate((lines[:9], lines[9:])):
        write(tmp_path / f"{k}.csv", QUOTES_HEADER, part)
    (s,) = read_quotes(configure, tmp_path, "dataset.blank=null")
    assert any(note.startswith("joined from 2 files") for note in s.quality.notes)


def test_a_blank_after_a_long_pause_between_files_is_unknown(tmp_path, configure):
    first, second = sparse_quotes(20), sparse_quotes(40)[20:]
    second = [f"{int(line[:13]) + 3_600_000}{line[13:]}" for line in second]
    write(tmp_path / "0.csv", QUOTES_HEADER, first)
    write(tmp_path / "1.csv", QUOTES_HEADER, second)
    s, _ = read_quotes(configure, tmp_path)
    assert s.quality.kept["gap"] == 1
    at = (s.events["flags"] & F_SNAPSHOT != 0).to_list().index(True)
    assert s.events["bid_px_00"][at - 1] is not None
    assert None in s.events.select("bid_px_00", "ask_px_00").row(at)
    with pytest.raises(DataError, match=r"^1\.csv, line 2: a file begins here, a long pause after the one before it"):
        read_quotes(configure, tmp_path, "dataset.policy.gap=raise")


def test_files_of_other_columns_are_not_one_table(tmp_path, configure):
    lines = sparse_quotes(20)
    write(tmp_path / "0.csv", QUOTES_HEADER, lines[:10])
    write(tmp_path / "1.csv", QUOTES_HEADER + ",exch", [line + ",N" for line in lines[10:]])
    assert len(read_quotes(configure, tmp_path)) == 2  # the exchange is the same in all rows
    times = [f"2024-11-12 00:01:{10 + k}{line[13:]}" for k, line in enumerate(lines[10:])]
    write(tmp_path / "1.csv", QUOTES_HEADER, times)
    with pytest.raises(DataError, match=r"^0\.csv and 1\.csv have other columns, or times of another form"):
        read_quotes(configure, tmp_path)


def full_book(**times):
    book = json.loads(binance_lines()[0])
    return json.dumps({key: book[key] for key in ("lastUpdateId", "bids", "asks")} | times)


@pytest.mark.parametrize(
    ("name", "stamp", "times"),
    [
        ("zz_book.json", "", {}),
        ("book.json", "", {"E": START + 60_000, "T": START + 60_000}),
        ("book.json", "", {"E": START + 75_000, "T": START + 75_000}),  # fetched while the stream was recorded
        ("book.json", f"{START + 1000} ", {}),
    ],
)
def test_a_full_book_in_a_file_of_its_own_belongs_to_the_stream(tmp_path, name, stamp, times):
    lines = binance_lines()
    write(tmp_path / "whole" / "x.jsonl", "", lines)
    (whole,) = read("binance", tmp_path / "whole")
    write(tmp_path / "parts" / name, "", [stamp + full_book(**times)])
    for k, part in enumerate((lines[1:200], lines[200:])):
        write(tmp_path / "parts" / f"stream_{k}.jsonl", "", part)
    (s,) = read("binance", tmp_path / "parts")
    assert s.symbol == "X"
    assert s.events.drop("ts_event", "ts_recv").equals(whole.events.drop("ts_event", "ts_recv"))
    assert s.events[1:].equals(whole.events[1:])
    assert not s.quality.dropped


def test_a_full_book_of_its_own_within_a_recording(tmp_path):
    lines = binance_lines()
    (update,) = (json.loads(line) for line in lines if '"U": 1100,' in line)
    late = json.dumps(json.loads(full_book(E=START, T=START)) | {"lastUpdateId": 1099})
    write(tmp_path / "book.json", "", [late])
    write(tmp_path / "stream.jsonl", "", lines[1:])
    (s,) = read("binance", tmp_path)
    # It is the state after update 1099, so it was not known before, whatever its clock says.
    assert (update["E"] - 100) * 1_000_000 <= s.events["ts_recv"].to_physical()[0] <= update["E"] * 1_000_000
    assert s.events["sequence"][0] == 1099
    assert s.quality.dropped["no_snapshot"] >= 99
    write(tmp_path / "book.json", "", [json.dumps(json.loads(late) | {"lastUpdateId": 5000})])  # of another symbol
    (s,) = read("binance", tmp_path)
    assert "book.json is a full book newer than all updates, so it is left out" in s.quality.notes


def test_full_books_are_told_apart_by_the_names_of_their_files(tmp_path):
    lines = binance_lines()
    other = [line.replace('"X"', '"Y"').replace('"99.9"', '"99.8"') for line in lines[1:]]
    write(tmp_path / "x.jsonl", "", lines[1:])
    write(tmp_path / "y.jsonl", "", other)
    write(tmp_path / "book-x.json", "", [full_book()])
    write(tmp_path / "book-y.json", "", [full_book().replace('"99.9"', '"99.8"')])
    found = {s.symbol: s for s in read("binance", tmp_path)}
    assert {name: s.events["bid_px_00"][0] for name, s in found.items()} == {"X": 99_900_000_000, "Y": 99_800_000_000}
    (tmp_path / "book-y.json").rename(tmp_path / "book.json")
    with pytest.raises(DataError, match=r"^book\.json, line .*of several \(X, Y\): name its file after the symbol"):
        read("binance", tmp_path)
