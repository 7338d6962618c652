"""Times as clocks on walls show them: text, or time of day and date, in a zone, to UTC nanoseconds.

A local time that does not exist, or exists twice, at a change of daylight saving cannot be read.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from ofiml.data.formats import csv as text
from ofiml.data.schema import TIME
from ofiml.units import SECOND

_EPOCH_UNITS = {10: SECOND, 13: 1_000_000, 16: 1_000, 19: 1}  # digits of a time in this century -> ns


def midnight(date: dt.date, zone: ZoneInfo) -> int:
    """UTC ns of the instant that seconds since midnight count from.

    It is what the clock shows after the night's change: noon less 12 hours.
    """
    noon = dt.datetime.combine(date, dt.time(12), zone)
    return (int(noon.timestamp()) - 12 * 3600) * SECOND


def time_column(sample: pl.DataFrame, name: str, zone: str) -> text.Column:
    """How the times of a CSV's column are read: as most of the sample's cells look.

    ISO 8601 with a space or T, with its own zone or in `zone`, to at most nanoseconds; or integers since 1970, of
    seconds, milli-, micro- or nanoseconds by their number of digits.
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
    """Local times of `zone` to UTC; null where there is no such time, or where there are two."""
    local = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC").cast(TIME)
