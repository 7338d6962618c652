"""Files of quotes as people have them (tests/cases), each with its right answer, found by other means, or its error."""

import csv
import gzip
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ofiml.data.schema import extract_level, extract_times
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from tests.conftest import slow_but_each

CASES = Path(__file__).parents[1] / "cases"
NS = 10**9
OWN = [f"dataset.columns.{name}={name}" for name in ("symbol", "bid", "ask", "bid_size", "ask_size")]
OWN += ["dataset.columns.time=timestamp"]
UNITS = ["dataset.size_unit=1", "dataset.tick=0.01"]


def find(pattern):
    (path,) = CASES.glob(pattern)
    return path


def read(configure, *overrides):
    dataset = configure(*overrides, "dataset.store=null").dataset
    return [s for source in list_sources(dataset) for s in source()]


def rows_of(path, delimiter=",", encoding="utf-8"):
    content = path.read_bytes()
    text = gzip.decompress(content).decode() if path.suffix == ".gz" else content.decode(encoding)
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def nanos(stamp):
    """UTC nanoseconds of 2024-01-16 14:30:00.045918486, by numpy."""
    return int(np.datetime64(stamp.replace(" ", "T").rstrip("Z"), "ns").astype(np.int64))


def check_best(session, rows, bid, bid_size, ask, ask_size, time, *, lot=1):
    """Check the best quotes and the times against the rows, in order."""
    assert session.events.height == len(rows)
    px = [[int(Decimal(r[name]) * NS) for r in rows] for name in (bid, ask)]
    sz = [[int(Decimal(r[name]) / Decimal(str(lot))) for r in rows] for name in (bid_size, ask_size)]
    ours = [column.tolist() for column in extract_level(session.events, 0)]
    assert ours == [px[0], sz[0], px[1], sz[1]]
    assert extract_times(session.events).tolist() == [time(r) for r in rows]


BINANCE = ("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty")


def event_time(row):
    return int(row["event_time"]) * 10**6


def test_interleaved_rows_are_sorted_by_their_own_sequence(configure):
    path = find("004*/ETH*.csv")
    (s,) = read(configure, "dataset=binance_vision", f"dataset.path={path}", "dataset.tick=0.01")
    rows = rows_of(find("004*/sorted.csv"))
    assert (s.symbol, len(rows), s.quality.dropped) == ("ETHUSDT", 400, {})
    check_best(s, rows, *BINANCE, event_time, lot=0.001)
    assert s.events["sequence"].to_list() == [int(r["update_id"]) for r in rows]
    assert any("sorted by update_id" in note for note in s.quality.notes)
    (other,) = read(
        configure, "dataset=binance_vision", f"dataset.path={find('004*/sorted.csv')}", "dataset.tick=0.01",
        "dataset.symbols=[ETHUSDT]",
    )  # fmt: skip
    assert other.events.equals(s.events)
    assert other.quality.notes == []


@pytest.mark.parametrize("policy", ["raise", "drop", "keep"])
def test_interleaved_rows_without_a_sequence_are_refused(configure, policy):
    choices = ["dataset=binance_vision", f"dataset.path={find('004*/ETH*.csv')}", "dataset.tick=0.01"]
    with pytest.raises(DataError, match=r"line 4, .*not in order of time.*Sort the file by its sequence number"):
        read(configure, *choices, "dataset.columns.sequence=null", f"dataset.policy.time_reversal={policy}")


@pytest.mark.parametrize("pattern", ["005*/*.zip", "006*/*.csv"])
def test_files_of_binances_archive(configure, pattern):
    (s,) = read(configure, "dataset=binance_vision", f"dataset.path={find(pattern)}", "dataset.tick=0.01")
    rows = rows_of(find("004*/sorted.csv"))[:200]
    check_best(s, rows, *BINANCE, event_time, lot=0.001)
    assert s.symbol == "ETHUSDT"


def test_a_file_without_a_header_says_so(configure):
    path = find("006*/*.csv")
    names = [f"dataset.columns.{k}={v}" for k, v in zip(("bid", "bid_size", "ask", "ask_size"), BINANCE, strict=True)]
    choices = ["dataset=quotes", f"dataset.path={path}", *names, "dataset.columns.time=event_time"]
    with pytest.raises(DataError, match=r"line 1 has values, not names of columns.*dataset\.header=\["):
        read(configure, *choices)


@pytest.mark.parametrize(("exchange", "count"), slow_but_each(3, [("N", 100), ("P", 100), ("Z", 100)], first=1))
def test_quotes_of_one_exchange_of_taq(configure, exchange, count):
    path = find("011*/*.csv")
    (s,) = read(configure, "dataset=taq", f"dataset.path={path}", f"dataset.exchange={exchange}")
    rows = [r for r in rows_of(path) if r["EX"] == exchange]
    assert len(rows) == count
    assert (s.symbol, s.size_unit) == ("IBM", 100.0)
    five_hours = 5 * 3600 * NS  # New York in January
    check_best(
        s, rows, "BID", "BIDSIZ", "ASK", "ASKSIZ", lambda r: nanos(f"{r['DATE']} {r['TIME_M']}") + five_hours
    )  # fmt: skip


def test_taq_of_all_exchanges_is_refused(configure):
    choices = ["dataset=taq", f"dataset.path={find('011*/*.csv')}"]
    with pytest.raises(DataError, match=r"line 3, column EX: .*\(N: 100, P: 100, Z: 100\).*dataset\.exchange="):
        read(configure, *choices)
    with pytest.raises(DataError, match=r"no row of dataset\.exchange=Q; EX has N: 100"):
        read(configure, *choices, "dataset.exchange=Q")


def test_taq_as_sas_and_python_write_it(configure, tmp_path):
    """Names in lower case, dates as 16JAN2024, hours without a leading zero, a suffix."""
    lines = [
        "date,time_m,ex,sym_root,sym_suffix,bid,bidsiz,ask,asksiz,qu_seqnum",
        "16JAN2024,9:30:00.045918486,N,BRK,B,360.01,1,360.05,2,1",
        "16JAN2024,10:30:00,N,BRK,B,360.02,1,360.05,2,2",
    ]
    (tmp_path / "taq.csv").write_text("\n".join(lines) + "\n")
    (s,) = read(configure, "dataset=taq", f"dataset.path={tmp_path / 'taq.csv'}")
    assert s.symbol == "BRK.B"
    expected = [nanos("2024-01-16 14:30:00.045918486"), nanos("2024-01-16 15:30:00")]
    assert extract_times(s.events).tolist() == expected


def flow(session):
    """The OFI of the best quotes, by the formula."""
    bp, bs, ap, az = extract_level(session.events, 0)
    b, a = bp[1:], ap[1:]
    e = bs[1:] * (b >= bp[:-1]) - bs[:-1] * (b <= bp[:-1]) - az[1:] * (a <= ap[:-1]) + az[:-1] * (a >= ap[:-1])
    return int(e.sum()), int(((b + a) != (bp[:-1] + ap[:-1])).sum())


def test_quotes_of_several_exchanges(configure):
    choices = ["dataset=quotes", f"dataset.path={find('012*/quotes.csv')}"]
    with pytest.raises(DataError, match=r"line 3, column EX: .*Q: 150, Z: 150.*\+dataset\.columns\.exchange=EX"):
        read(configure, *choices)
    (s,) = read(configure, *choices, "+dataset.columns.exchange=EX", "dataset.exchange=Q")
    assert flow(s) == (34, 74)  # as the case's answer says
    (mixed,) = read(configure, *choices, "dataset.exchange=all", "dataset.implausible=warn")
    assert mixed.events.height == 300
    with pytest.raises(ConfigError, match=r"needs the column of the exchange"):
        read(configure, *choices, "dataset.exchange=Q")


@pytest.mark.parametrize("separator", slow_but_each(3, [";", "\t", "|"]))
@pytest.mark.parametrize("comma", [True, False])
@pytest.mark.parametrize("quoted", [True, False])
def test_separators_and_decimal_commas(configure, tmp_path, separator, comma, quoted):
    path = find("013*/quotes.csv")
    rows = [{k: v.replace(",", ".") for k, v in r.items()} for r in rows_of(path, ";")]
    lines = [path.read_text().splitlines()[0].split(";")]
    lines += [
        [c if comma else c.replace(",", ".") for c in line.split(";")] for line in path.read_text().splitlines()[1:]
    ]
    mark = '"' if quoted else ""
    text = "\n".join(separator.join(f"{mark}{c}{mark}" for c in line) for line in lines) + "\n"
    (tmp_path / "q.csv").write_text(text)
    choices = ["dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}"]
    (s,) = read(configure, *choices, f"dataset.decimal={'comma' if comma else 'point'}")
    check_best(s, rows, "BID", "BIDSIZ", "OFR", "OFRSIZ", lambda r: nanos(r["DT"]))
    if comma:
        with pytest.raises(DataError, match=r"line 2, column BID: '100,00' .*dataset\.decimal=comma"):
            read(configure, *choices)


def test_a_point_is_no_decimal_mark_where_the_comma_is(configure, tmp_path):
    (tmp_path / "q.csv").write_text(
        "DT;SYMBOL;BID;OFR;BIDSIZ;OFRSIZ\n16.01.2024 14:30:00,5;BRK.B;100,00;100,01;1.000;2\n"
    )
    choices = ["dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", "dataset.decimal=comma"]
    with pytest.raises(DataError, match=r"not begin with the year\. Set 'dataset\.time_format=\"%d\.%m\.%Y %H:%M:%S"):
        read(configure, *choices)
    choices.append("dataset.time_format='%d.%m.%Y %H:%M:%S%.f'")
    with pytest.raises(DataError, match=r"line 2, column BIDSIZ: '1\.000' .*points that separate thousands"):
        read(configure, *choices)
    text = (tmp_path / "q.csv").read_text().replace("1.000", "1000")
    (tmp_path / "q.csv").write_text(text)
    (s,) = read(configure, *choices)
    assert (s.symbol, s.events["bid_sz_00"].to_list()) == ("BRK.B", [1000])
    assert extract_times(s.events).tolist() == [nanos("2024-01-16 14:30:00.5")]


def decimal_time(row):
    return int(Decimal(row["timestamp"]) * NS)


@pytest.mark.parametrize("encoding", slow_but_each(3, ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
@pytest.mark.parametrize("tabs", [False, True])
def test_decimal_seconds_in_every_encoding(configure, tmp_path, encoding, tabs):
    text = find("014*/quotes.csv").read_text()
    (tmp_path / "q.csv").write_bytes((text.replace(",", "\t") if tabs else text).encode(encoding))
    (s,) = read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)
    check_best(s, rows_of(find("014*/quotes.csv")), "bid", "bid_size", "ask", "ask_size", decimal_time)


def test_utf16_with_its_mark(configure):
    path = find("016*/quotes.csv")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={path}", *OWN, *UNITS)
    rows = rows_of(path, encoding="utf-16")
    check_best(s, rows, "bid", "bid_size", "ask", "ask_size", decimal_time)


@pytest.mark.parametrize(
    ("cell", "ns"),
    slow_but_each(
        4,
        [
            ("1705415400.123456789", 123_456_789),
            ("1705415400.000000001", 1),
            ("1705415400.1", 100_000_000),
            ("1705415400.", 0),
            ("1705415400123.456789", 123_456_789),
            ("1705415400123456.789", 123_456_789),
            ("1705415400123.0", 123_000_000),
            ("2024-01-16 14:30:00.123456789+00", 123_456_789),
            ("2024/01/16 14:30:00,5", 500_000_000),
            ("20240116 14:30:00.5", 500_000_000),
            ("2024.01.16 14:30:00.5 UTC", 500_000_000),
        ],
    ),
)
@pytest.mark.parametrize("strange", ["", '"X"'])  # a quoted cell is read by another parser
def test_forms_of_time(configure, tmp_path, cell, ns, strange):
    if "," in cell:
        cell = f'"{cell}"'
    name = strange or "X"
    (tmp_path / "q.csv").write_text(f"timestamp,symbol,bid,ask,bid_size,ask_size\n{cell},{name},1.00,1.01,1,1\n")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)
    assert extract_times(s.events).tolist() == [1_705_415_400 * NS + ns]


def test_times_that_lost_digits_are_refused(configure, tmp_path):
    (tmp_path / "q.csv").write_text("timestamp,symbol,bid,ask,bid_size,ask_size\n1.70542e+09,X,1.00,1.01,1,1\n")
    with pytest.raises(DataError, match="exponent shows that digits of the time were lost"):
        read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)


@pytest.mark.parametrize("first", slow_but_each(2, [0, 1]))
@pytest.mark.parametrize("form", ["csv", "parquet", "scaled"])
def test_wide_tables(configure, tmp_path, first, form):
    rows = rows_of(find("037*/snapshots.csv"))
    table = pl.DataFrame(rows).with_columns(pl.all().cast(pl.Float64)).with_columns(pl.col("timestamp").cast(pl.Int64))
    names = {c: f"{c[:-1]}{int(c[-1]) - 1 + first}" for c in table.columns if c[-1].isdigit()}
    table = table.rename(names)
    choices = ["dataset=wide", "dataset.symbols=[X]"]
    if form == "parquet":
        path = tmp_path / "w.parquet"
        table.with_columns(pl.from_epoch("timestamp", "ms").dt.cast_time_unit("us")).write_parquet(path)
    else:
        path = tmp_path / "w.csv"
        prices = [c for c in table.columns if "price" in c]
        if form == "scaled":
            table = table.with_columns((pl.col(prices) * 10).round().cast(pl.Int64))
            choices.append("dataset.price_unit=0.1")
        table.select(reversed(table.columns)).write_csv(path)  # in another order; whole sizes as 19.0
    (s,) = read(configure, *choices, f"dataset.path={path}")
    assert (s.levels, s.events.height) == (5, 200)
    for m in range(5):
        expected = [
            [int(Decimal(r[f"{side}_{what}_{m + 1}"]) * unit) for r in rows]
            for side in ("bid", "ask")
            for what, unit in (("price", NS), ("qty", 1))
        ]
        assert [column.tolist() for column in extract_level(s.events, m)] == expected
    assert extract_times(s.events).tolist() == [int(r["timestamp"]) * 10**6 for r in rows]
    (two,) = read(configure, *choices, f"dataset.path={path}", "dataset.levels=2")
    assert two.levels == 2
    with pytest.raises(DataError, match=rf"5 levels, numbered from {first}: see dataset\.levels"):
        read(configure, *choices, f"dataset.path={path}", "dataset.levels=6")


def test_levels_of_other_names(configure, tmp_path):
    """As tardis.dev and many wallets of Kaggle write them; level 2 has no bid."""
    header = "t," + ",".join(
        f"{s}[{m}].{what}" for m in (0, 1) for s in ("asks", "bids") for what in ("price", "amount")
    )
    (tmp_path / "w.csv").write_text(header + "\n1731369600258,10.2,1,10.1,2,10.3,3,,\n")
    pairs = {"bid": "bids[{level}].price", "ask": "asks[{level}].price"}
    pairs |= {f"{side}_size": f"{side}s[{{level}}].amount" for side in ("bid", "ask")}
    names = [f"dataset.columns.{role}='{name}'" for role, name in pairs.items()]
    (s,) = read(configure, "dataset=wide", "dataset.symbols=[X]", f"dataset.path={tmp_path / 'w.csv'}", *names,
                "dataset.columns.time=t")  # fmt: skip
    assert s.events.select("bid_px_00", "ask_px_01", "ask_sz_01", "bid_px_01", "bid_sz_01").row(0) == (
        10_100_000_000, 10_300_000_000, 3, None, None,
    )  # fmt: skip


def test_templates_that_do_not_fit(configure, tmp_path):
    (tmp_path / "w.csv").write_text("timestamp,bid_price_2,bid_qty_2,ask_price_2,ask_qty_2\n1731369600258,1,1,2,1\n")
    choices = ["dataset=wide", "dataset.symbols=[X]", f"dataset.path={tmp_path / 'w.csv'}"]
    with pytest.raises(DataError, match="no level 0 or 1"):
        read(configure, *choices)
    with pytest.raises(ConfigError, match=r"all of bid, ask, bid_size and ask_size have \{level\}"):
        read(configure, *choices, "dataset.columns.bid=bid_price_2")


def test_whole_numbers_in_any_notation(configure):
    path = find("050*/quotes.csv")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={path}")
    check_best(s, rows_of(path), "BID", "BIDSIZ", "OFR", "OFRSIZ", lambda r: nanos(r["DT"]))


def test_whole_numbers_of_lobster_as_r_writes_them(configure):
    folder = find("050*")
    (s,) = read(configure, "dataset=lobster", f"dataset.path={folder}/TST*")
    rows = list(csv.reader(next(folder.glob("*orderbook*")).read_text().splitlines()))
    best = [[int(Decimal(r[k])) for r in rows] for k in (2, 3, 0, 1)]
    ours = [column.tolist() for column in extract_level(s.events, 0)]
    assert ours == [[p * 100_000 for p in best[0]], best[1], [p * 100_000 for p in best[2]], best[3]]
    assert sum(s.quality.dropped.values()) == 0


@pytest.mark.parametrize("cell", slow_but_each(3, ["1.5", "1e-1", "1.5e0", "1e+16", "1,000", "1e99"]))
def test_numbers_that_are_not_whole_lots(configure, tmp_path, cell):
    text = find("050*/quotes.csv").read_text().replace("1e+05", f'"{cell}"')
    (tmp_path / "q.csv").write_text(text)
    with pytest.raises(DataError, match=r"line 2, column BIDSIZ: '.*' cannot be read") as caught:
        read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}")
    assert "policy.unreadable=drop" not in str(caught.value)  # rows dropped by their value would bias the data


NEW_YORK = ["dataset.time_zone=America/New_York", "dataset.calendar=24/7", "dataset.tick=0.1"]


def test_the_hour_that_exists_twice_is_told_apart_by_order(configure):
    path = find("052*/quotes.csv")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={path}", *NEW_YORK)
    half_minute = 30 * NS  # a quote each half minute, from 0:30 summer time
    start = nanos("2024-11-03 04:30:00")
    assert extract_times(s.events).tolist() == [start + half_minute * i for i in range(300)]


def test_one_pass_of_the_hour_is_not_told_apart(configure, tmp_path):
    lines = find("052*/quotes.csv").read_text().splitlines()
    (tmp_path / "q.csv").write_text("\n".join(lines[:150]) + "\n")
    choices = ["dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *NEW_YORK]
    with pytest.raises(DataError, match=r"line 62, column DT: '2024-11-03 01:00:00'.*exists twice in America/New_York"):
        read(configure, *choices)
    (s,) = read(configure, *choices, "dataset.policy.unreadable=drop")
    assert (s.events.height, s.quality.dropped["unreadable"]) == (60, 89)


def test_an_hour_that_does_not_exist(configure, tmp_path):
    (tmp_path / "q.csv").write_text("DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ\n2024-03-10 02:30:00,X,1,1.1,1,1\n")
    with pytest.raises(DataError, match="does not exist in America/New_York"):
        read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *NEW_YORK)


def test_blank_means_unchanged_when_told_so(configure):
    blank, filled = (f"dataset.path={find(f'053*/{name}.csv.gz')}" for name in ("blank", "filled"))
    with pytest.raises(DataError, match=r"blank\.csv\.gz, line 3: in .* rows \(\d\d%\).*dataset\.blank=unchanged"):
        read(configure, "dataset=quotes", blank)
    (s,) = read(configure, "dataset=quotes", blank, "dataset.blank=unchanged")
    (expected,) = read(configure, "dataset=quotes", filled)
    assert s.events.equals(expected.events)
    (missing,) = read(configure, "dataset=quotes", blank, "dataset.blank=missing", "dataset.implausible=warn")
    assert missing.quality.kept["one_sided"] > 10_000


def test_blanks_of_two_symbols_and_of_single_cells(configure, tmp_path):
    lines = ["DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ", "2024-01-16 14:30:00,A,,10.1,,1", "2024-01-16 14:30:01,B,5,5.1,2,3",
             "2024-01-16 14:30:02,A,10,,7,", "2024-01-16 14:30:03,B,,,9,", "2024-01-16 14:30:04,A,0,,0,4"]  # fmt: skip
    (tmp_path / "q.csv").write_text("\n".join(lines) + "\n")
    a, b = read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", "dataset.blank=unchanged")
    books = ["bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00"]
    low, high = 10 * NS, 10_100_000_000
    assert a.events.select(books).rows() == [(None, None, high, 1), (low, 7, high, 1), (None, None, high, 4)]
    assert b.events.select(books).rows() == [(5 * NS, 2, 5_100_000_000, 3), (5 * NS, 9, 5_100_000_000, 3)]


STAMPS = [1_705_415_400_123_456_000 + i * 10**9 for i in range(3)]
UTC = pl.Series(STAMPS).cast(pl.Datetime("ns", "UTC"))


@pytest.mark.parametrize(
    ("times", "extra"),
    slow_but_each(
        3,
        [
            (UTC, []),
            (UTC.dt.cast_time_unit("us"), []),
            (UTC.dt.convert_time_zone("Asia/Tokyo"), []),
            (UTC.dt.replace_time_zone(None), []),
            (
                UTC.dt.convert_time_zone("America/New_York").dt.replace_time_zone(None),
                ["dataset.time_zone=America/New_York"],
            ),
            (pl.Series(STAMPS), []),
            (pl.Series(STAMPS) // 1000, []),
            (pl.Series([s // 1000 / 1e6 for s in STAMPS]), []),
            (pl.Series([s / 1e6 for s in STAMPS]), []),
            (UTC.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"), []),
            (UTC.dt.strftime("%Y-%m-%d %H:%M:%S%.9f"), []),
            (UTC.dt.strftime("%d.%m.%Y %H:%M:%S%.6f"), ["dataset.time_format='%d.%m.%Y %H:%M:%S%.f'"]),
        ],
    ),
)
@pytest.mark.parametrize(
    "dtype",
    [pl.Float64(), pl.String(), *(pytest.param(t, marks=pytest.mark.slow) for t in (pl.Float32(), pl.Decimal(12, 4)))],
)
def test_parquet_of_any_types(configure, tmp_path, times, extra, dtype):
    prices = pl.Series(["100.01", "100.02", "100.03"])
    frame = pl.DataFrame({"timestamp": times, "symbol": ["X"] * 3, "bid": prices, "bid_size": [1.0, 2.0, 3.0]})
    frame = frame.with_columns(
        ask=pl.lit("100.05"), ask_size=pl.lit(4, pl.UInt32), symbol=pl.col("symbol").cast(pl.Categorical)
    )
    numbers = [pl.col(c).cast(pl.Float64).cast(dtype) if dtype != pl.String() else pl.col(c) for c in ("bid", "ask")]
    frame.with_columns(numbers).write_parquet(tmp_path / "q.parquet")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.parquet'}", *OWN, *UNITS, *extra)
    assert extract_times(s.events).tolist() == STAMPS
    assert s.events["bid_px_00"].to_list() == [100_010_000_000, 100_020_000_000, 100_030_000_000]
    assert (s.events["bid_sz_00"].to_list(), s.events["ask_sz_00"].to_list()) == ([1, 2, 3], [4, 4, 4])


def test_the_parquet_file(configure):
    path = find("061*/quotes.parquet")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={path}", *OWN, *UNITS)
    table = pl.read_parquet(path)
    assert extract_times(s.events).tolist() == table["timestamp"].dt.timestamp("ns").to_list()
    assert s.events["bid_px_00"].to_list() == [round(x * 100) * 10**7 for x in table["bid"]]
    assert s.events["ask_sz_00"].to_list() == table["ask_size"].to_list()


@pytest.mark.parametrize(
    ("change", "message"),
    slow_but_each(
        3,
        [
            ({"bid": [1.0, None, 1.0], "bid_size": [1, 5, 1]}, "row 2, column bid: there is a size, 5, and no price"),
            ({"bid_size": [1.0, 1.5, 1.0]}, r"row 2, column bid_size: 1\.5 cannot be read .*not a multiple of one lot"),
            ({"bid": [True] * 3}, "column bid: its type is Boolean, but numbers are expected"),
            ({"symbol": [1.5] * 3}, "column symbol: its type is Float64, but strings are expected"),
            ({"timestamp": [True] * 3}, "column timestamp: its type is Boolean"),
            (
                {"bid": pl.Series([3e5] * 3, dtype=pl.Float32)},
                r"Float32, does not hold prices of 300000 to the tick, 0\.01",
            ),
        ],
    ),
)
def test_parquet_that_cannot_be_read(configure, tmp_path, change, message):
    columns = {"timestamp": STAMPS, "symbol": ["X"] * 3, "bid": [1.0] * 3, "ask": [2.0] * 3}
    columns |= {"bid_size": [1] * 3, "ask_size": [1] * 3} | change
    pl.DataFrame(columns).write_parquet(tmp_path / "q.parquet")
    with pytest.raises(DataError, match=message):
        read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.parquet'}", *OWN, *UNITS)


HEAD = "timestamp,symbol,bid,ask,bid_size,ask_size"


@pytest.mark.parametrize(
    ("text", "message"),
    slow_but_each(
        3,
        [
            (f"sep=;\n{HEAD}\n", "line 1: 'sep=;' is not a header: delete the lines before the header"),
            (f"{HEAD}\n1705415400,X,5000000000,5000000001,1,1\n", r"It is above the largest price, 4,600,000,000\."),
            (f"{HEAD}\n1705415400,X,1.00000000012,2,1,1\n", "It has more than 9 decimals"),
            (f"{HEAD}\n1705415400,X,1,2,0.5,1\n", r"It is not a multiple of one lot, 1\. Set dataset\.size_unit"),
            (f"{HEAD}\n16/01/2024 14:30:00,X,1,2,1,1\n", "does not begin with the year"),
            (f"{HEAD}\n14:30:00,X,1,2,1,1\n", r"It has no date\. .*dataset\.columns\.date"),
            (f"{HEAD}\n1705415400,X,1,2,1,1,\n1705415401,X,1,2,1,1\n", "line 2: 7 fields .* trailing comma"),
            (f"{HEAD}\n1,1705415400,X,1,2,1,1\n2,1705415401,X,1,2,1,1\n", "export without row names"),
            (HEAD.replace(",", ";") + "\n", "has a header and no rows"),
        ],
    ),
)
def test_the_known_cause_is_stated(configure, tmp_path, text, message):
    (tmp_path / "q.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)


@pytest.mark.parametrize(("count", "offered"), [(1, True), (2, False), (50, False)])
def test_dropping_is_offered_for_damage_only(configure, tmp_path, count, offered):
    rows = [f"17054154{i:02d},X,{5_000_000_000 if i < count else 1},2,1,1" for i in range(60)]
    (tmp_path / "q.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    with pytest.raises(DataError, match="above the largest price") as caught:
        read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)
    assert ("policy.unreadable=drop" in str(caught.value)) == offered


def test_a_trailing_comma_in_every_row_is_no_cell(configure, tmp_path):
    (tmp_path / "q.csv").write_text(f"{HEAD}\n1705415400,X,1,2,1,1,\n1705415401,X,1,2,1,1,\n")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)
    assert s.events.height == 2


def test_missing_words_are_blank(configure, tmp_path):
    (tmp_path / "q.csv").write_text(f"{HEAD}\n1705415400,X,NA,2,NaN,1\n1705415401,X,1,2,1,1\n")
    (s,) = read(configure, "dataset=quotes", f"dataset.path={tmp_path / 'q.csv'}", *OWN, *UNITS)
    assert s.events["bid_px_00"].to_list() == [None, NS]


RECIPE = ["dataset=quotes", "~dataset.columns.symbol", "dataset.symbols=[ETHUSDT]", "dataset.columns.time=event_time"]
RECIPE += [f"dataset.columns.{k}={v}" for k, v in zip(("bid", "bid_size", "ask", "ask_size"), BINANCE, strict=True)]
RECIPE += [
    "dataset.sizes=units",
    "dataset.size_unit=0.001",
    "dataset.tick=0.01",
    "dataset.calendar=24/7",
    "dataset.store=null",
]


@pytest.mark.parametrize("command", slow_but_each(3, ["check", "describe", "convert"]))
def test_a_deletion_works_in_every_command_of_data(tmp_path, capsys, command):
    from ofiml.cli.main import main

    path = find("004*/sorted.csv")
    options = ["--to", "parquet", "--out", str(tmp_path)] if command == "convert" else []
    assert main(["data", command, *options, *RECIPE, f"dataset.path={path}"]) == 0
    assert "ETHUSDT" in capsys.readouterr().out + str(list(tmp_path.iterdir()))
