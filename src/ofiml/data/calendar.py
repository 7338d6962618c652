"""Session times of a market: exchange calendars with half days and daylight saving, or UTC days."""

import datetime as dt
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ofiml.data.schema import Int64
from ofiml.errors import DataError
from ofiml.units import SECOND

_MINUTE, _DAY = 60 * SECOND, 24 * 3600 * SECOND
# Markets collect orders for an auction at most so long before the open, and after the close.
_PRE_OPEN, _POST_CLOSE = 120 * _MINUTE, 30 * _MINUTE
# Calendars of futures let sessions follow each other, though the market pauses in the hour before the next open.
_PAUSE = 60 * _MINUTE
ALWAYS = "24/7"


@dataclass(frozen=True, slots=True)
class Window:
    """A session's date (the exchange's own) and bounds, UTC ns.

    `scheduled` is the expected close where the events end earlier, else None.
    """

    date: str
    open: int
    close: int
    scheduled: int | None = None

    def contains_any(self, stamps: Int64) -> bool:
        """Return whether any of the sorted times lies inside, bounds included: bars start from a state at the open."""
        return bool(np.searchsorted(stamps, self.open) < np.searchsorted(stamps, self.close, side="right"))

    def intersect(self, other: "Window") -> "Window":
        """Return the overlap with `other`; without an overlap, its open is not before its close."""
        return Window(self.date, max(self.open, other.open), min(self.close, other.close))

    def trim(self, stamps: Int64) -> "Window":
        """Trim to the minute of the first event and to the last event.

        Whole minutes keep the bar grid independent of the first event's exact time.
        """
        first = int(stamps[np.searchsorted(stamps, self.open)])
        last = int(stamps[np.searchsorted(stamps, self.close, side="right") - 1])
        # Bars are (open, close]: the open lies before the first event.
        return replace(self.intersect(Window(self.date, (first - 1) // _MINUTE * _MINUTE, last)), scheduled=self.close)


def find_time_zone(calendar: str) -> ZoneInfo:
    """Return the exchange's time zone."""
    if calendar == ALWAYS:
        return ZoneInfo("UTC")
    if calendar in ("XNYS", "XNAS"):
        return ZoneInfo("America/New_York")
    return ZoneInfo(str(_load_calendar(calendar, dt.date(2024, 1, 1), dt.date(2024, 1, 31)).tz))


def list_windows(calendar: str, hours: Any, first: int, last: int) -> list[Window]:
    """List the sessions that may contain events from `first` to `last` (UTC ns), in order and without overlap.

    `hours` is `regular` (the calendar's hours, with half days and daylight saving), `all` (exchange-local days) or two
    exchange-local times on the calendar's days. A market that never closes has UTC days. Raises DataError for sessions
    with a break and for times that the calendar does not cover.
    """
    zone = find_time_zone(calendar)
    days = _list_days(zone, first, last)
    if hours == "all" or (calendar == ALWAYS and hours == "regular"):
        return [_make_day(d, zone) for d in days]
    if calendar == ALWAYS:
        return [make_window(d, hours, zone) for d in days]
    schedule = _load_schedule(calendar, days[0] - dt.timedelta(7), days[-1] + dt.timedelta(7))
    if hours == "regular" and schedule["break_start"].notna().any():
        raise DataError(
            f"the sessions of {calendar} have a break: choose one part of the day, such as "
            "dataset.hours=['09:00','11:30'], so that no measurement spans the break."
        )
    bounds = (schedule[c].dt.tz_convert(None).to_numpy().astype("datetime64[ns]") for c in ("open", "close"))
    opens, closes = (b.astype(np.int64).tolist() for b in bounds)
    windows = [
        make_window(label.date(), hours, zone)
        if isinstance(hours, list)
        else Window(label.date().isoformat(), open_, close)
        for label, open_, close in zip(schedule.index, opens, closes, strict=True)
    ]
    return [w for w in windows if w.close >= first - _DAY and w.open <= last + _DAY]


def list_auctions(calendar: str, first: int, last: int) -> tuple[Int64, Int64]:
    """List the times around the calendar's opens and closes at which an auction may collect orders from `first` to
    `last` (UTC ns): starts and ends, in order. A market that never closes has none.

    Raises DataError for times that the calendar does not cover.
    """
    if calendar == ALWAYS:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    days = _list_days(find_time_zone(calendar), first, last)
    schedule = _load_calendar(calendar, days[0] - dt.timedelta(7), days[-1] + dt.timedelta(7)).schedule

    def list_times(*names: str) -> list[int]:
        times = (schedule[c].dropna().dt.tz_convert(None).to_numpy().astype("datetime64[ns]") for c in names)
        return [t for column in times for t in column.astype(np.int64).tolist()]

    opens, closes = sorted(list_times("open", "break_end")), sorted(list_times("close", "break_start"))
    before = [(_find_pre_open(t, closes), t) for t in opens]
    after = [(t, min([t + _POST_CLOSE, *opens[bisect_left(opens, t) :][:1]])) for t in closes]
    spans = sorted(before + after)
    starts, ends = (np.array(bounds, np.int64) for bounds in zip(*spans, strict=True))
    return np.maximum(starts, np.append(starts[:1], ends[:-1])), ends  # after a close soon follows the next pre-open


def _find_pre_open(open_: int, closes: list[int]) -> int:
    """Return when orders may collect before an open, after the last of the sorted `closes` before it."""
    if open_ in closes:
        return open_ - _PAUSE
    return max([open_ - _PRE_OPEN, *closes[: bisect_left(closes, open_)][-1:]])


def _list_days(zone: ZoneInfo, first: int, last: int) -> list[dt.date]:
    start, end = (dt.datetime.fromtimestamp(t // SECOND, zone).date() for t in (first, last))
    if (end - start).days > 366 * 30:
        raise DataError(f"the events span {start} to {end}: a time is wrong; see dataset.policy.time_reversal.")
    return [start + dt.timedelta(k) for k in range((end - start).days + 1)]


def _make_day(day: dt.date, zone: ZoneInfo) -> Window:
    """Make the window of a local day, which ends just before the first instant of the next."""
    return Window(
        day.isoformat(), _convert_local(day, "00:00", zone), _convert_local(day + dt.timedelta(1), "00:00", zone) - 1
    )


def _convert_local(day: dt.date, at: str, zone: ZoneInfo) -> int:
    return int(dt.datetime.combine(day, dt.time.fromisoformat(at), zone).timestamp()) * SECOND


def make_window(day: dt.date, hours: list[str], zone: ZoneInfo) -> Window:
    """Make the window of a day from one local time to another."""
    return Window(day.isoformat(), _convert_local(day, hours[0], zone), _convert_local(day, hours[1], zone))


def _load_schedule(name: str, start: dt.date, end: dt.date) -> Any:
    """Return the schedule of the days; whole months are loaded, which takes a fifth of a second, and kept."""
    first = start.replace(day=1)
    last = (end.replace(day=28) + dt.timedelta(4)).replace(day=1) - dt.timedelta(1)
    try:
        schedule = _load_calendar(name, first, last).schedule
    except DataError:  # a calendar that begins or ends within a month
        return _load_calendar(name, start, end).schedule
    days = schedule.index.date
    return schedule[(days >= start) & (days <= end)]


@lru_cache(maxsize=64)
def _load_calendar(name: str, start: dt.date, end: dt.date) -> Any:
    import exchange_calendars  # takes a second to load

    try:
        return exchange_calendars.get_calendar(name, start=start.isoformat(), end=end.isoformat())
    except (ValueError, exchange_calendars.errors.CalendarError) as error:
        raise DataError(
            f"the calendar {name} does not cover {start} to {end}: a time is wrong, or choose dataset.calendar=24/7."
        ) from error
