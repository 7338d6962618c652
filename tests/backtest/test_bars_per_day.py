"""How many bars a full day has, from the tested part of it."""

import polars as pl
import pytest

from ofiml.backtest import traded_bars
from ofiml.backtest.traded_bars import divide_bars
from ofiml.data.quality import Quality
from ofiml.samples.session import SessionSamples
from ofiml.units import SECOND

HOUR = 3600


def make_session(
    symbol: str, day: str, open_: float, close: float, *, scheduled: float | None = None, calendar: str = "XNYS"
) -> SessionSamples:
    return SessionSamples(
        key=(symbol, day),
        rows=pl.DataFrame(),
        levels=1,
        flow_levels=1,
        size_unit=1.0,
        open=round(open_ * SECOND),
        close=round(close * SECOND),
        scheduled_close=None if scheduled is None else round(scheduled * SECOND),
        source="",
        digest="",
        events=0,
        quality=Quality(),
        planted=None,
        calendar=calendar,
    )


def make_rows(symbol: str, day: str, edges: list[float], path: int | None = None) -> pl.DataFrame:
    stamps = [round(t * SECOND) for t in edges]
    n = len(edges) - 1
    columns = {"symbol": [symbol] * n, "session": [day] * n, "bar_open": stamps[:-1], "bar_close": stamps[1:]}
    columns |= {"hold_until": stamps[1:]} if path is None else {"hold_until": stamps[1:], "path": [path] * n}
    return pl.DataFrame(columns)


def count_bars_per_day(rows: pl.DataFrame, sessions: list[SessionSamples]) -> float:
    return traded_bars.count_bars_per_day(divide_bars(rows), sessions)


def test_a_part_of_a_session_counts_as_a_whole_one():
    session = make_session("A", "d", 0, 6 * HOUR)
    rows = make_rows("A", "d", [4 * HOUR + 10 * k for k in range(181)])  # half an hour of bars of 10 s
    assert count_bars_per_day(rows, [session]) == pytest.approx(6 * 360)


def test_the_calendars_close_counts_and_not_the_datas():
    session = make_session("A", "d", 0, 600, scheduled=6 * HOUR)
    assert count_bars_per_day(make_rows("A", "d", [0, 10, 20]), [session]) == pytest.approx(6 * 360)


def test_a_market_that_never_closes_has_24_hours():
    session = make_session("A", "d", 0, HOUR, calendar="24/7")
    assert count_bars_per_day(make_rows("A", "d", [0, 60, 120]), [session]) == pytest.approx(24 * 60)


def test_bars_of_activity_count_by_the_time_that_they_cover():
    session = make_session("A", "d", 0, HOUR)
    assert count_bars_per_day(make_rows("A", "d", [0, 1, 5, 60]), [session]) == pytest.approx(3 * 60)


def test_symbols_share_times_and_days_are_averaged():
    sessions = [make_session(s, d, 0, HOUR) for s in "AB" for d in ("d1", "d2")]
    rows = pl.concat(
        [
            *(make_rows(s, "d1", [0, 10, 20]) for s in "AB"),  # the same times: 360 an hour
            make_rows("A", "d2", [86_400, 86_405, 86_420]),
            make_rows("B", "d2", [86_400, 86_410, 86_420]),  # three times in 20 s: 540 an hour
        ]
    )
    assert count_bars_per_day(rows, sessions) == pytest.approx(450)


def test_paths_are_no_more_bars():
    session = make_session("A", "d", 0, HOUR)
    rows = pl.concat(make_rows("A", "d", [0, 10, 20], path) for path in range(3))
    assert count_bars_per_day(rows, [session]) == pytest.approx(360)
