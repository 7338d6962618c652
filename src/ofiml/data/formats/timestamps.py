"""Local times (text, or date and time of day, in a zone) to UTC nanoseconds.

A local time that does not exist, or exists twice, at a change of daylight saving is invalid.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from ofiml.data.formats import csv as text
from ofiml.data.schema import TIME
from ofiml.units import SECOND

_EPOCH_UNITS = {10: SECOND, 13: 1_000_000, 16: 1_000, 19: 1}  # digits of a time in this century -> ns


def find_midnight(date: dt.date, zone: ZoneInfo) -> int:
    """Return the origin of seconds since midnight, in UTC ns: noon less 12 hours.

    On a day with a change of daylight saving it differs from the instant at which the clock shows 0:00.
    """
    noon = dt.datetime.combine(date, dt.time(12), zone)
    return (int(noon.timestamp()) - 12 * 3600) * SECOND


def choose_time_column(sample: pl.DataFrame, name: str, zone: str) -> text.Column:
    """Choose the type of a CSV's time column by most of the sample's cells.

    It is ISO 8601 with a space or T, with its own zone or in `zone`, to at most nanoseconds; or integers since 1970 in
    seconds, milli-, micro- or nanoseconds, by their number of digits.
    """
    for digits, unit in _EPOCH_UNITS.items():
        if text.match_mostly(sample, [name], rf"^\s*\d{{{digits}}}\s*$"):
            return text.epoch_time(unit)
    zoned = text.match_mostly(sample, [name], text.ZONE)

    def value(x: pl.Expr) -> pl.Expr:
        stamp = x.str.strip_chars()
        stamp = pl.when(stamp.str.contains(text.STAMP + (text.ZONE if zoned else "$"))).then(stamp)
        if zoned:
            return stamp.str.to_datetime("%+", time_unit="ns", strict=False).cast(TIME)
        return to_utc(
            stamp.str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ns", strict=False), zone
        )

    return text.Column(pl.String(), value)


def to_utc(naive: pl.Expr, zone: str) -> pl.Expr:
    """Convert local times of `zone` to UTC; null for a time that does not exist, or exists twice."""
    local = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC").cast(TIME)
