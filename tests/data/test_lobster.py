"""LOBSTER beyond pairs of files: messages alone, archives, folders."""

import random
import sys
import zipfile

import numpy as np
import py7zr
import pytest

from ofiml.config import Policy
from ofiml.data.book import kernel
from ofiml.data.feed import Blob
from ofiml.data.formats import archives as archive
from ofiml.data.readers.lobster import days as lobster
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from tests.data.test_readers import BOOKS, MESSAGES
from tests.golden.test_aapl import file_dataset

NAME = "ABC_2012-06-{:02d}_34200000_57600000_{}_{}.csv"


def read(path, **settings):
    return [s for source in list_sources(file_dataset("lobster", path, hours="regular", **settings)) for s in source()]


def messages(folder, lines, levels=2, day=21):
    path = folder / NAME.format(day, "message", levels)
    path.write_text("\n".join(lines) + "\n")
    return path


def pair(folder, day=21):
    (folder / NAME.format(day, "orderbook", 1)).write_text("\n".join(BOOKS) + "\n")
    return messages(folder, MESSAGES, 1, day)


def best(s):
    return s.events.select("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00").rows()


# --- messages alone ---------------------------------------------------------------------------------------------------


def test_a_book_from_messages(tmp_path):
    path = messages(tmp_path, [
        "34201,1,11,100,2000000,1",
        "34202,1,12,50,2000300,-1",
        "34203,1,13,70,2000100,1",
        "34204,2,13,20,2000100,1",   # 50 are left
        "34205,4,12,10,2000300,-1",  # the aggressor bought
        "34206,5,0,5,2000200,-1",    # hidden: nothing shown changes
        "34207,7,0,0,-1,-1",         # halt
        "34208,6,-1,500,2000200,-1",
        "34209,3,13,50,2000100,1",
        "34210,3,99,50,2000000,1",   # rested before the first message
    ])  # fmt: skip
    (s,) = read(path)
    e = s.events
    assert s.levels == 2
    assert e["action"].to_list() == ["A", "A", "A", "C", "T", "T", "N", "N", "C", "C"]
    assert e["side"].to_list()[4] == "B"
    bid, ask = (200_000_000_000, 200_010_000_000), 200_030_000_000
    assert best(s) == [
        (bid[0], 100, None, None),
        (bid[0], 100, ask, 50),
        (bid[1], 70, ask, 50),
        (bid[1], 50, ask, 50),
        *[(bid[1], 50, ask, 40)] * 4,
        *[(bid[0], 100, ask, 40)] * 2,
    ]
    assert e["bid_ct_00"].to_list()[0] == 1
    assert e["flags"].to_list() == [F_LAST] * 6 + [F_LAST | F_SNAPSHOT] + [F_LAST] * 3
    assert s.quality.kept["unknown_order"] == 1
    assert "built from messages alone" in s.quality.notes[0]
    (top,) = read(path, levels=1)
    assert best(top) == best(s)
    assert top.levels == 1
    with pytest.raises(DataError, match=r"has 2 levels: set dataset\.levels=2"):
        read(path, levels=3)
    with pytest.raises(DataError, match="line 10: the order is not in the book"):
        read(path, policy=Policy(unknown_order="raise"))


def test_levels_that_have_gone_unseen(tmp_path):
    add = "{},1,{},10,{},{}".format
    (s,) = read(messages(tmp_path, [
        add(34201, 1, 1000000, 1),
        add(34202, 2, 1000100, 1),
        add(34203, 3, 1000200, 1),   # the level at 100.00 falls behind the two, and is forgotten
        "34204,3,3,10,1000200,1",
        "34205,3,2,10,1000100,1",    # nothing is known of what comes up
        add(34206, 4, 1000500, -1),
        add(34207, 5, 1000600, 1),   # would have traded: the ask at 100.05 must be gone
        add(34208, 6, 1000400, 1),
        "34209,4,77,5,1000300,1",    # a sale at 100.03: bids above it must be gone
    ]))  # fmt: skip
    assert [row[0] and row[0] // 100_000 for row in best(s)] == [
        1000000, 1000100, 1000200, 1000100, None, None, 1000600, 1000600, None,
    ]  # fmt: skip
    assert [row[2] and row[2] // 100_000 for row in best(s)][5:7] == [1000500, None]
    assert s.quality.kept["swept_level"] == 2


def test_the_kernel_forgets_as_a_plain_book_does():
    rng = random.Random(3)
    for levels in (1, 2, 4):
        n, rows = 600, []
        for i in range(n):
            op = rng.choice([kernel.ADD_SHOWN, kernel.ADD_SHOWN, kernel.REDUCE, kernel.DELETE, kernel.TAKE_FIRM])
            order = i if op == kernel.ADD_SHOWN and rng.random() < 0.95 else rng.randrange(max(i, 1))
            rows.append((op, rng.randrange(2), rng.randint(90, 110), rng.randint(1, 9), order))
        op, side, price, size, order = (np.array(c) for c in zip(*rows, strict=True))
        outcomes = []
        for run in (kernel.run, kernel.run_py):
            row_of, effect, placed = np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n, np.int64)
            px, sz, ct = (np.full((2 * levels, n), -7) for _ in range(3))
            args = (op.astype(np.uint8), side.astype(np.uint8), price, size, order, np.full(n, kernel.ALWAYS, np.uint8))
            run(*args, levels, n, row_of, effect, placed, px, sz, ct)
            outcomes.append((effect.tolist(), px.tolist(), sz.tolist(), ct.tolist()))
        assert outcomes[0] == outcomes[1]
        assert np.transpose(outcomes[0][1:], (2, 0, 1)).tolist() == plain_book(rows, levels)


def plain_book(rows, levels):
    """Per row: prices, sizes, counts, bids then asks, of orders in a dict."""
    orders, shown = {}, []
    sign = {kernel.BID: 1, kernel.ASK: -1}
    for op, side, price, size, order in rows:
        own = orders.get(order)
        if op in (kernel.DELETE, kernel.ADD_SHOWN):
            orders.pop(order, None)
        elif own and own[2] > size:
            orders[order] = (own[0], own[1], own[2] - size)
        else:
            orders.pop(order, None)
        if op == kernel.TAKE_FIRM:
            orders = {o: r for o, r in orders.items() if r[0] != side or sign[side] * (r[1] - price) <= 0}
        if op == kernel.ADD_SHOWN:
            orders = {o: r for o, r in orders.items() if r[0] == side or sign[side] * (r[1] - price) > 0}
            orders[order] = (side, price, size)
            visible = sorted({r[1] for r in orders.values() if r[0] == side}, key=lambda p: -sign[side] * p)[:levels]
            orders = {o: r for o, r in orders.items() if r[0] != side or r[1] in visible}
        px, sz, ct = ([kernel.MISSING] * 2 * levels, [0] * 2 * levels, [0] * 2 * levels)
        for one, first in ((kernel.BID, 0), (kernel.ASK, levels)):
            prices = sorted({r[1] for r in orders.values() if r[0] == one}, key=lambda p: -sign[one] * p)
            for m, p in enumerate(prices[:levels]):
                here = [r[2] for r in orders.values() if r[:2] == (one, p)]
                px[first + m], sz[first + m], ct[first + m] = p, sum(here), len(here)
        shown.append([px, sz, ct])
    return shown


def test_amzn_from_messages_alone(tmp_path, data):
    """How far the messages of 5 levels go: LOBSTER's best level in 63 % of rows, all five in 1 %."""
    path = data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")
    with zipfile.ZipFile(path) as z:
        (name,) = (n for n in z.namelist() if "message" in n)
        z.extract(name, tmp_path)
    (whole,), (built,) = read(path), read(tmp_path / name)
    same = np.ones(whole.events.height, bool)
    shares = []
    for m in range(5):
        for column in (f"{s}_{q}_{m:02d}" for s in ("bid", "ask") for q in ("px", "sz")):
            same &= whole.events[column].eq_missing(built.events[column]).to_numpy()
        shares.append(float(same.mean()))
    assert shares == pytest.approx([0.6255, 0.3554, 0.1720, 0.0577, 0.0089], abs=1e-4)
    assert built.quality.kept == {"unknown_order": 13_473, "swept_level": 60, "one_sided": 4_292, "no_effect": 11_969}
    rest = ["ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence"]
    assert whole.events.select(rest).equals(built.events.select(rest))


# --- archives and folders ---------------------------------------------------------------------------------------------


def packed(path, members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
            for name, content in members.items():
                z.writestr(name, content)
    else:
        with py7zr.SevenZipFile(path, "w") as z:
            for name, content in members.items():
                z.writestr(content, name)
    return path


def days(*numbers, books=True):
    members = {}
    for day in numbers:
        members[f"some/folder/{NAME.format(day, 'message', 1)}"] = "\n".join(MESSAGES) + "\n"
        if books:
            members[f"some/folder/{NAME.format(day, 'orderbook', 1)}"] = "\n".join(BOOKS) + "\n"
    return members | {"readme.txt": "nothing"}


@pytest.mark.parametrize("suffix", ["zip", "7z"])
@pytest.mark.parametrize("at_once", [1 << 30, 1])
def test_archives_of_days_give_what_their_files_give(tmp_path, monkeypatch, suffix, at_once):
    monkeypatch.setattr(lobster, "_MAX_BATCH_BYTES", at_once)
    path = packed(tmp_path / f"days.{suffix}", days(22, 21))
    (plain,) = read(pair(tmp_path))
    first, second = read(path)
    assert (first.date, second.date) == ("2012-06-21", "2012-06-22")
    assert first.events.equals(plain.events)
    assert first.digest == plain.digest
    alone = read(packed(tmp_path / f"messages.{suffix}", days(21, 22, books=False)))
    assert ["built from messages" in s.quality.notes[0] for s in alone] == [True, True]
    assert not list(tmp_path.glob("**/some"))  # nothing is unpacked to disk


@pytest.mark.parametrize("suffix", ["zip", "7z"])
@pytest.mark.slow
def test_damaged_archives(tmp_path, suffix):
    path = tmp_path / f"days.{suffix}"
    members = days(21)
    with pytest.raises(DataError, match=r"contains ABC.*message_1\.csv, but not ABC.*orderbook_1\.csv"):
        read(packed(path, days(21) | {NAME.format(22, "message", 1): "x"}))
    with pytest.raises(DataError, match="contains no LOBSTER message file"):
        read(packed(path, {"readme.txt": "x"}))
    with pytest.raises(DataError, match=r"two files named ABC.*message_1\.csv"):
        read(packed(path, members | {NAME.format(21, "message", 1): "x"}))
    good = packed(tmp_path / f"good.{suffix}", members).read_bytes()
    rng = random.Random(1)
    outcomes = set()
    for trial in range(150):
        content = bytearray(good)
        if trial % 3 == 0:
            content = content[: rng.randrange(len(content))]
        else:
            for _ in range(rng.choice([1, 1, 8])):
                content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            (s,) = read(path)
            assert s.events.height == len(MESSAGES)
            outcomes.add("read")
        except DataError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("suffix", ["zip", "7z"])
def test_a_file_that_grows_without_end_is_stopped(tmp_path, monkeypatch, suffix):
    path = packed(tmp_path / f"bomb.{suffix}", {NAME.format(21, "message", 1): "0" * 3_000_000})
    monkeypatch.setattr(archive, "MAX_MEMBER", 1_000_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        archive.read_files(Blob(path.name, path.read_bytes()), [NAME.format(21, "message", 1)])


def test_without_the_package_a_7z_says_what_to_do(tmp_path, monkeypatch):
    path = packed(tmp_path / "days.7z", days(21))
    monkeypatch.setitem(sys.modules, "py7zr", None)
    with pytest.raises(DataError, match=r"pip install 'ofiml\[7z\]', or unpack it"):
        read(path)


def test_a_folder_of_days(tmp_path):
    folder = tmp_path / "days"
    folder.mkdir()
    pair(folder, 21)
    packed(folder / "more.7z", days(25))
    messages(folder, MESSAGES, 1, 22)
    (folder / "readme.txt").write_text("nothing")
    assert [(s.date, bool(s.quality.notes)) for s in read(folder)] == [
        ("2012-06-21", False),
        ("2012-06-22", True),
        ("2012-06-25", False),
    ]
    (folder / NAME.format(26, "orderbook", 1)).write_text("\n".join(BOOKS))
    with pytest.raises(DataError, match=r"06-26.*add its message file"):
        read(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match="matches no file"):
        read(empty)
    (empty / "readme.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"readme\.txt: give the zip, the 7z"):
        read(empty)


@pytest.mark.parametrize("date", ["2012-06-21", "2012-07-04", "2012-07-07"])  # a session, a holiday, a Saturday
def test_hours_that_were_asked_for_hold_on_any_day(tmp_path, date):
    path = tmp_path / f"ABC_{date}_34200000_57600000_message_1.csv"
    path.write_text("".join(f"{s},1,{s},100,2000000,1\n" for s in (34200, 36000, 39600, 50000)))

    def asked(hours):
        (s,) = (s for source in list_sources(file_dataset("lobster", path, hours=hours)) for s in source())
        return [str(np.datetime64(t, "ns"))[:16] for t in (s.open, s.close)], s.quality.used, s.quality.dropped

    assert asked(["10:00", "11:00"]) == ([f"{date}T14:00", f"{date}T15:00"], 2, {"outside_hours": 2})
    # The file's own hours are the widest that there are.
    assert asked(["08:00", "12:00"]) == ([f"{date}T13:30", f"{date}T16:00"], 3, {"outside_hours": 1})
    assert asked("regular") == asked("all") == ([f"{date}T13:30", f"{date}T20:00"], 4, {})
    with pytest.raises(DataError, match=rf"within the session's hours, {date} 15:30:00 to 15:45:00 UTC"):
        asked(["11:30", "11:45"])
    with pytest.raises(DataError, match="no events within a session; its events span"):
        asked(["17:00", "18:00"])


@pytest.mark.parametrize("cell", ["0", "-100", "-9999999999"])
def test_a_price_at_or_below_zero_is_refused(tmp_path, cell):
    messages = [f"{34200 + i}.5,1,{i + 1},100,{1000000 + 100 * i},1" for i in range(4)]
    books = [f"1001000,10,{1000000 + 100 * i},5" for i in range(4)]
    books[2] = f"{cell},0,1000200,5"
    for kind, lines in (("message", messages), ("orderbook", books)):
        (tmp_path / f"X_2012-06-21_34200000_57600000_{kind}_1.csv").write_text("\n".join(lines) + "\n")
    error = rf"line 3, column ask_px_00: '{cell}' cannot be read.*Prices of shares are above 0.* 9999999999 on this"
    with pytest.raises(DataError, match=error):
        list(list_sources(file_dataset("lobster", tmp_path))[0]())
