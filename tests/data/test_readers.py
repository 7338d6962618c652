"""Readers: what the real files hold, and one clear sentence, or a counted drop, for every kind of damage."""

import zipfile
from dataclasses import fields
from importlib import import_module

import pytest

from ofiml.config import Policy
from ofiml.data.readers import READERS, Deferred
from ofiml.data.schema import F_LAST, F_SNAPSHOT, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.golden.test_aapl import file_dataset

HEADER = "ts_recv,ts_event,action,side,price,size,flags,sequence,bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,symbol"
GOOD = "2024-10-21T14:00:0{0}.000000001Z,2024-10-21T14:00:0{0}Z,A,B,10.01,5,128,{0},10.01,10.03,5,7,X"
DROP = Policy(**{f.name: "drop" for f in fields(Policy) if getattr(Policy(), f.name) == "raise"})


def read(path, name="databento", **settings):
    return [s for source in list_sources(file_dataset(name, path, **settings)) for s in source()]


def csv(tmp_path, *lines, header=HEADER):
    path = tmp_path / "book.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def good(i):
    return GOOD.format(i)


def with_cell(i, column, value):
    cells = good(i).split(",")
    cells[HEADER.split(",").index(column)] = value
    return ",".join(cells)


def test_the_functions_of_every_reader_exist():
    """They are named in the record, and imported with the first call only."""
    for reader in READERS.load_all().values():
        chain = reader.chain
        functions = [reader.read_feeds, *([] if chain is None else [chain.read, chain.begins_anew])]
        for function in functions:
            if isinstance(function, Deferred):
                assert callable(getattr(import_module(function.module), function.name))


# --- Databento -------------------------------------------------------------------------------------------------------


def test_real_aapl(data):
    (s,) = read(data("databento/aapl_20241021_mbp10.csv"))
    assert (s.symbol, s.date, s.levels, s.events.height, s.quality.dropped) == ("AAPL", "2024-10-21", 10, 5000, {})
    assert s.events.schema == make_schema(10)
    first = s.events.row(0, named=True)
    assert (first["bid_px_00"], first["ask_px_00"], first["ask_sz_09"]) == (233_670_000_000, 233_740_000_000, 400)
    assert s.events["ts_recv"].to_physical()[0] == 1_729_511_669_221_230_963
    assert s.events["sequence"].is_sorted()  # feed order is kept


def test_real_arl_has_missing_levels_and_other_columns(data):
    (s,) = read(data("databento/arl_20250717_mbp10.csv"))
    missing = sum(s.events[f"{side}_px_{m:02d}"].null_count() > 0 for m in range(10) for side in ("bid", "ask"))
    assert s.events.height == 3928
    assert missing > 0
    for m in range(10):
        for side in ("bid", "ask"):
            px, sz = s.events[f"{side}_px_{m:02d}"], s.events[f"{side}_sz_{m:02d}"]
            assert (px.is_null() == sz.is_null()).all()


def test_the_damaged_cell_is_named(data):
    path = data("databento/aapl_20241021_mbp10_corrupt.csv")
    with pytest.raises(DataError, match=r"line 22, column bid_px_02: '2 33\.53' .*dataset\.policy\.unreadable=drop"):
        read(path)
    (s,) = read(path, policy=DROP)
    assert (s.events.height, s.quality.dropped) == (4999, {"unreadable": 1})


DAMAGE = [
    ("price_number", ("bid_px_00", "10..01"), "column bid_px_00: '10..01' cannot be read", "unreadable"),
    ("price_nan", ("ask_px_00", "nan"), "column ask_px_00: level 0 has a size, 7, and no price", "unreadable"),
    ("price_inf", ("ask_px_00", "inf"), "column ask_px_00: 'inf' cannot be read", "unreadable"),
    ("price_too_large", ("ask_px_00", "1e30"), "column ask_px_00: '1e30' cannot be read", "unreadable"),
    ("size_number", ("bid_sz_00", "5.5"), "column bid_sz_00: '5.5' cannot be read", "unreadable"),
    ("size_empty", ("bid_sz_00", ""), "column bid_sz_00: the value is missing", "unreadable"),
    ("size_huge", ("ask_sz_00", "9" * 25), "column ask_sz_00", "unreadable"),
    ("size_negative", ("ask_sz_00", "-7"), "column ask_sz_00: the size -7 is negative", "negative_size"),
    ("action", ("action", "Q"), "column action: 'Q' cannot be read", "unreadable"),
    ("time", ("ts_recv", "yesterday"), "column ts_recv: 'yesterday' cannot be read", "unreadable"),
    (
        "time_back",
        ("ts_recv", "2024-10-21T14:00:01Z"),
        "column ts_recv: the time .* is earlier than in a row before it",
        "time_reversal",
    ),
    (
        "clock",
        ("ts_event", "2024-10-22T14:00:00Z"),
        "column ts_event: .* is more than 1 s later than its receipt",
        "clock",
    ),
    ("no_size", ("bid_sz_00", "0"), "column bid_sz_00: level 0 has a price, 10010000000, and no size", "zero_size"),
    (
        "time_late",
        ("ts_recv", "2024-10-21T19:00:02Z"),
        "column ts_recv: .* is later than in the rows after it",
        "time_reversal",
    ),
    ("crossed", ("bid_px_00", "10.05"), "column bid_px_00: .*crossed", "crossed"),
    ("flags", ("flags", "300"), "column flags: '300' cannot be read", "unreadable"),
]


@pytest.mark.parametrize(
    ("cell", "message", "cause"), slow_but_each(4, [d[1:] for d in DAMAGE]), ids=[d[0] for d in DAMAGE]
)
def test_damaged_cells_are_named_or_dropped_and_counted(tmp_path, cell, message, cause):
    path = csv(tmp_path, good(1), with_cell(2, *cell), good(3), good(4))
    with pytest.raises(DataError, match=rf"book\.csv, line 3, {message}") as error:
        read(path)
    assert f"dataset.policy.{cause}=drop" in str(error.value)
    (s,) = read(path, policy=DROP)
    assert (s.events["sequence"].to_list(), s.quality.dropped) == ([1, 3, 4], {cause: 1})


def test_misshapen_files(tmp_path):
    with pytest.raises(DataError, match="column ask_sz_00 is missing"):
        read(csv(tmp_path, ",".join(good(1).split(",")[:-1]), header=HEADER.replace("ask_sz_00,", "")))
    with pytest.raises(DataError, match="line 3: 14 fields where line 1 has 13"):
        read(csv(tmp_path, good(1), good(2) + ",1"))
    with pytest.raises(DataError, match=r"line 3, column .*missing"):
        read(csv(tmp_path, good(1), good(2)[:60]))
    with pytest.raises(DataError, match="column price appears 2 times"):
        read(csv(tmp_path, good(1), header=HEADER.replace("size,", "price,", 1)))
    swapped = HEADER.replace("ts_recv,ts_event", "ts_event,ts_recv")
    with pytest.raises(DataError, match="ts_event and ts_recv are swapped"):
        read(csv(tmp_path, good(1), good(2), header=swapped))
    with pytest.raises(DataError, match="header and no rows"):
        read(csv(tmp_path))
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(DataError, match=r"empty\.csv is empty"):
        read(empty)
    noise = tmp_path / "noise.csv"
    noise.write_bytes(HEADER.encode() + b"\n" + good(1).encode().replace(b"10.03", b"\xff\xfe") + b"\n")
    with pytest.raises(DataError, match="line 2, column ask_px_00"):
        read(noise)


def two_levels(tmp_path, *levels):
    names = ("bid_px", "ask_px", "bid_sz", "ask_sz")
    header = ",".join([HEADER.split(",bid_px_00")[0], *(f"{n}_{m:02d}" for m in (0, 1) for n in names), "symbol"])
    start = good(1).split(",10.01,10.03")[0]
    return csv(tmp_path, ",".join([start, *levels, "X"]), header=header)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (("10.01,10.03,5,7", "10.02,10.04,5,7"), "column bid_px_01: level 1 at .* is not worse than level 0"),
        (("10.01,10.03,5,7", "10.00,10.03,5,7"), "column ask_px_01: level 1 at .* is not worse than level 0"),
        ((",10.03,0,7", "10.00,10.04,5,7"), "column bid_px_01: level 1 .* is not worse than level 0 at None"),
        (("10.01,10.03,5,7", ",10.04,-5,7"), "column bid_sz_01: the size -5 is negative"),
    ],
)
def test_misshapen_books(tmp_path, levels, message):
    with pytest.raises(DataError, match=message):
        read(two_levels(tmp_path, *levels))
    assert read(two_levels(tmp_path, "10.01,10.03,5,7", ",10.04,0,7"))[0].levels == 2


def test_a_missing_level_column_is_not_fewer_levels(tmp_path):
    path = two_levels(tmp_path, "10.01,10.03,5,7", "10.00,10.04,5,7")
    path.write_text(path.read_text().replace("bid_px_01", "other"))
    with pytest.raises(DataError, match="the column bid_px_01 is missing"):
        read(path)
    assert read(path, levels=1)[0].levels == 1


def test_one_damaged_cell_does_not_decide_the_format(tmp_path):
    path = csv(tmp_path, with_cell(1, "ts_recv", "0"), good(2), good(3), good(4))
    with pytest.raises(DataError, match=r"line 2, column ts_recv: '0' cannot be read \(1 such row\)"):
        read(path)


def test_raw_prices_and_times_equal_pretty_ones(tmp_path):
    (pretty,) = read(csv(tmp_path, good(1), good(2)))
    raw = [
        f"{1729519200000000001 + i * 10**9},{1729519200000000000 + i * 10**9},A,B,10010000000,5,128,{i},10010000000,"
        "10030000000,5,7,X"
        for i in (1, 2)
    ]
    (other,) = read(csv(tmp_path, *raw))
    assert pretty.events.equals(other.events)
    undefined = raw[0].replace("10030000000,5,7", f"{2**63 - 1},5,0")
    (one_sided,) = read(csv(tmp_path, undefined, raw[1]))
    assert one_sided.events["ask_px_00"].to_list() == [None, 10_030_000_000]
    assert one_sided.events["ask_sz_00"].to_list() == [None, 7]
    assert one_sided.quality.kept == {"sentinel": 1, "one_sided": 1}
    with pytest.raises(DataError, match="column ask_px_00: level 0 has a size, 7, and no price"):
        read(csv(tmp_path, raw[0].replace("10030000000", str(2**63 - 1)), raw[1]))


def test_several_symbols_are_sessions_of_their_own(tmp_path):
    path = csv(tmp_path, good(1), with_cell(2, "symbol", "Y"), good(3))
    assert [(s.symbol, s.events["sequence"].to_list()) for s in read(path)] == [("X", [1, 3]), ("Y", [2])]
    assert [s.symbol for s in read(path, symbols=["Y"])] == ["Y"]
    with pytest.raises(DataError, match="no symbol Z"):
        read(path, symbols=["Z"])


def test_hours_cut_and_count(tmp_path):
    # 14:00 UTC is 10:00 in New York in October.
    path = csv(tmp_path, good(1), with_cell(2, "ts_recv", "2024-10-21T15:30:00Z"))
    (s,) = read(path, hours=["09:30", "11:00"])
    assert s.events["sequence"].to_list() == [1]
    assert s.quality.dropped == {"outside_hours": 1}
    hours, span = r"2024-10-21 19:00:00 to 20:00:00 UTC", "2024-10-21 14:00:01 to "
    with pytest.raises(DataError, match=rf"no events within .*, {hours}; its events span {span}"):
        read(path, hours=["15:00", "16:00"])


def test_what_is_no_csv_is_named(tmp_path, data):
    with pytest.raises(DataError, match="is a zip, not a CSV: if it is LOBSTER's, use dataset=lobster"):
        read(data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip"))


def test_a_wrong_tick_is_noticed(tmp_path):
    path = csv(tmp_path, good(1), good(2))
    with pytest.raises(DataError, match=r"column bid_px_00: 10\.01 is not a multiple of dataset\.tick=0\.05"):
        read(path, tick=0.05)


def test_days_become_sessions(tmp_path):
    (first, second) = read(csv(tmp_path, good(1), with_cell(2, "ts_recv", "2024-10-22T15:00:00Z")))
    assert (first.date, second.date) == ("2024-10-21", "2024-10-22")


# --- LOBSTER ---------------------------------------------------------------------------------------------------------

NAME = "ABC_2012-06-21_34200000_57600000_{}_1.csv"
MESSAGES = [
    "34200.5,1,11,100,2000000,1",
    "34201.000000001,4,12,10,2000100,-1",
    "34300,7,0,0,-1,-1",
    "34400,1,13,5,2000000,1",
]
BOOKS = ["2000100,50,2000000,100", "2000100,40,2000000,100", "2000100,40,2000000,100", "9999999999,0,2000000,105"]


def pair(tmp_path, messages=MESSAGES, books=BOOKS):
    for kind, lines in (("message", messages), ("orderbook", books)):
        (tmp_path / NAME.format(kind)).write_text("\n".join(lines) + "\n")
    return tmp_path / NAME.format("message")


def test_lobster_rows(tmp_path):
    (s,) = read(pair(tmp_path), "lobster")
    e = s.events
    assert (s.symbol, s.date, s.levels) == ("ABC", "2012-06-21", 1)
    midnight = 1_340_251_200 * 10**9  # 2012-06-21 00:00 in New York, daylight saving
    assert e["ts_recv"].to_physical().to_list()[1] == midnight + 34_201_000_000_001
    assert (s.open, s.close) == (midnight + 34_200 * 10**9, midnight + 57_600 * 10**9)
    assert e["action"].to_list() == ["A", "T", "N", "A"]
    assert e["side"].to_list()[:2] == ["B", "B"]  # a resting ask was executed: the aggressor bought
    assert e["bid_px_00"][0] == 200_000_000_000
    assert e["ask_px_00"].to_list()[3] is None  # LOBSTER's dummy price
    assert e["flags"].to_list() == [F_LAST, F_LAST, F_LAST | F_SNAPSHOT, F_LAST]  # a halt breaks the book


def test_zip_and_pair_are_the_same(tmp_path):
    message = pair(tmp_path)
    archive = tmp_path / "day.zip"
    with zipfile.ZipFile(archive, "w") as z:
        for kind in ("message", "orderbook"):
            z.write(tmp_path / NAME.format(kind), f"folder/{NAME.format(kind)}")
    (zipped,), (plain,) = read(archive, "lobster"), read(message, "lobster")
    assert zipped.events.equals(plain.events)
    assert zipped.digest == plain.digest


def test_daylight_saving(tmp_path):
    name = NAME.replace("2012-06-21", "2012-01-20")
    for kind, lines in (("message", MESSAGES), ("orderbook", BOOKS)):
        (tmp_path / name.format(kind)).write_text("\n".join(lines))
    (winter,) = read(tmp_path / name.format("message"), "lobster")
    assert (winter.open // 10**9) % 86_400 == (9 * 60 + 30 + 5 * 60) * 60


@pytest.mark.parametrize(
    ("change", "message"),
    slow_but_each(
        3,
        [
            (lambda m, b: (m, b[:-1]), "4 rows, .* 3 rows: one is cut short"),
            (lambda m, b: ([*m[:1], "34201,4,12,x,2000100,-1", *m[2:]], b), "message_1.csv, line 2, column size: 'x'"),
            (lambda m, b: ([*m[:1], "34201,9,12,1,2000100,-1", *m[2:]], b), "line 2, column type"),
            (lambda m, b: (m, [b[0], b[1] + ",7", *b[2:]]), "line 2: 5 fields where line 1 has 4"),
            (lambda m, b: (m, [*b[:3], "2000100,4x,2000000,1"]), "orderbook_1.csv, line 4, column ask_sz_00: '4x'"),
            (lambda m, b: (m, [*b[:3], "1999900,4,2000000,1"]), "orderbook_1.csv, line 4, column bid_px_00: .*crossed"),
            (
                lambda m, b: ([*m[:3], "34000,1,13,5,2000000,1"], b),
                "line 4, column ts_recv: the time .* is earlier than in a row before it",
            ),
            (lambda m, b: (["34200.5,1,11,100,2000000,0", *m[1:]], b), "line 1, column direction: the direction 0"),
            (lambda m, b: (["34200.5,1,11,100,-5,1", *m[1:]], b), "line 1, column price: the price -5 is not positive"),
            (lambda m, b: (m, ["2000100,50,9999999999,100", *b[1:]]), "line 1, column bid_px_00: '9999999999' cannot"),
            (lambda m, b: (m, ["2000100,50,-2000000,100", *b[1:]]), "line 1, column bid_px_00: '-2000000' cannot"),
            (lambda m, b: ([*m[:3], "34400,1,13"], b), "line 4, column size: the value is missing"),
        ],
    ),
)
def test_lobster_damage(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read(pair(tmp_path, *change(list(MESSAGES), list(BOOKS))), "lobster")


def test_lobster_archives(tmp_path, data):
    path = data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"cut\.zip is damaged, locked or not a zip"):
        read(cut, "lobster")
    flipped = bytearray(path.read_bytes())
    flipped[200_000] ^= 0xFF
    cut.write_bytes(flipped)
    with pytest.raises(DataError, match=r"cut\.zip"):
        read(cut, "lobster")
    with zipfile.ZipFile(cut, "w") as z:
        z.writestr("readme.txt", "nothing")
    with pytest.raises(DataError, match="contains no LOBSTER message file"):
        read(cut, "lobster")
    with pytest.raises(DataError, match="give the zip, the 7z, the message file"):
        read(cut.rename(tmp_path / "other.csv"), "lobster")
