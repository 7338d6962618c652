"""AlgoSeek equity TAQ: hand-written rows of the layout that its guide and its users give. There is no real file."""

import pytest

from ofiml.config import Policy
from ofiml.data.readers.algoseek import AlgoseekDataset
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError

HEADER = "Date,Timestamp,EventType,Ticker,Price,Quantity,Exchange,Conditions"
RESET = F_LAST | F_SNAPSHOT


def row(second, event, price, size, exchange="NASDAQ", conditions="00000001", ticker="IBM", date="20230609"):
    return f"{date},10:00:{second:012.9f},{event},{ticker},{price},{size},{exchange},{conditions}"


def config(path, **other):
    settings = {"symbols": None, "calendar": "XNYS", "hours": "regular", "tick": 0.01, "size_unit": 1.0}
    settings |= {"levels": None, "venue": None, "quote_lot": None, "policy": Policy(crossed="keep")}
    limits = {"first_date": None, "last_date": None, "store": None, "max_sessions": None, "max_events": None}
    return AlgoseekDataset(name="algoseek", path=str(path), **(settings | limits | other))


def read(path, **other):
    return [s for source in list_sources(config(path, **other)) for s in source()]


def csv(tmp_path, *rows, header=HEADER):
    path = tmp_path / "IBM.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


ROWS = [
    row(1, "TRADE NB", 242.54, 6, "EDGX"),
    row(2, "QUOTE BID NB", 242.5, 200),
    row(3, "QUOTE ASK NB", 242.6, 100, "ARCA"),
    row(4, "QUOTE BID", 242.4, 300, "ARCA"),  # not the national best
    row(5, "QUOTE BID NB", 242.55, 100, "ARCA"),
    row(5, "QUOTE ASK NB", 242.65, 400),  # the same event
    row(5, "QUOTE BID NB", 242.56, 500),  # the next
    row(6, "TRADE", 242.6, 10, "FINRA"),
    row(7, "QUOTE BID NB", 200, 100, conditions="00040000"),  # a price band
    row(8, "TRADE", 242.6, 999, conditions="01000000"),  # the official close
    row(9, "TRADE CANCELLED", 242.6, 10, "FINRA"),
    row(10, "QUOTE ASK NB", 0, 0),  # nobody offers
]


def book(s):
    names = ("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
    return [(a and a / 1e9, b, c and c / 1e9, d) for a, b, c, d in s.events.select(names).rows()]


def test_the_national_best(tmp_path):
    (s,) = read(csv(tmp_path, *ROWS))
    e = s.events
    assert (s.symbol, s.date, s.levels) == ("IBM", "2023-06-09", 1)
    assert e["action"].to_list() == ["T", "M", "M", "M", "M", "T", "M"]
    assert set(e["side"].to_list()) == {"N"}
    assert book(s) == [
        (None, None, None, None),
        (242.5, 200, None, None),
        (242.5, 200, 242.6, 100),
        (242.55, 100, 242.65, 400),
        (242.56, 500, 242.65, 400),
        (242.56, 500, 242.65, 400),
        (242.56, 500, None, None),
    ]
    # The first quote of each side is where flow is measured from.
    assert e["flags"].to_list() == [RESET, RESET, RESET, F_LAST, F_LAST, F_LAST, F_LAST]
    trades = e.filter(e["action"] == "T")
    assert (trades["price"].to_list(), trades["size"].to_list()) == ([242_540_000_000, 242_600_000_000], [6, 10])
    assert e["ts_recv"].to_physical()[0] == 1_686_319_201 * 10**9  # 10:00:01 in New York in summer
    assert (s.quality.rows, s.quality.used) == (12, 7)


def test_one_exchange(tmp_path):
    (s,) = read(csv(tmp_path, *ROWS), venue="ARCA")
    assert book(s) == [(None, None, 242.6, 100), (242.4, 300, 242.6, 100), (242.55, 100, 242.6, 100)]
    (s,) = read(csv(tmp_path, *ROWS), venue="NASDAQ")
    assert (s.events["action"] == "T").sum() == 0  # FINRA and EDGX are other places
    with pytest.raises(DataError, match=r"no quote of dataset\.venue=IEX; its exchanges are ARCA, EDGX, FINRA, NASDAQ"):
        read(csv(tmp_path, *ROWS), venue="IEX")
    with pytest.raises(DataError, match=r"no quote of the national best \(QUOTE … NB\)"):
        read(csv(tmp_path, row(1, "QUOTE BID", 1, 100)))


def test_one_event_is_a_bid_and_an_ask_and_no_more(tmp_path):
    bid, ask = row(5, "QUOTE BID NB", 10, 100), row(5, "QUOTE ASK NB", 11, 100)
    trade = row(5, "TRADE", 10.5, 1)
    for rows, lines in (
        ([bid, ask, bid, ask], [3, 5]),
        ([bid, ask, ask, bid, bid], [3, 5, 6]),
        ([ask, bid, ask], [3, 4]),
        ([bid, trade, ask], [2, 3, 4]),
        ([bid, row(6, "QUOTE ASK NB", 11, 100)], [2, 3]),
    ):
        (s,) = read(csv(tmp_path, *rows))
        assert s.events["sequence"].to_list() == lines


@pytest.mark.parametrize("sizes", [(3, 100), (100, 250)])
def test_sizes_that_may_be_round_lots(tmp_path, sizes):
    path = csv(
        tmp_path,
        *(row(i, f"QUOTE {w} NB", 10 + i, n) for i, (w, n) in enumerate(zip(("BID", "ASK"), sizes, strict=True))),
    )
    with pytest.raises(DataError, match=r"whether quote sizes are shares or round lots: set dataset\.quote_lot=1 or"):
        read(path)
    assert book(read(path, quote_lot=1.0)[0])[-1] == (10.0, sizes[0], 11.0, sizes[1])
    assert book(read(path, quote_lot=100.0)[0])[-1] == (10.0, 100 * sizes[0], 11.0, 100 * sizes[1])
    assert book(read(path, quote_lot=100.0, size_unit=100.0)[0])[-1] == (10.0, sizes[0], 11.0, sizes[1])
    with pytest.raises(ConfigError, match="quote_lot must be at least 1 share"):
        config(path, quote_lot=0.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row(4, "QUOTE MID", 1, 100), "column EventType: 'QUOTE MID' cannot be read"),
        (row(4, "TRADE", "1x", 100), "column Price: '1x' cannot be read"),
        (row(4, "TRADE", 1, "1.5"), "column Quantity: '1.5' cannot be read"),
        (row(4, "TRADE", 1, 1, conditions="zz"), "column Conditions: 'zz' cannot be read"),
        (row(4, "TRADE", 1, 1, conditions=""), "column Conditions: the value is missing"),
        (row(4, "TRADE", 1, 1, date="20231332"), "column Date: '20231332' cannot be read"),
        (row(4, "TRADE", 1, 1, date="99990101"), "column Date: '99990101' cannot be read"),
        (row(61, "TRADE", 1, 1), "column Timestamp: '10:00:61.000000000' cannot be read"),
        (row(4, "TRADE", 1, 1)[:40], "column .*: the value is missing"),
        (row(4, "QUOTE BID NB", 1, -100), "column bid_sz_00: the size -100 is negative"),
        (row(0, "QUOTE BID NB", 1, 100), "column ts_recv: the time .* is earlier than in a row before it"),
    ],
)
def test_damage(tmp_path, line, message):
    with pytest.raises(DataError, match=rf"IBM\.csv, line 5, {message}"):
        read(csv(tmp_path, *ROWS[:3], line, *ROWS[4:]))


def test_hours_that_a_clock_shows_never_or_twice(tmp_path):
    for date in ("20230312", "20231105"):
        line = row(1, "TRADE", 1, 1, date=date).replace("10:00", "02:30" if date == "20230312" else "01:30")
        with pytest.raises(
            DataError, match=r"line 2, column Timestamp: .* does not exist in New York, or exists twice"
        ):
            read(csv(tmp_path, line))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "Date,Timestamp,OrderNumber,EventType,Ticker,Price,Quantity,MPID,Exchange",
            "AlgoSeek's full depth, which is not supported: .* remains",
        ),
        ("UTCDate,UTCTime,LocalDate,LocalTime,Ticker,SecurityID,TypeMask,Type,Price,Quantity,Orders,Flags", "futures"),
        ("Timestamp,EventType,Ticker,OptionDetail,Price,Quantity,Exchange,Conditions", "options"),
        (HEADER.replace("Date,", ""), "the column Date is missing, as in old files"),
        (HEADER.replace("Exchange", "Ex"), "the column Exchange is missing; US Equity TAQ has Date, Timestamp"),
    ],
)
def test_what_is_not_equity_taq_is_refused(tmp_path, header, message):
    with pytest.raises(DataError, match=message):
        read(csv(tmp_path, *ROWS, header=header))
    with pytest.raises(DataError, match=r"TAQ has one level, not dataset\.levels=2"):
        read(csv(tmp_path, *ROWS), levels=2)


def test_two_tickers(tmp_path):
    other = [row(11 + i, f"QUOTE {w} NB", 10 + i, 100, ticker="XYZ") for i, w in enumerate(("BID", "ASK"))]
    first, second = read(csv(tmp_path, *ROWS, *other))
    assert (first.symbol, second.symbol) == ("IBM", "XYZ")
    assert book(second) == [(10.0, 100, None, None), (10.0, 100, 11.0, 100)]  # nothing of the other ticker
