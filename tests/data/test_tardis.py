"""tardis.dev CSV: messages by local time, full books, trades beside, by hand; and every kind of damage."""

import gzip

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data.readers import tardis
from ofiml.data.schema import F_LAST, F_SNAPSHOT, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.golden.test_aapl import file_dataset

NAME = "binance-futures_{}_2023-11-14_BTCUSDT.csv.gz"
BOOK_HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
TRADE_HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
START = 1_700_000_000_000_000  # µs

# (local time in µs after the start, is_snapshot, side, price, amount)
ROWS = [
    (0, "false", "bid", "90.0", "1"),  # before the first full book
    (10, "true", "bid", "100.0", "1.5"),
    (10, "true", "bid", "99.9", "2"),
    (10, "true", "ask", "100.1", "3"),
    (20, "false", "bid", "100.0", "0"),
    (20, "false", "ask", "100.1", "4"),
    (30, "false", "bid", "50.0", "7"),  # on the third place
    (40, "false", "bid", "51.0", "0"),  # not there
    (50, "true", "bid", "98.0", "1"),  # a new connection: the book before is void
    (50, "true", "ask", "98.2", "1"),
    (60, "false", "ask", "98.2", "2"),
]
TRADES = [(5, "buy", "90.0", "1"), (20, "sell", "100.0", "1.5"), (55, "unknown", "98.1", "0.001")]


def book(rows=ROWS, symbol="BTCUSDT"):
    return [f"x,{symbol},{START + t - 5},{START + t},{full},{side},{p},{q}" for t, full, side, p, q in rows]


def trades(rows=TRADES, symbol="BTCUSDT"):
    return [f"x,{symbol},{START + t - 5},{START + t},{t}-a,{side},{p},{q}" for t, side, p, q in rows]


def write(folder, kind, lines, header=BOOK_HEADER, name=NAME):
    path = folder / name.format(kind)
    path.write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode()))
    return path


def read(path, *, policy=None, **other):
    asked = Policy(**({"clock": "keep"} | (policy or {})))
    market = {"calendar": "24/7", "hours": "regular", "tick": 0.1, "size_unit": 0.001}
    return [
        s for source in list_sources(file_dataset("tardis", path, policy=asked, **(market | other))) for s in source()
    ]


def best(session):
    columns = ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    rows = session.events.select("action", "ts_recv", *columns).with_columns(pl.col("ts_recv").to_physical()).rows()
    return [(a, t // 1000 - START, bp and bp / 1e9, bs, ap and ap / 1e9, az) for a, t, bp, bs, ap, az in rows]


EXPECTED = [
    ("M", 10, 100.0, 1500, 100.1, 3000),
    ("T", 20, 100.0, 1500, 100.1, 3000),  # before the book that it led to
    ("M", 20, 99.9, 2000, 100.1, 4000),
    ("M", 30, 99.9, 2000, 100.1, 4000),
    ("M", 50, 98.0, 1000, 98.2, 1000),
    ("T", 55, 98.0, 1000, 98.2, 1000),
    ("M", 60, 98.0, 1000, 98.2, 2000),
]


def test_increments_with_their_trades(tmp_path):
    path = write(tmp_path, "incremental_book_L2", book())
    write(tmp_path, "trades", trades(), TRADE_HEADER)
    for given in (path, tmp_path / "*.csv.gz"):
        (s,) = read(given)
        assert best(s) == EXPECTED
    assert (s.symbol, s.date, s.levels, s.events.schema) == ("BTCUSDT", "2023-11-14", 10, make_schema(10))
    assert s.events["side"].to_list() == ["N", "A", "A", "B", "N", "N", "A"]
    assert s.events["price"].to_list()[1:3] == [100_000_000_000, 100_100_000_000]
    assert s.events["price"].to_list()[4] is None
    stated = F_LAST | F_SNAPSHOT
    assert s.events["flags"].to_list() == [stated, F_LAST, F_LAST, F_LAST, stated, F_LAST, F_LAST]
    assert s.events["ts_event"].to_physical().to_list()[0] == (START + 5) * 1000
    assert s.events["bid_px_02"].to_list()[3] is None
    assert s.events["bid_px_01"].to_list()[3] == 50_000_000_000
    assert s.quality.rows == len(ROWS) + len(TRADES)
    assert s.quality.dropped == {"no_snapshot": 2}  # the change and the trade before the first full book
    assert s.quality.kept == {"unknown_order": 1}
    assert s.quality.notes == []


def test_increments_alone_and_under_another_name(tmp_path):
    (s,) = read(write(tmp_path, "", book(), name="btc{}.csv.gz"))
    assert best(s) == [row for row in EXPECTED if row[0] == "M"]


def test_the_rows_of_before_are_kept_or_refused(tmp_path):
    path = write(tmp_path, "incremental_book_L2", book())
    (s,) = read(path, policy={"no_snapshot": "keep"})
    assert best(s)[0] == ("M", 10, 100.0, 1500, 100.1, 3000)  # the bid at 90.0 alone is not known to be the best
    assert s.events["bid_px_01"].to_list()[0] == 99_900_000_000  # 90.0 went with the full book
    assert s.quality.kept["no_snapshot"] == 1
    with pytest.raises(DataError, match=r"line 2: a change before the first full book .1 such row.*no_snapshot=drop"):
        read(path, policy={"no_snapshot": "raise"})
    with pytest.raises(DataError, match=r"contains no full book .is_snapshot.*never show both best prices"):
        read(write(tmp_path, "incremental_book_L2", book(ROWS[4:8])))


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_without_a_full_book_levels_are_unknown_until_they_are_set(tmp_path, policy):
    rows = [
        (0, "false", "bid", "100.0", "1"),
        (1, "false", "ask", "100.3", "2"),  # an ask at 100.1 may rest
        (2, "false", "ask", "100.1", "3"),
        (3, "false", "ask", "100.2", "0"),  # so 100.3 is the second ask
        (4, "false", "bid", "100.0", "0"),  # the next bid is not known
    ]
    (s,) = read(write(tmp_path, "incremental_book_L2", book(rows)), policy={"no_snapshot": policy})
    assert best(s) == [
        ("M", 2, 100.0, 1000, 100.1, 3000),
        ("M", 3, 100.0, 1000, 100.1, 3000),
        ("M", 4, None, None, 100.1, 3000),
    ]
    assert s.events["ask_px_01"].to_list() == [None, 100_300_000_000, 100_300_000_000]
    assert ((s.events["flags"] & F_SNAPSHOT) != 0).all()


def test_full_books_in_a_row_are_one_and_it_is_said(tmp_path):
    rows = [(10, "true", "bid", "100.0", "1"), (11, "true", "ask", "100.1", "1"), (12, "false", "bid", "100.0", "2")]
    path = write(tmp_path, "incremental_book_L2", book(rows))
    write(tmp_path, "trades", trades([(11, "buy", "100.1", "1"), (12, "buy", "100.1", "1")]), TRADE_HEADER)
    (s,) = read(path, policy={"no_snapshot": "keep"})
    assert best(s) == [
        ("T", 11, None, None, None, None),  # half a book is none
        ("M", 11, 100.0, 1000, 100.1, 1000),
        ("T", 12, 100.0, 1000, 100.1, 1000),
        ("M", 12, 100.0, 2000, 100.1, 1000),
    ]
    assert s.quality.notes == ["consecutive full books with different local times, treated as parts of one: 1"]


def test_two_symbols_do_not_mix(tmp_path):
    one, other = book(), book(symbol="ETHUSDT")
    lines = [line for pair in zip(one, other, strict=True) for line in pair]
    path = write(tmp_path, "incremental_book_L2", lines, name="x_{}_2023-11-14_PERPETUALS.csv.gz")
    write(tmp_path, "trades", trades(symbol="ETHUSDT"), TRADE_HEADER, name="x_{}_2023-11-14_PERPETUALS.csv.gz")
    first, second = read(path)
    assert [s.symbol for s in (first, second)] == ["BTCUSDT", "ETHUSDT"]
    assert best(first) == [row for row in EXPECTED if row[0] == "M"]
    assert best(second) == EXPECTED
    assert [s.symbol for s in read(path, symbols=["ETHUSDT"])] == ["ETHUSDT"]
    write(tmp_path, "trades", trades(symbol="SOL"), TRADE_HEADER, name="x_{}_2023-11-14_PERPETUALS.csv.gz")
    with pytest.raises(DataError, match=r"contains trades of SOL, but .* does not contain its book"):
        read(path)


SNAPSHOT_HEADER = "exchange,symbol,timestamp,local_timestamp," + ",".join(
    f"{side}s[{m}].{what}" for m in range(5) for side in ("ask", "bid") for what in ("price", "amount")
)


def snapshot(t, *levels):
    cells = [cell for level in levels for cell in level] + [""] * (20 - 4 * len(levels))
    return ",".join(["x", "BTCUSDT", str(START + t - 5), str(START + t), *cells])


def test_a_book_with_each_row(tmp_path):
    lines = [
        snapshot(10, ("100.1", "3", "100.0", "1.5"), ("100.2", "1", "99.9", "2")),
        snapshot(20, ("100.1", "4", "99.9", "2")),
        snapshot(50, ("98.2", "1", "", "")),
    ]
    path = write(tmp_path, "book_snapshot_5", lines, SNAPSHOT_HEADER)
    write(tmp_path, "trades", trades(), TRADE_HEADER)
    (s,) = read(path)
    assert best(s) == [
        *EXPECTED[:3],
        ("M", 50, None, None, 98.2, 1000),
        ("T", 55, None, None, 98.2, 1000),
    ]
    assert s.levels == 5
    assert s.events["bid_px_01"].to_list() == [99_900_000_000, 99_900_000_000, None, None, None]
    assert set(s.events["flags"]) == {F_LAST}
    assert s.quality.dropped == {"no_snapshot": 1}
    assert read(path, levels=1)[0].levels == 1
    with pytest.raises(DataError, match=r"has 5 levels: set dataset\.levels=5"):
        read(path, levels=25)
    (s,) = read(path, policy={"no_snapshot": "keep"})
    assert best(s)[0] == ("T", 5, None, None, None, None)


def test_files_that_do_not_go_together(tmp_path):
    path = write(tmp_path, "trades", trades(), TRADE_HEADER)
    with pytest.raises(DataError, match="contains only trades: add the book"):
        read(path)
    with pytest.raises(DataError, match="line 1: trades without a book"):
        read(path.rename(tmp_path / "other.csv.gz"))
    write(tmp_path, "incremental_book_L2", book())
    write(tmp_path, "book_snapshot_5", [snapshot(10)], SNAPSHOT_HEADER)
    with pytest.raises(DataError, match="contain the same book: choose one"):
        read(tmp_path / "binance*.gz")
    days = [tmp_path / f"a_incremental_book_L2_2023-11-1{d}_X_Y.csv.gz" for d in (4, 5)]
    assert tardis.group_files(days) == [[d] for d in days]


def cells(line, **changes):
    names = BOOK_HEADER.split(",")
    return ",".join(changes.get(name, value) for name, value in zip(names, line.split(","), strict=True))


DAMAGE = [
    ({"price": "1oo"}, "column price: '1oo' cannot be read", "unreadable"),
    ({"price": ""}, "column price: the value is missing", "unreadable"),
    ({"price": "nan"}, "column price: 'nan' cannot be read", "unreadable"),
    ({"price": "1e300"}, "column price: '1e300' cannot be read", "unreadable"),
    ({"amount": "0.0005"}, "column amount: '0.0005' cannot be read", "unreadable"),
    ({"amount": "-1"}, "column amount: the size -1000 is negative", "negative_size"),
    ({"side": "buy"}, "column side: 'buy' cannot be read", "unreadable"),
    ({"is_snapshot": "maybe"}, "column is_snapshot: 'maybe' cannot be read", "unreadable"),
    ({"local_timestamp": "2023-11-14"}, "column local_timestamp: '2023-11-14' cannot be read", "unreadable"),
    ({"local_timestamp": "9" * 18}, "column local_timestamp: '9+' cannot be read", "unreadable"),
    ({"timestamp": "-1"}, "column timestamp: '-1' cannot be read", "unreadable"),
    ({"symbol": ""}, "column symbol: the value is missing", "unreadable"),
    (
        {"local_timestamp": str(START)},
        "column ts_recv: the time .* is earlier than in a row before it",
        "time_reversal",
    ),
]


@pytest.mark.parametrize(("change", "what", "cause"), slow_but_each(4, DAMAGE))
def test_damage_is_named_or_dropped_and_counted(tmp_path, change, what, cause):
    lines = book(ROWS[1:])
    lines[-1] = cells(lines[-1], **change)
    path = write(tmp_path, "incremental_book_L2", lines)
    with pytest.raises(DataError, match=rf"BTCUSDT\.csv\.gz, line 11, {what}.*dataset\.policy\.{cause}=drop"):
        read(path)
    (s,) = read(path, policy={cause: "drop"})
    assert s.quality.dropped == {cause: 1}
    assert best(s) == [row for row in EXPECTED if row[0] == "M"][:-1]


def test_damaged_trades_name_their_own_file(tmp_path):
    path = write(tmp_path, "incremental_book_L2", book())
    for rows, what in (
        ([(20, "sold", "100.0", "1")], "column side: 'sold' cannot be read"),
        ([(20, "sell", "100.0", "1"), (15, "sell", "100.0", "1")], "the time .* is earlier than in a row before it"),
    ):
        write(tmp_path, "trades", trades(rows), TRADE_HEADER)
        with pytest.raises(DataError, match=rf"_trades_2023-11-14_BTCUSDT\.csv\.gz, line [23], .*{what}"):
            read(path)


def test_misshapen_files(tmp_path):
    with pytest.raises(DataError, match="the column local_timestamp is missing"):
        read(write(tmp_path, "incremental_book_L2", book(), BOOK_HEADER.replace("local_timestamp", "received")))
    with pytest.raises(DataError, match="columns without a book"):
        read(write(tmp_path, "incremental_book_L2", ["1,2"], "a,b"))
    with pytest.raises(DataError, match="header and no rows"):
        read(write(tmp_path, "incremental_book_L2", []))
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read(write(tmp_path, "incremental_book_L2", [*book()[:-1], cells(book()[-1], price='"')]))
    path = write(tmp_path, "incremental_book_L2", book())
    path.write_bytes(path.read_bytes()[:-15])
    with pytest.raises(DataError, match="is cut short or damaged"):
        read(path)
