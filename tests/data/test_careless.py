"""Files as they come from people: each is read as it is plainly meant, or has an error with cause and remedy."""

import datetime as dt
import json

import pytest

from ofiml.config import Policy
from ofiml.data.recognition import describe_path
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.data.test_carry import MBO_HEADER, mbo_lines
from tests.golden.test_aapl import file_dataset

HEADER = "time,symbol,bid,ask,bid_size,ask_size"
START = dt.datetime(2024, 11, 12, 14, 30, tzinfo=dt.UTC)
COLUMNS = [f"dataset.columns.{role}={role}" for role in HEADER.split(",")]


def quotes(count=600, start=START, step=1, form="%Y-%m-%dT%H:%M:%SZ"):
    for i in range(count):
        bid = 100 + (i * i // 7 % 5) / 100
        yield f"{start + dt.timedelta(seconds=step * i):{form}},X,{bid:.2f},{bid + 0.01:.2f},{1 + i % 9},{1 + i % 4}"


@pytest.fixture
def read(tmp_path, configure):
    def sessions(*overrides):
        asked = ["dataset=quotes", f"dataset.path={tmp_path}", *COLUMNS, "dataset.store=null", *overrides]
        return [session for source in list_sources(configure(*asked).dataset) for session in source()]

    return sessions


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_hourly_files_of_a_whole_day_with_hours_before_the_open(tmp_path, read):
    """New York: 13:00 UTC is an hour and a half before the open, 21:00 is the close. 22:00 lies after it."""
    for hour in (12, 13, 14, 15, 22):
        start = dt.datetime(2024, 11, 12, hour, tzinfo=dt.UTC)
        write(tmp_path / f"{hour}.csv", HEADER, *quotes(180, start, 20))
    (s,) = read("dataset.calendar=XNYS")
    assert s.date == "2024-11-12"
    assert s.quality.rows == 5 * 180
    assert s.quality.used == s.events.height == 2 * 180 - 90
    assert s.quality.dropped == {"outside_hours": 3 * 180 + 90}
    assert "files without an event in these hours: 3 (the first: 12.csv)" in s.quality.notes


def test_files_that_are_all_outside_the_hours_are_refused(tmp_path, read):
    for hour in (11, 12):
        write(tmp_path / f"{hour}.csv", HEADER, *quotes(180, dt.datetime(2024, 11, 12, hour, tzinfo=dt.UTC), 20))
    with pytest.raises(DataError, match=r"11\.csv: no events within the session's hours"):
        read("dataset.calendar=XNYS")


def test_days_that_begin_before_the_open_stay_apart(tmp_path, read):
    for day in (12, 13, 14):
        write(tmp_path / f"{day}.csv", HEADER, *quotes(300, dt.datetime(2024, 11, day, 13, tzinfo=dt.UTC), 60))
    assert [s.source for s in read("dataset.calendar=XNYS")] == ["12.csv", "13.csv", "14.csv"]


def test_orders_from_before_the_open_are_in_the_book_after_it(tmp_path):
    lines = [line.replace("T14:00", "T14:29").replace("T14:01", "T14:30") for line in mbo_lines(100)]
    (tmp_path / "whole").mkdir()
    write(tmp_path / "whole" / "x.csv", MBO_HEADER, *lines)
    write(tmp_path / "13.csv", MBO_HEADER, *lines[:55])
    write(tmp_path / "14.csv", MBO_HEADER, *lines[55:])
    policy = Policy(unknown_order="raise", one_sided="raise")
    (whole,), (two,) = (
        [s for source in list_sources(file_dataset("databento_mbo", path, tick=0.1, hours="regular", policy=policy))
         for s in source()]
        for path in (tmp_path / "whole", f"{tmp_path}/*.csv")
    )  # fmt: skip
    assert two.events.equals(whole.events)
    assert two.events.height > 30
    assert two.quality.dropped["outside_hours"] == 60


def test_a_header_in_the_middle(tmp_path, read):
    rows = list(quotes())
    write(tmp_path / "x.csv", HEADER, *rows[:300], HEADER, *rows[300:])
    with pytest.raises(DataError, match=r"line 302, column time: 'time' cannot be read.*repeats the header.*=drop"):
        read("dataset.calendar=24/7")
    (s,) = read("dataset.calendar=24/7", "dataset.policy.unreadable=drop")
    assert (s.events.height, s.quality.dropped) == (600, {"unreadable": 1})


def test_thousands_as_excel_writes_them(tmp_path, read):
    rows = [line.split(",") for line in quotes()]
    lines = [f'{t},{x},"1,{bid}","1,{ask}",{z}.0,{s}.0' for t, x, bid, ask, z, s in rows]
    write(tmp_path / "x.csv", "\ufeff" + HEADER, *lines)
    with pytest.raises(
        DataError, match=r"line 2, column bid: '1,100\.00' cannot be read.*Its commas separate thousands"
    ):
        read("dataset.calendar=24/7")


def test_local_times_without_a_zone_are_named_as_a_likely_cause(tmp_path, read):
    write(tmp_path / "x.csv", HEADER, *quotes(start=START - dt.timedelta(hours=5), form="%Y-%m-%d %H:%M:%S"))
    (s,) = read("dataset.calendar=XNYS")
    assert s.quality.notes[-1].endswith("all hours are used (if its times are local, set dataset.time_zone)")
    (s,) = read("dataset.calendar=XNYS", "dataset.time_zone=America/New_York")
    assert s.events["ts_recv"][0] == START


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("sep=;", HEADER.replace(",", ";")), "text whose first line is no header ('sep=;'): delete the lines before"),
        (("# of a program", HEADER), "first line is no header ('# of a program')"),
        (("https://a.site", HEADER), "first line is no header"),
        (
            ("agg_trade_id,price,quantity,transact_time", "1,2,3,4"),
            "transact_time, which no source has. None is a quote",
        ),
        (("ticker,bid_price,ask_price,bid_size,ask_size,sip_timestamp", "A,1,2,3,4,5"), "time=sip_timestamp"),
        (("Gmt time,Ask,Bid,AskVolume,BidVolume", "1,2,3,4,5"), "'dataset.columns.time=Gmt time'"),
    ],
)
def test_what_describe_says(tmp_path, lines, sentence):
    said, _ = describe_path(str(write(tmp_path / "x.csv", *lines)), "check")
    assert sentence in " ".join(said)


def test_a_stream_that_ends_inside_a_line(tmp_path):
    row = {"e": "depthUpdate", "E": 1, "s": "X", "U": 1, "u": 1, "b": [["1.0", "1"]], "a": []}
    lines = [json.dumps(row | {"E": 1_731_420_000_000 + k, "U": k, "u": k}) for k in range(1, 20)]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines)[:-20])
    with pytest.raises(DataError, match=r"x\.jsonl, line 19: not a complete JSON message"):
        list(list_sources(file_dataset("binance", path, calendar="24/7"))[0]())
