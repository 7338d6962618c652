"""ITCH files in other frames, of other versions, and larger than memory should be."""

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ofiml.config import Policy
from ofiml.data import feed
from ofiml.data.readers.itch import forms
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_itch import ADD_B, DAY, END, NAME, add, framed, listed, message, random_day, read, written

CASES = Path(__file__).parents[1] / "cases"


def quotes_by_hand(path):
    """Best quotes after each added order, by struct and dicts: the case has orders, executions and deletions."""
    data, at, orders, rows = path.read_bytes(), 0, {}, []
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        m = data[at + 2 : at + 2 + length]
        at += 2 + length
        if not m:
            break  # the end mark
        kind, stamp = chr(m[0]), int.from_bytes(m[5:11], "big")
        if kind == "A":
            ref, side, shares, _, price = struct.unpack(">QcI8sI", m[11:])
            orders[ref] = [side, price, shares]
        elif kind in "EX":
            ref, shares = struct.unpack(">QI", m[11:23])
            orders[ref][2] -= shares
        elif kind == "D":
            del orders[struct.unpack(">Q", m[11:19])[0]]
        elif kind == "U":
            old, new, shares, price = struct.unpack(">QQII", m[11:])
            orders[new] = [orders.pop(old)[0], price, shares]
        else:
            continue
        book = {}
        for side, price, left in orders.values():
            if left:
                book[side, price] = book.get((side, price), 0) + left
        bid = max((p for s, p in book if s == b"B"), default=None)
        ask = min((p for s, p in book if s == b"S"), default=None)
        rows.append((stamp, bid, book.get((b"B", bid)), ask, book.get((b"S", ask))))
    return rows


def test_messages_without_a_length_before_each():
    folder = CASES / "048-itch-without-length-prefix"
    (bare,), (whole,) = read(folder / "20190530.itch"), read(folder / "framed_20190530.itch")
    assert bare.events.equals(whole.events)
    assert bare.quality == whole.quality
    midnight = np.datetime64("2019-05-30T04:00:00", "ns").astype(np.int64)
    last = {stamp: quote for stamp, *quote in quotes_by_hand(folder / "framed_20190530.itch")}
    columns = ("ts_recv", "bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    for stamp, *quote in bare.events.select(columns).with_columns(bare.events["ts_recv"].to_physical()).rows():
        bid, bid_size, ask, ask_size = last[stamp - midnight]
        assert quote == [bid and bid * 100_000, bid_size, ask and ask * 100_000, ask_size]


@pytest.mark.parametrize("seed", range(2))
def test_random_days_without_frames(tmp_path, seed):
    messages = random_day(seed)[0]
    keep = {"policy": Policy(crossed="keep")}
    whole = read(written(tmp_path, framed(*messages)), **keep)
    bare = read(written(tmp_path, b"".join(messages)), **keep)
    assert [s.symbol for s in bare] == [s.symbol for s in whole]
    for s, w in zip(bare, whole, strict=True):
        assert s.events.equals(w.events)
        assert s.quality == w.quality


def test_damage_without_frames(tmp_path):
    good = b"".join(DAY)
    at = len(b"".join(DAY[:6]))
    for policy in (Policy(), Policy(unreadable="drop")):  # nothing can be dropped: the next message is not to be found
        path = written(tmp_path, good[:at] + b"Z" + good[at + 1 :])
        with pytest.raises(
            DataError, match=rf"byte {at} \(message 7\): the message type is not in ITCH 5.0.*no length"
        ):
            read(path, policy=policy)
    side = len(b"".join(DAY[:4])) + 19
    path = written(tmp_path, good[:side] + b"X" + good[side + 1 :])
    with pytest.raises(DataError, match=rf"byte {side - 19} \(message 5\): the side is neither.*1 such message\)"):
        read(path)
    (s,) = read(path, policy=Policy(unreadable="drop", crossed="keep"))
    assert s.quality.dropped == {"unreadable": 1}
    with pytest.raises(DataError, match="the frame is cut short"):
        read(written(tmp_path, good[:-3]))


# --- other versions and formats ---------------------------------------------------------------------------------------


def test_version_4_1_is_named():
    with pytest.raises(DataError, match=r"S020310-v41\.txt\.gz has messages of ITCH 4\.1 .*reads ITCH 5\.0"):
        read(CASES / "049-itch-4.1" / "S020310-v41.txt.gz")


def old(kind, *body):
    return struct.pack(">cI", kind, 5) + b"".join(body)


LOT = struct.pack(">I", 100)
V41 = [old(b"T"), old(b"S", b"O"), old(b"R", b"TST     ", b"QN", LOT, b"N"), old(b"D", struct.pack(">Q", 1)),
       old(b"A", struct.pack(">QcI8sI", 1, b"B", 100, b"TST     ", 100_000))]  # fmt: skip
V40 = [old(b"T"), old(b"S", b"O"), old(b"R", b"TST   ", b"QN", LOT, b"N"), old(b"D", struct.pack(">Q", 1)),
       old(b"A", struct.pack(">QcI6sI", 1, b"B", 100, b"TST   ", 100_000))]  # fmt: skip
V3 = [b"T34200", b"M017", b"A        1B   100TST      1000000"]


def packets(*messages):
    """MoldUDP64: session, sequence, count, and the frames."""
    return b"".join(b"000000001A" + struct.pack(">QH", i, 1) + framed(m) for i, m in enumerate(messages))


def soup(*messages):
    frames = [struct.pack(">H", len(m) + 1) + b"S" + m for m in messages]
    return b"\x00\x01H".join(frames)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (framed(*V41), r"ITCH 4\.1 \(T with the seconds, A of 30 bytes\);"),
        (b"".join(V41), r"ITCH 4\.1 .* without frames"),
        (framed(*V40), r"ITCH 4\.0 \(T with the seconds, A of 28 bytes\);"),
        (b"".join(V40), r"ITCH 4\.0 .* without frames"),
        (framed(*V41)[:-4], r"ITCH 4\.1"),
        (framed(*V41) + b"\xff" * 40, r"ITCH 4\.1"),
        (framed(*V3), r"ITCH 3 or older"),
        (b"\r\n".join(V3), r"is text; ITCH 2 and 3 are text"),
        (soup(*DAY), r"packets around its messages of ITCH 5\.0 .SoupBinTCP.: remove the headers"),
        (packets(*DAY), r"packets around its messages of ITCH 5\.0 .MoldUDP64."),
        (b"".join(struct.pack("<H", len(m)) + m for m in DAY), "little-endian lengths"),
        (b"\xd4\xc3\xb2\xa1" + bytes(40), "packet capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "packet capture"),
    ],
)
def test_other_versions_and_packets_are_named(tmp_path, content, sentence):
    for pack in (bytes, gzip.compress):
        with pytest.raises(DataError, match=sentence):
            read(written(tmp_path, pack(content)), policy=Policy(unreadable="drop"))


def test_a_damaged_beginning_is_still_of_5_0(tmp_path):
    for index in range(len(DAY)):
        damaged = framed(*[b"Z" + m[1:] if i == index else m for i, m in enumerate(DAY)])
        with pytest.raises(DataError, match=rf"\(frame {index + 1}\): the message type is not in ITCH 5\.0"):
            read(written(tmp_path, damaged))


def test_the_whole_beginning_decides(monkeypatch):
    assert forms.is_framed(framed(*DAY), "x") is True
    assert forms.is_framed(b"".join(DAY), "x") is False
    # A frame of 21,248 bytes is a frame of a message S without frames, up to the end of the beginning.
    assert forms.is_framed(b"".join(DAY) * 40, "x") is False
    assert forms.is_framed(framed(DAY[0])[:7], "x") is True


# --- in pieces --------------------------------------------------------------------------------------------------------


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("day.itch", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "pack",
    slow_but_each(3, [bytes, gzip.compress, lambda c: pa.compress(c, "zstd", asbytes=True), zipped]),
)
@pytest.mark.parametrize("frame", [framed, lambda *messages: b"".join(messages)])
@pytest.mark.parametrize("size", [1000, pytest.param(61, marks=pytest.mark.slow)])
def test_pieces_of_any_size_give_the_same(tmp_path, monkeypatch, pack, frame, size):
    messages = random_day(3)[0]
    keep = {"policy": Policy(crossed="keep")}
    whole = read(written(tmp_path, frame(*messages)), **keep)
    path = written(tmp_path, pack(frame(*messages)))
    monkeypatch.setattr(feed, "_PIECE_BYTES", size)
    for symbols in (None, ["BBBB"]):
        pieces = read(path, symbols=symbols, **keep)
        for s, w in zip(pieces, whole if symbols is None else whole[1:], strict=True):
            assert s.events.equals(w.events)
            assert s.quality.used == w.quality.used


@pytest.mark.parametrize("size", [61, 100, 1000])
def test_faults_in_pieces_are_named_by_their_place_in_the_file(tmp_path, monkeypatch, size):
    messages = random_day(3)[0]
    messages[200] = messages[200][:5] + b"\xff" + messages[200][6:]
    messages[300] = b"Z" + messages[300][1:]
    path = written(tmp_path, framed(*messages))
    at = len(framed(*messages[:200]))
    monkeypatch.setattr(feed, "_PIECE_BYTES", size)
    with pytest.raises(DataError, match=rf"byte {at} \(frame 201\): the time is beyond .* 2 such frames\)"):
        read(path)
    path = written(tmp_path, b"".join(messages))
    at = len(b"".join(messages[:300]))
    with pytest.raises(DataError, match=rf"byte {at} \(message 301\): the message type is not in ITCH 5\.0"):
        read(path, policy=Policy(unreadable="drop"))


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(feed, "_PIECE_BYTES", 1 << 20)
    monkeypatch.setattr(feed, "_MAX_RATIO", 10_000)
    own = [listed(), listed(ADD_B, 2), *(add(i, i, "B", 100, 100_000 - i % 7 * 100) for i in range(1, 50))]
    other = b"".join(framed(message("A", 100, 10**6, b"S", 5, ADD_B, 200_000, locate=2)) for _ in range(10_000))
    rounds = 100  # 38 MB of another symbol's messages
    path = tmp_path / NAME
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        file.write(framed(*own))
        for _ in range(rounds):
            file.write(other)
        file.write(framed(message("D", 200, 1), END))
    read(path, symbols=["AAA"], max_events=1)  # compiles and imports
    tracemalloc.start()
    (s,) = read(path, symbols=["AAA"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert s.events.height == 50
    assert rounds * len(other) > 35e6
    assert peak < 15e6, f"{peak / 1e6:.0f} MB for a file of {rounds * len(other) / 1e6:.0f} MB"
