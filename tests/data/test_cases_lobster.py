"""LOBSTER's files as people keep them: packed, with header lines, with one row of the book."""

import csv
import gzip
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_readers import BOOKS, MESSAGES
from tests.golden.test_aapl import file_dataset

CASES = Path(__file__).parents[1] / "cases"
NAME = "TST_2012-06-21_34200000_57600000_{}_1.csv"
MESSAGE, BOOK = NAME.format("message"), NAME.format("orderbook")


def read(path, **settings):
    return [s for source in list_sources(file_dataset("lobster", path, hours="regular", **settings)) for s in source()]


def table(path):
    """The numbers of a file, without its header, by the csv module of Python."""
    content = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    rows = [row for row in csv.reader(io.StringIO(content)) if row[0][0].isdigit()]
    return np.array(rows, float)


def assert_equals_files(session, folder, suffix=""):
    messages, books = table(folder / (MESSAGE + suffix)), table(folder / (BOOK + suffix))
    e = session.events
    assert session.quality.dropped == {}
    assert session.quality.notes == []
    assert e.height == len(messages) == len(books)
    midnight = np.datetime64("2012-06-21T04:00:00", "ns").astype(np.int64)
    assert e["ts_recv"].to_physical().to_list() == [midnight + round(t * 1e9) for t in messages[:, 0]]
    assert (e["price"].to_numpy() == messages[:, 4] * 100_000).all()
    assert (e["size"].to_numpy() == messages[:, 3]).all()
    for column, name, scale in ((0, "ask_px", 100_000), (1, "ask_sz", 1), (2, "bid_px", 100_000), (3, "bid_sz", 1)):
        assert (e[f"{name}_00"].to_numpy() == books[:, column] * scale).all()


# --- packed -----------------------------------------------------------------------------------------------------------


def test_a_packed_pair():
    folder = CASES / "026-lobster-csv-gz"
    for given in (folder / (MESSAGE + ".gz"), folder, f"{folder}/*.csv.gz"):
        (s,) = read(given)
        assert_equals_files(s, folder, ".gz")


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr(name, content)
    return buffer.getvalue()


PACKS = {
    ".csv": lambda _, content: content,
    ".csv.gz": lambda _, content: gzip.compress(content),
    ".csv.zst": lambda _, content: pa.compress(content, "zstd", asbytes=True),
    ".csv.zip": zipped,
    ".zip": zipped,
}


@pytest.mark.parametrize("message_suffix", slow_but_each(3, PACKS))
@pytest.mark.parametrize("book_suffix", PACKS)
def test_each_file_may_be_packed_in_its_own_way(tmp_path, message_suffix, book_suffix):
    for name, lines, suffix in ((MESSAGE, MESSAGES, message_suffix), (BOOK, BOOKS, book_suffix)):
        content = ("\n".join(lines) + "\n").encode()
        path = tmp_path / name.replace(".csv", suffix)
        path.write_bytes(PACKS[suffix](name, content))
        (tmp_path / "plain").mkdir(exist_ok=True)
        (tmp_path / "plain" / name).write_bytes(content)
    (plain,) = read(tmp_path / "plain")
    (s,) = read(tmp_path / MESSAGE.replace(".csv", message_suffix))
    assert s.events.equals(plain.events)
    assert s.digest == plain.digest
    assert s.quality == plain.quality


def test_packed_files_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as z:
        for name, lines in ((MESSAGE, MESSAGES), (BOOK, BOOKS)):
            z.writestr(name + ".gz", gzip.compress(("\n".join(lines) + "\n").encode()))
    (s,) = read(tmp_path / "day.zip")
    assert s.events.height == len(MESSAGES)
    assert s.quality.notes == []


def test_packed_files_that_are_damaged_or_alone(tmp_path):
    content = gzip.compress(("\n".join(MESSAGES) + "\n").encode())
    (tmp_path / (MESSAGE + ".gz")).write_bytes(content[:-9])
    with pytest.raises(DataError, match=r"message_1\.csv\.gz is cut short or damaged"):
        read(tmp_path / (MESSAGE + ".gz"))
    (tmp_path / (MESSAGE + ".gz")).unlink()
    (tmp_path / (BOOK + ".gz")).write_bytes(content)
    with pytest.raises(DataError, match=r"orderbook_1\.csv\.gz: add its message file, .*message_1\.csv\.gz"):
        read(tmp_path / (BOOK + ".gz"))
    (tmp_path / "TST_message_1.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"the name must be SYMBOL_YYYY.*\.csv\.gz"):
        read(tmp_path / "TST_message_1.csv.gz")


# --- header lines -----------------------------------------------------------------------------------------------------


def test_a_pair_with_header_lines():
    folder = CASES / "027-lobster-with-header"
    (s,) = read(folder / MESSAGE)
    assert_equals_files(s, folder)


def write(folder, messages, books):
    (folder / MESSAGE).write_text("\n".join(messages) + "\n")
    (folder / BOOK).write_text("\n".join(books) + "\n")
    return folder / MESSAGE


def with_index(header, lines):
    return [header, *(f"{i},{line}" for i, line in enumerate(lines))]


@pytest.mark.parametrize(
    ("message_header", "book_header"),
    [
        ("Time,Type,OrderID,Size,Price,Direction", "AskPrice1,AskSize1,BidPrice1,BidSize1"),
        ('"Time","EventType","Order ID","Size","Price","Direction"', '"ASKp1","ASKs1","BIDp1","BIDs1"'),
        ("timestamp,event_type,order_id,volume,price,side", "ask_price_1,ask_volume_1,bid_price_1,bid_volume_1"),
        ("0,1,2,3,4,5", "0,1,2,3"),
        ("V1,V2,V3,V4,V5,V6", "V1,V2,V3,V4"),
        ("column_1,column_2,column_3,column_4,column_5,column_6", "column_1,column_2,column_3,column_4"),
        (None, "asks[0].price,asks[0].size,bids[0].price,bids[0].size"),
        ("Time,Type,OrderID,Size,Price,Direction", None),
    ],
)
def test_header_lines_of_many_kinds(tmp_path, message_header, book_header):
    (plain,) = read(write(tmp_path, MESSAGES, BOOKS))
    messages, books = ([h] * (h is not None) + lines for h, lines in ((message_header, MESSAGES), (book_header, BOOKS)))
    (s,) = read(write(tmp_path, messages, books))
    columns = [c for c in s.events.columns if c != "sequence"]  # the sequence is the line
    assert s.events.select(columns).equals(plain.events.select(columns))
    assert s.quality == plain.quality


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "index", '""'])
@pytest.mark.parametrize("names", ["Time,Type,OrderID,Size,Price,Direction", "0,1,2,3,4,5", "V1,V2,V3,V4,V5,V6"])
def test_an_added_index_is_no_column(tmp_path, index, names):
    (plain,) = read(write(tmp_path, MESSAGES, BOOKS))
    (s,) = read(write(tmp_path, with_index(f"{index},{names}", MESSAGES), BOOKS))
    assert s.events.drop("sequence").equals(plain.events.drop("sequence"))


def test_columns_in_another_order(tmp_path):
    (plain,) = read(write(tmp_path, MESSAGES, BOOKS))
    swapped = [",".join(line.split(",")[i] for i in (5, 0, 4, 1, 3, 2)) for line in MESSAGES]
    books = [",".join(line.split(",")[i] for i in (2, 3, 0, 1)) for line in BOOKS]
    header = "Direction,Time,Price,Type,Size,OrderID"
    (s,) = read(write(tmp_path, [header, *swapped], ["BidPrice1,BidSize1,AskPrice1,AskSize1", *books]))
    assert s.events.drop("sequence").equals(plain.events.drop("sequence"))


@pytest.mark.parametrize(
    ("messages", "books", "sentence"),
    [
        (
            "Time,Kind,OrderID,Size,Price,Direction",
            None,
            r"message_1\.csv, line 1: a header with no column for the type",
        ),
        ("Time,Type,Type,Size,Price,Direction", None, "more than one column for the type"),
        ("Time,Type,OrderID,Size,Volume,Direction", None, r"more than one column for the size"),
        (None, "AskPrice1,AskSize1,BidPrice1,Extra", r"orderbook_1\.csv, line 1: 3 columns, a multiple of 4"),
        (None, "AskPrice1,AskSize1,BidPrice1,BidPrice1", "a header that does not name price and size"),
        (None, "AskPrice1,AskSize1,BidPrice2,BidSize2", "a header that does not name price and size"),
    ],
)
def test_headers_that_do_not_tell_the_columns(tmp_path, messages, books, sentence):
    lines = [[h] * (h is not None) + rest for h, rest in ((messages, MESSAGES), (books, BOOKS))]
    with pytest.raises(DataError, match=sentence):
        read(write(tmp_path, *lines))


def test_a_damaged_first_row_is_no_header(tmp_path):
    first, *rest = MESSAGES
    for cell in ("x", "", "nan"):
        damaged = ",".join([cell, *first.split(",")[1:]])
        with pytest.raises(DataError, match="line 1, column time"):
            read(write(tmp_path, [damaged, *rest], BOOKS))


def test_lines_are_counted_with_the_header(tmp_path):
    header = "Time,Type,OrderID,Size,Price,Direction"
    damaged = [header, MESSAGES[0], MESSAGES[1].replace(",", ",x", 1), *MESSAGES[2:]]
    with pytest.raises(DataError, match=r"line 3, column type: 'x\d+' cannot be read"):
        read(write(tmp_path, damaged, BOOKS))


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_whole_numbers_in_any_notation():
    """1e+06 is the price 1,000,000, and 1e+05 a size."""
    folder = CASES / "050-whole-numbers-as-R-and-pandas-write-them"
    assert "1e+06" in (folder / MESSAGE).read_text()
    (s,) = read(folder / MESSAGE)
    assert_equals_files(s, folder)


def test_times_of_more_than_nine_decimals(tmp_path):
    times = ["34201.632812672004", "34202.6328126720", "34203.999999999600", "34205"]
    lines = [f"{t},1,{i},100,2000000,1" for i, t in enumerate(times)]
    path = tmp_path / NAME.format("message")
    path.write_text("\n".join(lines) + "\n")
    (s,) = read(path)
    midnight = np.datetime64("2012-06-21T04:00:00", "ns").astype(np.int64)
    ns = [34201632812672, 34202632812672, 34204000000000, 34205000000000]
    assert s.events["ts_recv"].to_physical().to_list() == [midnight + t for t in ns]


# --- the first row of the book ----------------------------------------------------------------------------------------


def test_the_book_from_its_first_row(tmp_path):
    path = tmp_path / "ABC_2012-06-21_34200000_57600000_message_2.csv"
    path.write_text("\n".join([
        "34201,1,11,100,2000000,1",  # the row is the book after this message
        "34202,4,77,10,2000200,-1",  # an order of before: 30 of the 40 are left
        "34203,3,78,30,2000200,-1",
        "34204,1,12,5,2000100,1",
        "34205,2,11,60,2000000,1",   # 150 - 60
        "34206,3,79,90,2000000,1",   # all of the level
        "34207,3,80,1,1999000,1",    # below the row's levels: unknown
    ]) + "\n")  # fmt: skip
    book = tmp_path / "ABC_2012-06-21_34200000_57600000_orderbook_2.csv"
    book.write_text("2000200,40,2000000,150,2000300,7,1999900,20\n")
    (s,) = read(path)
    rows = s.events.select("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00", "bid_px_01", "bid_sz_01").rows()
    unit = 100_000
    assert rows == [
        (2000000 * unit, 150, 2000200 * unit, 40, 1999900 * unit, 20),
        (2000000 * unit, 150, 2000200 * unit, 30, 1999900 * unit, 20),
        (2000000 * unit, 150, 2000300 * unit, 7, 1999900 * unit, 20),
        (2000100 * unit, 5, 2000300 * unit, 7, 2000000 * unit, 150),
        (2000100 * unit, 5, 2000300 * unit, 7, 2000000 * unit, 90),
        (2000100 * unit, 5, 2000300 * unit, 7, None, None),
        (2000100 * unit, 5, 2000300 * unit, 7, None, None),
    ]
    assert s.quality.kept["unknown_order"] == 1
    assert s.quality.rows == s.quality.used == 7
    assert "orderbook file's only row" in s.quality.notes[0]
    (top,) = read(path, levels=1)
    assert top.events["bid_px_00"].equals(s.events["bid_px_00"])
    book.write_text("2000200,x,2000000,150,2000300,7,1999900,20\n")
    with pytest.raises(DataError, match=r"orderbook_2\.csv, line 1, column ask_sz_00: 'x' cannot be read"):
        read(path)
    book.write_text("2000200,40,2000000,150,2000300,7,1999900,20\n" * 2)
    with pytest.raises(DataError, match=r"message_2\.csv has 7 rows, .*orderbook_2\.csv has 2 rows: one is cut short"):
        read(path)


def test_fifty_levels_from_the_first_row_equal_a_plain_book(tmp_path):
    """Messages within the 50 levels of the first row, about old orders and new ones, against sizes in dicts."""
    rng = random.Random(5)
    book = {1: {999_900 - 100 * i: rng.randint(50, 90) for i in range(50)},
            -1: {1_000_100 + 100 * i: rng.randint(50, 90) for i in range(50)}}  # fmt: skip
    stated = [cell for i in range(50) for cell in (1_000_100 + 100 * i, book[-1][1_000_100 + 100 * i],
                                                   999_900 - 100 * i, book[1][999_900 - 100 * i])]  # fmt: skip
    lines, expected, own = ["34200.5,5,0,1,1000000,1"], [], []
    for i in range(2_000):
        if len(expected) == 0:
            expected.append({side: dict(levels) for side, levels in book.items()})
        side = rng.choice([1, -1])
        price = rng.choice(sorted(book[side], reverse=side == 1)[:45])
        if own and rng.random() < 0.3:
            side, price, size, order = own.pop(rng.randrange(len(own)))
            kind = 3
            book[side][price] -= size
        elif rng.random() < 0.6 or book[side][price] < 40:
            kind, size, order = 1, rng.randint(1, 9), 10_000 + i
            book[side][price] += size
            own.append((side, price, size, order))
        else:  # of an order from before the first message
            kind, size, order = rng.choice([2, 3]), 1, 5_000 + i
            old = book[side][price] - sum(s for d, p, s, _ in own if (d, p) == (side, price))
            if old < 2:
                continue
            book[side][price] -= size
        lines.append(f"{34201 + i},{kind},{order},{size},{price},{side}")
        expected.append({s: dict(levels) for s, levels in book.items()})
    path = tmp_path / "ABC_2012-06-21_34200000_57600000_message_50.csv"
    path.write_text("\n".join(lines) + "\n")
    path.with_name(path.name.replace("message", "orderbook")).write_text(",".join(map(str, stated)) + "\n")
    (s,) = read(path)
    assert s.levels == 50
    for row, at in enumerate(expected):
        if row % 97 == 0 or row == len(expected) - 1:
            for side, name in ((1, "bid"), (-1, "ask")):
                prices = sorted((p for p, q in at[side].items() if q), reverse=side == 1)
                shown = s.events.row(row, named=True)
                assert [shown[f"{name}_px_{m:02d}"] for m in range(45)] == [p * 100_000 for p in prices[:45]]
                assert [shown[f"{name}_sz_{m:02d}"] for m in range(45)] == [at[side][p] for p in prices[:45]]
    assert s.quality.kept.get("unknown_order", 0) == 0


def test_fifty_levels_with_a_row_for_each_message(tmp_path):
    """The hour that LOBSTER's samples of 50 levels have, with levels that are missing."""
    path = tmp_path / "ABC_2012-06-21_34200000_37800000_message_50.csv"
    path.write_text("34201,1,1,100,2000000,1\n34202,1,2,50,2000300,-1\n")
    empty = ["9999999999,0,-9999999999,0"]
    rows = [
        ",".join(["9999999999,0,2000000,100", *empty * 49]),
        ",".join(["2000300,50,2000000,100", *empty * 49]),
    ]
    path.with_name(path.name.replace("message", "orderbook")).write_text("\n".join(rows) + "\n")
    (s,) = read(path)
    assert (s.levels, str(s.events["ts_recv"].dtype)) == (50, str(pl.Datetime("ns", "UTC")))
    assert s.events.select("bid_px_00", "ask_px_00", "ask_sz_00", "bid_px_49").rows() == [
        (200_000_000_000, None, None, None),
        (200_000_000_000, 200_030_000_000, 50, None),
    ]
