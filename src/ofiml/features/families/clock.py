"""The time of day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ofiml.features.entry import EVEN, MINUTE, Feature

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

ENTRIES = (
    Feature("time_of_day", "clock", "exchange-local time", "hours", "never", EVEN),
    Feature("minutes_since_open", "clock", "t - open of the session", "minutes", "never", EVEN),
    Feature("minutes_to_close", "clock", "scheduled close of the session - t", "minutes", "never", EVEN),
    Feature("day_of_week", "clock", "0 for a Monday, of the session's date", "1", "never", EVEN),
)


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`; they do not need the book."""
    s = m.state
    out.time_of_day = (t + s.utc_offset) % (24 * 60 * MINUTE) / (60.0 * MINUTE)
    out.minutes_since_open = (t - s.open) / MINUTE
    out.minutes_to_close = (s.scheduled_close - t) / MINUTE
    out.day_of_week = s.weekday
