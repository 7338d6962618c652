"""ITCH 5.0: files written by an encoder of the tests' own, read back and held against a book kept in plain Python.

There is no real file: the layouts are those of the specification, and only hand-written and random days are read.
"""

import datetime as dt
import gzip
import random
import struct
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ofiml.config import Policy
from ofiml.data.readers.itch import kernel as itch
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.golden.test_aapl import file_dataset

NAME = "01302020.NASDAQ_ITCH50"
OPEN = 34_200 * 10**9  # 9:30, in ns since midnight
MIDNIGHT = int(dt.datetime(2020, 1, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 10**9
# What follows the head of a message (type, locate, tracking number, 6 bytes of time), as the specification lays it out.
BODY = {
    "S": "c", "R": "8sccIcc2scccccIc", "H": "8scc4s", "A": "QcI8sI", "F": "QcI8sI4s", "E": "QIQ", "C": "QIQcI",
    "X": "QI", "D": "Q", "U": "QQII", "P": "QcI8sIQ", "Q": "Q8sIQc", "B": "Q", "Y": "8sc", "L": "4s8sccc", "V": "QQQ",
    "W": "c", "K": "8sIcI", "J": "8sIIII", "h": "8scc", "I": "QQc8sIIIcc", "N": "8sc", "O": "8scIIIQII",
}  # fmt: skip
ADD_A, ADD_B = b"AAA     ", b"BBBB    "


def message(kind, at, *body, locate=1):
    head = struct.pack(">cHH", kind.encode(), locate, 0) + (OPEN + at).to_bytes(6, "big")
    return head + struct.pack(">" + BODY[kind], *body)


def framed(*messages):
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


def listed(stock=ADD_A, locate=1):
    return message("R", -OPEN, stock, b"Q", b"N", 100, b"N", b"C", b"Z ", b"P", b"N", b"N", b"1", b"N", 0, b"N",
                   locate=locate)  # fmt: skip


def add(at, ref, side, shares, price, stock=ADD_A, locate=1):
    return message("A", at, ref, side.encode(), shares, stock, price, locate=locate)


def state(at, letter):
    return message("H", at, ADD_A, letter.encode(), b" ", b"    ")


END = message("S", 10**9, b"C", locate=0)
DAY = [
    listed(),
    message("S", -1000, b"Q", locate=0),
    state(-900, "T"),
    add(1, 11, "B", 100, 100_000),
    message("F", 2, 12, b"S", 50, ADD_A, 100_200, b"MPID"),
    message("E", 3, 12, 20, 901),
    message("X", 4, 11, 30),
    message("U", 5, 11, 13, 80, 100_100),
    message("C", 6, 12, 10, 902, b"N", 100_150),
    message("C", 7, 12, 10, 903, b"Y", 100_150),
    message("P", 8, 0, b"B", 5, ADD_A, 100_150, 904),
    message("Q", 9, 300, ADD_A, 100_100, 905, b"O"),
    message("B", 10, 904),
    state(11, "H"),
    state(12, "T"),
    message("D", 13, 13),
    END,
]


def written(tmp_path, content, name=NAME):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(path, **settings):
    return [s for source in list_sources(file_dataset("itch", path, **settings)) for s in source()]


def test_a_day_by_hand(tmp_path):
    (s,) = read(written(tmp_path, framed(*DAY)), levels=2)
    e = s.events
    assert (s.symbol, s.date, s.levels) == ("AAA", "2020-01-30", 2)
    assert e["action"].to_list() == ["A", "A", "T", "C", "M", "C", "T", "T", "T", "N", "N", "C"]
    assert e["side"].to_list() == ["B", "A", "B", "B", "B", "A", "B", "N", "N", "N", "N", "B"]
    assert [p and p // 100_000 for p in e["price"].to_list()] == [
        100_000, 100_200, 100_200, 100_000, 100_100, 100_150, 100_150, 100_150, 100_100, None, None, 100_100,
    ]  # fmt: skip
    assert e["size"].to_list() == [100, 50, 20, 30, 80, 10, 10, 5, 300, 0, 0, 80]
    assert e["bid_sz_00"].to_list() == [100, 100, 100, 70, 80, 80, 80, 80, 80, 80, 80, None]
    assert e["ask_sz_00"].to_list() == [None, 50, 30, 30, 30, 20, 10, 10, 10, 10, 10, 10]
    assert e["bid_px_00"].to_list()[3:5] == [10_000_000_000, 10_010_000_000]
    assert e["bid_ct_00"].to_list()[4] == 1
    reset = F_LAST | F_SNAPSHOT
    assert e["flags"].to_list() == [F_LAST] * 9 + [reset, reset, F_LAST]
    assert (e["ts_recv"].to_physical() - MIDNIGHT - OPEN).to_list() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13]
    assert e["ts_event"].equals(e["ts_recv"].rename("ts_event"))
    # The listing, the first trading state and the broken trade make no event of their own.
    assert (s.quality.rows, s.quality.used, s.quality.dropped) == (15, 12, {})
    assert s.quality.kept == {"one_sided": 2, "halt": 2}
    assert s.quality.notes == []


def test_lengths_are_those_of_the_layouts():
    for kind, body in BODY.items():
        assert itch.LENGTHS[ord(kind)] == 11 + struct.calcsize(">" + body), kind
    assert (itch.LENGTHS > 0).sum() == len(BODY)


# --- a random day against a book in plain Python ----------------------------------------------------------------------


def random_day(seed, count=400):
    """(messages of two symbols, what each does as a tuple of its own)."""
    rng = random.Random(seed)
    messages, told = [listed(), listed(ADD_B, 2), state(-5, "T")], []
    live, ref, halted = {1: {}, 2: {}}, 100, False
    for at in range(count):
        locate = rng.choice([1, 1, 2])
        orders, stock = live[locate], {1: ADD_A, 2: ADD_B}[locate]
        kind = rng.choice("AAAAAFECXDUUPQBH") if orders else "A"
        known = rng.choice(list(orders)) if orders else 0
        if rng.random() < 0.02 and kind in "ECXDU":
            known = 7  # an order that nobody has seen
        side, left = orders.get(known, ("?", 0, 0))[0], orders.get(known, ("?", 0, 50))[2]
        mid = 100_000 + rng.randint(-3, 3) * 100
        ref += 1
        if kind in "AF":
            side = rng.choice("BS")
            price, size = mid + (-1 if side == "B" else 1) * rng.randint(4, 12) * 100, rng.randint(1, 200)
            orders[ref] = (side, price, size)
            extra = (b"MPID",) if kind == "F" else ()
            messages.append(message(kind, at, ref, side.encode(), size, stock, price, *extra, locate=locate))
            told.append((locate, at, "A", ref, side, price, size))
        elif kind in "ECX":
            size = rng.randint(1, left)
            prints = rng.choice("YN")
            body = {"E": (1,), "C": (1, prints.encode(), mid), "X": ()}[kind]
            messages.append(message(kind, at, known, size, *body, locate=locate))
            told.append((locate, at, kind if kind != "C" else "C" + prints, known, mid, size))
            if known in orders:
                s, p, n = orders.pop(known)
                if n > size:
                    orders[known] = (s, p, n - size)
        elif kind == "D":
            orders.pop(known, None)
            messages.append(message("D", at, known, locate=locate))
            told.append((locate, at, "D", known))
        elif kind == "U":
            size = rng.randint(1, 200)
            s, p, _ = orders.pop(known, ("?", 100_000, 0))
            p += rng.choice([0, 0, -100, 100]) if s != "?" else 0
            if s != "?":
                orders[ref] = (s, p, size)
            messages.append(message("U", at, known, ref, size, p, locate=locate))
            told.append((locate, at, "U", known, ref, p, size))
        elif kind == "P":
            messages.append(message("P", at, 0, b"B", 3, stock, mid, 1, locate=locate))
            told.append((locate, at, "P", mid, 3))
        elif kind == "Q":
            size = rng.choice([0, 500])
            messages.append(message("Q", at, size, stock, mid, 1, b"C", locate=locate))
            told.append((locate, at, "Q", mid, size))
        elif kind == "B":
            messages.append(message("B", at, 1, locate=locate))
        elif locate == 1:
            halted = not halted
            messages.append(state(at, "H" if halted else "T"))
            told.append((1, at, "H"))
    return [*messages, END], told


def replayed(told, levels):
    """The rows that a reader must give of one symbol: (time, action, side, price, size, bids, asks)."""
    orders, rows = {}, []

    def book():
        sides = []
        for side, best_first in (("B", True), ("S", False)):
            depth = {}
            for s, price, size in orders.values():
                if s == side:
                    total, number = depth.get(price, (0, 0))
                    depth[price] = total + size, number + 1
            sides.append([(p, *depth[p]) for p in sorted(depth, reverse=best_first)][:levels])
        return sides

    schema_side = {"B": "B", "S": "A", "?": "N"}
    for _, at, what, *rest in told:
        before = book()
        row = None
        if what == "A":
            ref, side, price, size = rest
            orders[ref] = (side, price, size)
            row = ("A", schema_side[side], price, size)
        elif what in ("E", "CY", "CN", "X"):
            ref, own_price, size = rest
            side, price, left = orders.pop(ref, ("?", None, 0))
            if left > size:
                orders[ref] = (side, price, left - size)
            if what in ("E", "CY"):
                side = {"B": "A", "S": "B", "?": "N"}[side]
                rows.append((at, "T", side, own_price if what == "CY" else price, size, *book()))
            else:
                row = ("C", schema_side[side], own_price if what == "CN" else price, size)
        elif what == "D":
            side, price, left = orders.pop(rest[0], ("?", None, 0))
            row = ("C", schema_side[side], price, left)
        elif what == "U":
            old, new, price, size = rest
            side, _, _ = orders.pop(old, ("?", 0, 0))
            between = book()
            if side != "?":
                orders[new] = (side, price, size)
            if between != before or book() != between:
                rows.append((at, "M", schema_side[side], price, size, *book()))
        elif what in "PQ":
            if rest[1]:
                rows.append((at, "T", "N", *rest, *book()))
        else:
            rows.append((at, "N", "N", None, 0, *book()))
        if row and book() != before:
            rows.append((at, *row, *book()))
    return rows


@pytest.mark.parametrize("seed", slow_but_each(4, range(8)))
@pytest.mark.parametrize("levels", [1, 3])
def test_random_days_against_a_plain_book(tmp_path, seed, levels):
    messages, told = random_day(seed)
    path = written(tmp_path, framed(*messages))
    sessions = read(path, levels=levels, tick=0.01, policy=Policy(crossed="keep"))
    assert [s.symbol for s in sessions] == ["AAA", "BBBB"]
    for locate, s in enumerate(sessions, start=1):
        expected = replayed([t for t in told if t[0] == locate], levels)
        ours = []
        for row in s.events.iter_rows(named=True):
            sides = []
            for name in ("bid", "ask"):
                found = [[row[f"{name}_{q}_{m:02d}"] for q in ("px", "sz", "ct")] for m in range(levels)]
                sides.append([(px // 100_000, sz, ct) for px, sz, ct in found if px is not None])
            price = row["price"] and row["price"] // 100_000
            ours.append((row["action"], row["side"], price, row["size"], *sides))
        assert ours == [e[1:] for e in expected]
        assert (s.events["ts_recv"].to_physical() - MIDNIGHT - OPEN).to_list() == [e[0] for e in expected]
        assert (s.events["flags"] & F_LAST).to_list() == [F_LAST] * len(expected)
    alone = read(path, levels=levels, symbols=["BBBB"], policy=Policy(crossed="keep"))
    assert [s.symbol for s in alone] == ["BBBB"]
    assert alone[0].events.equals(sessions[1].events)


@pytest.mark.parametrize("framed_", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_kernels_equal_their_plain_twins(seed, framed_):
    messages = random_day(seed, 120)[0]
    content = bytearray(framed(*messages) if framed_ else b"".join(messages))
    rng = random.Random(seed)
    for _ in range(seed * 20):
        content[rng.randrange(len(content))] = rng.randrange(256)
    data = np.frombuffer(bytes(content), np.uint8)
    found = []
    for survey, decode in ((itch.survey_py, itch.decode_py), (itch.survey, itch.decode)):
        stocks, counts, first = np.zeros((1 << 16, 8), np.uint8), np.zeros(1 << 16, np.int64), np.zeros(3, np.int64)
        outcome = survey(data, framed_, True, itch.LENGTHS, stocks, counts, first)
        table = np.full((itch.COLUMNS, int(counts.sum())), -99)
        k = decode(data, framed_, 0, itch.LENGTHS, stocks, np.ones(1 << 16, np.bool_), table)
        found.append((*outcome, stocks.tobytes(), counts.tolist(), first.tolist(), k, table[:, :k].tolist()))
    assert found[0] == found[1]
    kind, order, new = (np.array(found[0][-1][row]) for row in (itch.KIND, itch.ORDER, itch.NEW))
    ids, index = np.unique(np.concatenate([order, new]), return_inverse=True)
    order, new = index[: len(kind)], index[len(kind) :]
    told = []
    for follow in (itch.follow_py, itch.follow):
        values = [np.array(found[0][-1][row]) for row in (itch.SIDED, itch.SIZE, itch.PRICED)]
        follow(kind, order, new, len(ids), *values)
        told.append([v.tolist() for v in values])
    assert told[0] == told[1]


# --- damage -----------------------------------------------------------------------------------------------------------


def replaced(index, content):
    return [*DAY[:index], content, *DAY[index + 1 :]]


def at_byte(index):
    return len(framed(*DAY[:index]))


def with_bytes(index, at, content):
    old = DAY[index]
    return replaced(index, old[:at] + content + old[at + len(content) :])


@pytest.mark.parametrize(
    ("day", "index", "sentence"),
    slow_but_each(
        4,
        [
            (replaced(4, b""), 4, "the frame is empty, and the file continues"),
            (replaced(4, DAY[4] + b"!"), 4, "the length does not match the message type"),
            (replaced(4, DAY[4][:20]), 4, "the length does not match the message type"),
            (with_bytes(4, 0, b"Z"), 4, "the message type is not in ITCH 5.0"),
            (with_bytes(4, 5, b"\xff"), 4, "the time is beyond the end of the day"),
            (with_bytes(4, 19, b"X"), 4, "the side is neither B nor S"),
            (with_bytes(4, 20, bytes(4)), 4, "the number of shares is 0"),
            (with_bytes(4, 32, bytes(4)), 4, "the price is 0"),
            (with_bytes(4, 24, b"AAB"), 4, "not the earlier symbol of its stock locate code"),
            (with_bytes(4, 11, b"\x80"), 4, "the order reference is far too large"),
            (with_bytes(8, 31, b"x"), 8, "the printable flag is neither"),
            (with_bytes(13, 19, b"Z"), 13, "the trading state is not one of"),
            (with_bytes(11, 11, b"\x01"), 11, "far too large"),
            (with_bytes(0, 11, b"\xff"), 0, "the symbol is not text"),
        ],
    ),
)
def test_damage_is_named_by_its_byte_or_dropped_and_counted(tmp_path, day, index, sentence):
    path = written(tmp_path, framed(*day))
    with pytest.raises(DataError) as error:
        read(path)
    assert f"{NAME}, byte {at_byte(index)} (frame {index + 1}): " in str(error.value)
    assert sentence in str(error.value)
    assert "dataset.policy.unreadable=drop" in str(error.value)
    (s,) = read(path, policy=Policy(unreadable="drop", crossed="keep"))
    assert s.quality.dropped == {"unreadable": 1}


@pytest.mark.slow
@pytest.mark.slow
def test_every_cut_is_noticed(tmp_path):
    whole = framed(*DAY)
    ends = {at_byte(i) for i in range(len(DAY) + 1)}
    for n in range(1, len(whole)):
        path = written(tmp_path, whole[:n])
        if n not in ends:
            with pytest.raises(DataError, match=rf"byte {max(e for e in ends if e <= n)} .*the frame is cut short"):
                read(path)
        elif n > at_byte(4):
            (s,) = read(path)
            assert s.quality.notes[0] == "the file has no end-of-messages event: it may be cut short"
    (marked,) = read(written(tmp_path, whole + b"\0\0"))  # the format's end mark
    assert marked.quality.dropped == {}


def test_messages_about_orders_nobody_saw(tmp_path):
    day = [listed(), add(1, 1, "B", 10, 100_000), message("E", 2, 99, 5, 1), message("U", 3, 98, 97, 5, 100_100),
           message("D", 4, 97), message("X", 5, 1, 20), END]  # fmt: skip
    (s,) = read(written(tmp_path, framed(*day)))
    assert s.quality.kept["unknown_order"] == 3
    assert s.quality.kept["excess_size"] == 1
    assert s.events.select("action", "side", "price", "size").rows() == [
        ("A", "B", 10_000_000_000, 10),
        ("T", "N", None, 5),
        ("C", "B", 10_000_000_000, 20),
    ]
    with pytest.raises(DataError, match=r"line 3: the order is not in the book \(3 such rows\)"):
        read(written(tmp_path, framed(*day)), policy=Policy(unknown_order="raise"))


def test_sizes_in_lots(tmp_path):
    path = written(tmp_path, framed(listed(), add(1, 1, "B", 200, 100_000), add(2, 2, "S", 150, 100_100), END))
    with pytest.raises(
        DataError, match=r"line 3, column shares: 150 shares are not a multiple of dataset\.size_unit=100"
    ):
        read(path, size_unit=100.0)
    (s,) = read(path, size_unit=100.0, policy=Policy(unreadable="drop"))
    assert (s.events["bid_sz_00"].to_list(), s.quality.rows, s.quality.dropped) == ([2], 3, {"unreadable": 1})


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("01302020.NASDAQ_ITCH50", "2020-01-30"),
        ("20200130.BX_ITCH_50", "2020-01-30"),
        ("S013020-v50.txt", "2020-01-30"),
        ("nasdaq_2020-01-30.itch", "2020-01-30"),
        ("day.itch", None),
        ("13322020.NASDAQ_ITCH50", None),
        ("20200130_20200131.itch", None),
    ],
)
def test_the_day_is_in_the_name(tmp_path, name, day):
    path = written(tmp_path, framed(*DAY), name)
    if day is None:
        with pytest.raises(DataError, match="an ITCH file states its date only in its name"):
            read(path)
    else:
        assert read(path)[0].date == day


def test_whole_files_that_are_none(tmp_path):
    packed = gzip.compress(framed(*DAY))
    (s,) = read(written(tmp_path, packed, NAME + ".gz"))
    assert s.events.height == 12
    with pytest.raises(DataError, match="cut short or damaged"):
        read(written(tmp_path, packed[:-9], NAME + ".gz"))
    with pytest.raises(DataError, match="is empty"):
        read(written(tmp_path, b""))
    with pytest.raises(DataError, match="names no symbol"):
        read(written(tmp_path, framed(END)))
    with pytest.raises(DataError, match="is text; ITCH 2 and 3 are text"):
        read(written(tmp_path, b"ts_recv,ts_event,action,side,price"))
    with pytest.raises(DataError, match="contains no symbol ZZZ"):
        read(written(tmp_path, framed(*DAY)), symbols=["ZZZ"])
    with pytest.raises(DataError, match="lists BBBB but contains no order"):
        read(written(tmp_path, framed(listed(ADD_B, 2), *DAY)), symbols=["BBBB"])
    with pytest.raises(DataError, match="AAA has two stock locate codes, 1 and 2"):
        read(written(tmp_path, framed(listed(locate=2), *DAY)))
