"""Sessions by the exchange's own clock: daylight saving, half days, holidays, days that never close."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ofiml.data.calendar import find_time_zone, list_windows
from ofiml.errors import ConfigError, DataError
from tests.data.test_readers import GOOD, csv, read
from tests.golden.test_aapl import file_dataset

SECOND = 1_000_000_000


def at(text, zone="UTC"):
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def spans(calendar, hours, first, last):
    return [(w.date, str(np.datetime64(w.open, "ns"))[:16], str(np.datetime64(w.close, "ns"))[:16])
            for w in list_windows(calendar, hours, at(first), at(last))]  # fmt: skip


def test_regular_hours_follow_daylight_saving_and_half_days():
    found = {w[0]: w[1:] for w in spans("XNYS", "regular", "2024-10-31T12:00", "2024-11-05T12:00")}
    assert found["2024-11-01"] == ("2024-11-01T13:30", "2024-11-01T20:00")
    assert found["2024-11-04"] == ("2024-11-04T14:30", "2024-11-04T21:00")
    assert "2024-11-02" not in found
    found = {w[0]: w[1:] for w in spans("XNYS", "regular", "2024-11-27T12:00", "2024-11-30T12:00")}
    assert found["2024-11-29"] == ("2024-11-29T14:30", "2024-11-29T18:00")  # the day after Thanksgiving
    assert "2024-11-28" not in found


def test_given_hours_are_exchange_local_on_its_days():
    found = {w[0]: w[1:] for w in spans("XNYS", ["04:00", "09:30"], "2024-11-01T12:00", "2024-11-04T12:00")}
    assert found["2024-11-01"] == ("2024-11-01T08:00", "2024-11-01T13:30")
    assert found["2024-11-04"] == ("2024-11-04T09:00", "2024-11-04T14:30")
    assert "2024-11-03" not in found


def test_an_overnight_session_has_one_date():
    found = {w[0]: w[1:] for w in spans("CMES", "regular", "2024-10-20T23:00", "2024-10-21T12:00")}
    assert found["2024-10-21"] == ("2024-10-20T22:00", "2024-10-21T22:00")
    assert str(find_time_zone("CMES")) == "America/Chicago"


def test_a_market_that_never_closes_has_utc_days():
    assert spans("24/7", "regular", "2024-03-30T23:00", "2024-03-31T01:00") == [
        ("2024-03-30", "2024-03-30T00:00", "2024-03-30T23:59"),
        ("2024-03-31", "2024-03-31T00:00", "2024-03-31T23:59"),
    ]


def test_wrong_times_do_not_run_away():
    with pytest.raises(DataError, match="a time is wrong"):
        list_windows("XNYS", "regular", 0, at("2024-03-30T23:00"))


def rows(*times):
    return [GOOD.format(1).replace("2024-10-21T14:00:01.000000001Z", t).replace("2024-10-21T14:00:01Z", t)
            for t in times]  # fmt: skip


def test_rows_outside_the_hours_are_counted_with_the_nearest_session(tmp_path):
    times = [
        "2024-10-20T14:00:00Z",  # a Sunday
        "2024-10-21T13:00:00Z",  # before the open
        "2024-10-21T13:30:00Z",  # the open itself
        "2024-10-21T19:59:59Z",
        "2024-10-21T20:00:00.000000001Z",
        "2024-10-22T08:00:00Z",
        "2024-10-22T15:00:00Z",
    ]
    first, second = read(csv(tmp_path, *rows(*times)), hours="regular")
    assert (first.date, first.quality.used, first.quality.dropped) == ("2024-10-21", 2, {"outside_hours": 3})
    assert (second.date, second.quality.used, second.quality.dropped) == ("2024-10-22", 1, {"outside_hours": 1})
    assert first.quality.rows + second.quality.rows == 7
    assert (first.open, first.close) == (at("2024-10-21T13:30"), at("2024-10-21T20:00"))


def test_one_file_without_a_regular_hour_is_used_whole_and_it_is_said(tmp_path):
    path = csv(tmp_path, *rows("2024-10-21T08:00:00Z", "2024-10-21T08:00:30Z"))
    (s,) = read(path, hours="regular")
    assert s.quality.notes == ["no events in regular hours, so all hours are used"]
    assert (s.quality.used, s.close - s.open) == (2, 90 * SECOND)
    (tmp_path / "other.csv").write_text(path.read_text())
    with pytest.raises(DataError, match=r"no events within .*dataset\.hours=all"):
        read(tmp_path / "*.csv", hours="regular")


def test_dates_choose_sessions(tmp_path):
    path = csv(tmp_path, *rows("2024-10-21T15:00:00Z", "2024-10-22T15:00:00Z", "2024-10-23T15:00:00Z"))
    dates = {(None, None): 3, ("2024-10-22", None): 2, (None, "2024-10-22"): 2, ("2024-10-22", "2024-10-22"): 1}
    for (first, last), count in dates.items():
        assert len(read(path, hours="regular", first_date=first, last_date=last)) == count


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"calendar": "XNYX"}, r"dataset\.calendar=XNYX is not a calendar .* XNYS"),
        ({"hours": "auto"}, r"dataset\.hours must be regular, all"),
        ({"hours": ["16:00", "09:30"]}, "times in order"),
        ({"hours": ["9:30", "16:00"]}, "times in order"),
        ({"first_date": "yesterday"}, "dataset.first_date=yesterday is not a date"),
        ({"first_date": "2024-01-02", "last_date": "2024-01-01"}, "not be later"),
        ({"size_unit": 0.0}, "dataset.size_unit"),
    ],
)
def test_wrong_settings(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        file_dataset("databento", csv(tmp_path, *rows("2024-10-21T15:00:00Z")), **settings)


def test_a_symbol_without_a_regular_hour_is_counted_among_others(tmp_path):
    early = [r.replace(",X", ",EARLY") for r in rows("2024-10-21T08:00:00Z", "2024-10-21T08:00:30Z")]
    (s,) = read(csv(tmp_path, *early, *rows("2024-10-21T15:00:00Z")), hours="regular")
    assert (s.symbol, s.quality.rows, s.quality.used) == ("X", 3, 1)
    assert s.quality.dropped == {"outside_hours": 2}
    assert s.quality.notes == ["EARLY has no events in these hours"]
