"""Best bid and offer as CSV: columns by a map, times of several forms, sides that are missing."""

import polars as pl
import pytest

from ofiml.config import Policy
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.schema import F_LAST, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from tests.conftest import slow_but_each

COLUMNS = {"time": "DT", "bid": "BID", "ask": "OFR", "bid_size": "BIDSIZ", "ask_size": "OFRSIZ", "symbol": "SYMBOL"}
HEADER = "DT,SYMBOL,BID,OFR,OFRSIZ,BIDSIZ,EX"
ROWS = [
    "2018-01-02 14:30:00.115000010,XXX,158.39,158.5,18,1,N",
    "2018-01-02 14:30:00.125,XXX,158.39,158.58,18,2,N",
    "2018-01-02 14:30:00.125,XXX,158.4,158.58,17,2,N",
]


def config(path, **other):
    settings = {"symbols": None, "calendar": "XNYS", "hours": "regular", "tick": 0.005, "size_unit": 100.0}
    settings |= {"levels": None, "columns": COLUMNS, "time_zone": "UTC", "sizes": "lots", "policy": Policy()}
    limits = {"first_date": None, "last_date": None, "store": None, "max_sessions": None, "max_events": None}
    return QuotesDataset(name="quotes", path=str(path), **(settings | limits | other))


def read(path, **other):
    return [s for source in list_sources(config(path, **other)) for s in source()]


def csv(tmp_path, *rows, header=HEADER):
    path = tmp_path / "quotes.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_real_file_is_two_sessions(configure, data):
    path = data("quotes/sample_quotes_20180102_03.csv.gz")
    dataset = configure("dataset=quotes", f"dataset.path={path}").dataset  # the defaults read it
    first, second = (s for source in list_sources(dataset) for s in source())
    assert [(s.symbol, s.date, s.levels, s.size_unit) for s in (first, second)] == [
        ("XXX", "2018-01-02", 1, 100.0),
        ("XXX", "2018-01-03", 1, 100.0),
    ]
    assert first.events.height + second.events.height == 46_564
    raw = pl.read_csv(path)
    for column, name in (("bid_px_00", "BID"), ("ask_px_00", "OFR")):
        ours = pl.concat([first.events[column], second.events[column]])
        assert ours.to_list() == [round(x * 1e4) * 100_000 for x in raw[name]]
    assert pl.concat([first.events["ask_sz_00"], second.events["ask_sz_00"]]).to_list() == raw["OFRSIZ"].to_list()
    assert first.events["ts_recv"].to_physical()[0] == 1_514_903_400_115_000_010
    assert first.events.schema == make_schema(1)


def test_rows_by_hand(tmp_path):
    (s,) = read(csv(tmp_path, *ROWS))
    e = s.events
    assert e["action"].to_list() == ["M"] * 3
    assert e["side"].to_list() == ["N"] * 3
    assert (e["price"].null_count(), e["size"].to_list(), e["flags"].to_list()) == (3, [0] * 3, [F_LAST] * 3)
    assert e["bid_px_00"].to_list() == [158_390_000_000, 158_390_000_000, 158_400_000_000]  # equal times keep order
    assert e["ask_px_00"].to_list() == [158_500_000_000, 158_580_000_000, 158_580_000_000]
    assert (e["bid_sz_00"].to_list(), e["ask_sz_00"].to_list()) == ([1, 2, 2], [18, 18, 17])
    assert e["bid_ct_00"].null_count() == 3
    assert e["ts_event"].to_list() == e["ts_recv"].to_list()


@pytest.mark.parametrize("side", ["158.39,158.5,18,0", "0,158.5,18,1", "0,158.5,18,0", ",158.5,18,", ",158.5,18,0"])
def test_a_side_that_is_missing(tmp_path, side):
    (s,) = read(csv(tmp_path, f"2018-01-02 14:30:00,XXX,{side},N", *ROWS))
    assert s.events.select("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00").row(0) == (
        None, None, 158_500_000_000, 18,
    )  # fmt: skip
    assert s.quality.kept["one_sided"] == 1


THROUGH_ZERO = ["0.005,0.01,4,1", "0,0.005,4,2", "-0.005,0,5,3", "-0.01,-0.005,6,2", ",-0.005,6,", "0,-0.005,6,0"]


def test_prices_through_zero(tmp_path):
    path = csv(tmp_path, *(f"2018-01-02 14:30:0{i},XXX,{row},N" for i, row in enumerate(THROUGH_ZERO)))
    with pytest.raises(DataError, match=r"line 3, column BID: the price is 0 .* size of 2 .*dataset\.zero_price=quote"):
        read(path)
    (s,) = read(path, zero_price="quote")
    e = s.events
    assert e["bid_px_00"].to_list() == [5_000_000, 0, -5_000_000, -10_000_000, None, None]
    assert e["bid_sz_00"].to_list() == [1, 2, 3, 2, None, None]
    assert e["ask_px_00"].to_list() == [10_000_000, 5_000_000, 0, -5_000_000, -5_000_000, -5_000_000]
    assert e["ask_sz_00"].to_list() == [4, 4, 5, 6, 6, 6]
    assert s.quality.notes == []


def test_a_price_of_zero_with_a_size_is_missing_and_counted(tmp_path):
    (s,) = read(csv(tmp_path, "2018-01-02 14:30:00,XXX,0,158.5,18,1,N", *ROWS))
    assert s.events["bid_px_00"][0] is None
    (note,) = s.quality.notes
    assert note == "1 prices of 0 with a size in column BID count as missing (dataset.zero_price=quote keeps them)"
    with pytest.raises(ConfigError, match=r"dataset\.zero_price"):
        config(tmp_path / "quotes.csv", zero_price="auto")


@pytest.mark.parametrize(
    ("cell", "message"),
    slow_but_each(
        4,
        [
            ("158.39,158.5,18,", "column bid_size: there is a price, 158390000000, and no size"),
            (",158.5,18,3", "column bid: there is a size, 3, and no price"),
            ("158.39,15 8.5,18,1", "column OFR: '15 8.5' cannot be read"),
            ("158.39,158.5,1.5,1", "column OFRSIZ: '1.5' cannot be read"),
            ("158.39,158.5,-1,1", "column ask_sz_00: the size -1 is negative"),
            ("158.39,158.3,1,1", "column bid_px_00: .*crossed"),
            ("158.391,158.5,1,1", r"column bid_px_00: 158\.391 is not a multiple of dataset\.tick"),
            ("158.39,1e300,1,1", "column OFR: '1e300' cannot be read"),
        ],
    ),
)
def test_damaged_cells(tmp_path, cell, message):
    path = csv(tmp_path, ROWS[0], f"2018-01-02 14:30:00.12,XXX,{cell},N", *ROWS[1:])
    with pytest.raises(DataError, match=rf"quotes\.csv, line 3, {message}"):
        read(path)
    if "tick" not in message:
        (s,) = read(path, policy=Policy(unreadable="drop", negative_size="drop", crossed="drop"))
        assert (s.events.height, sum(s.quality.dropped.values())) == (3, 1)


@pytest.mark.parametrize(
    ("stamp", "zone", "ns"),
    [
        ("2018-01-02 14:30:00", "UTC", 0),
        ("2018-01-02T14:30:00.5", "UTC", 500_000_000),
        ("2018-01-02 09:30:00.000000001", "America/New_York", 1),
        ("2018-01-02T14:30:00.25Z", "Asia/Tokyo", 250_000_000),
        ("2018-01-02T15:30:00+01:00", "Asia/Tokyo", 0),
        ("1514903400", "Asia/Tokyo", 0),
        ("1514903400001", "UTC", 1_000_000),
        ("1514903400000001", "UTC", 1_000),
        ("1514903400000000001", "UTC", 1),
    ],
)
def test_forms_of_time(tmp_path, stamp, zone, ns):
    (s,) = read(csv(tmp_path, f"{stamp},XXX,158.39,158.5,18,1,N"), time_zone=zone, hours="all")
    assert s.events["ts_recv"].to_physical().to_list() == [1_514_903_400 * 10**9 + ns]


@pytest.mark.parametrize(
    ("stamp", "zone"),
    [
        ("2018-03-11 02:30:00", "America/New_York"),  # the clocks went from 2:00 to 3:00
        ("2018-11-04 01:30:00", "America/New_York"),  # and back from 2:00 to 1:00
        ("9999-01-02 14:30:00", "UTC"),
        ("2018-02-30 14:30:00", "UTC"),
        ("2018-01-02 14:30:60", "UTC"),
        ("2018-01-02 14:30:00.1234567891", "UTC"),
        ("2018-01-02 14:30", "UTC"),
        ("14:30:00", "UTC"),
        ("", "UTC"),
    ],
)
def test_times_that_cannot_be_read(tmp_path, stamp, zone):
    path = csv(tmp_path, *ROWS, f"{stamp},XXX,158.39,158.5,18,1,N")
    what = f"'{stamp}' cannot be read" if stamp else "the value is missing"
    with pytest.raises(DataError, match=rf"line 5, column DT: {what} .1 such row"):
        read(path, time_zone=zone, hours="all")


def test_two_clocks_and_sizes_in_units(tmp_path):
    header = "sent,had,b,a,bs,as"
    columns = {"time": "sent", "received": "had", "bid": "b", "ask": "a", "bid_size": "bs", "ask_size": "as"}
    path = csv(tmp_path, "1514903400,1514903401,1.5,1.6,0.25,1", header=header)
    (s,) = read(path, columns=columns, symbols=["Y"], sizes="units", size_unit=0.25, calendar="24/7", tick=0.1)
    assert (s.symbol, s.events["bid_sz_00"][0], s.events["ask_sz_00"][0]) == ("Y", 1, 4)
    assert (s.events["ts_recv"].to_physical() - s.events["ts_event"].to_physical()).to_list() == [10**9]
    with pytest.raises(DataError, match=r"dataset\.columns\.symbol is not set; set it, or name the symbol"):
        read(path, columns=columns, sizes="units", size_unit=0.25)
    with pytest.raises(DataError, match=r"line 2, column bs: '0\.25' cannot be read"):
        read(path, columns=columns, symbols=["Y"], sizes="units", size_unit=0.1)


def test_maps_that_do_not_fit(tmp_path):
    path = csv(tmp_path, *ROWS)
    with pytest.raises(
        DataError, match=r"the column ASK is missing \(dataset\.columns\.ask\); the file has DT, SYMBOL"
    ):
        read(path, columns=COLUMNS | {"ask": "ASK"})
    with pytest.raises(DataError, match="are both the column BID"):
        read(path, columns=COLUMNS | {"ask": "BID"})
    with pytest.raises(DataError, match=r"one level, not dataset\.levels=5"):
        read(path, levels=5)
    for change, message in (
        ({"columns": {"time": "DT"}}, r"dataset\.columns\.ask is missing"),
        ({"columns": COLUMNS | {"mid": "X"}}, r"dataset\.columns\.mid is not one of"),
        ({"time_zone": "Mars"}, "is not a time zone"),
        ({"sizes": "boxes"}, r"dataset\.sizes=boxes is not one of"),
    ):
        with pytest.raises(ConfigError, match=message):
            config(path, **change)


def test_spaces_after_commas(tmp_path):
    spaced = csv(tmp_path, *(r.replace(",", ", ") for r in ROWS), header=HEADER.replace(",", ", "))
    (ours,) = read(spaced)
    assert ours.events.equals(read(csv(tmp_path, *ROWS))[0].events)
