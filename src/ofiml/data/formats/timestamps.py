"""Times of many forms (text, numbers, a date and a time of day) to UTC nanoseconds, or to local times first."""

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from ofiml.data.formats import causes
from ofiml.data.formats import csv as text
from ofiml.data.formats.cell_kernel import LOCAL, NUMBER
from ofiml.data.formats.cells import Plain
from ofiml.data.formats.text_marks import restore_points
from ofiml.data.formats.time_formats import NAIVE, parse_clock, parse_date, parse_formatted, parse_local
from ofiml.data.schema import LATEST, TIME
from ofiml.units import SECOND

UNITS = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}

_DIGITS = {10: "s", 13: "ms", 16: "us", 19: "ns"}  # of the whole part of a time in this century
_DECIMALS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_ZONE = r" ?(Z|z|UTC|GMT|(?:GMT|UTC)?[+-][0-9]{2}(?::?[0-9]{2})?)$"
_DAY = 86_400 * SECOND


def find_midnight(date: dt.date, zone: ZoneInfo) -> int:
    """Return the origin of seconds since midnight, in UTC ns: noon less 12 hours.

    On a day with a change of daylight saving it differs from the instant at which the clock shows 0:00.
    """
    noon = dt.datetime.combine(date, dt.time(12), zone)
    return (int(noon.timestamp()) - 12 * 3600) * SECOND


def choose_time_column(sample: pl.DataFrame, name: str, form: str | None = None) -> text.Column:
    """Choose the type of a CSV's time column; its values are UTC (TIME), or local times (NAIVE).

    `form` is a unit of numbers since 1970 (s, ms, us, ns), or a format as of strftime. If it is None, most of the
    sample's cells decide: a date and a time of day, with a zone or without; or numbers since 1970, decimal or whole,
    whose unit follows from the digits of their whole part.
    """
    if form in UNITS:
        return _make_number_column(form)
    if form is not None:
        return text.Column(pl.String(), lambda x: parse_formatted(x, form), explain=causes.explain_time)
    for digits, unit in _DIGITS.items():
        if text.match_mostly(sample, [name], rf"^\s*\d{{{digits}}}(\.\d*)?\s*$"):
            return _make_number_column(unit)
    if text.match_mostly(sample, [name], text.STAMP + text.ZONE):
        column = text.iso_time()
        return text.Column(column.dtype, column.value, plain=column.plain, explain=causes.explain_time)
    if text.match_mostly(sample, [name], r"[ T][0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?" + _ZONE):
        return text.Column(pl.String(), _parse_zoned, explain=causes.explain_time)
    if text.match_mostly(sample, [name], text.STAMP + r"\s*$"):
        return text.Column(pl.String(), _parse_iso, plain=Plain(LOCAL, dtype=NAIVE), explain=causes.explain_time)
    return text.Column(pl.String(), parse_local, explain=causes.explain_time)


def make_date_column(form: str | None) -> text.Column:
    """Make a column of dates."""
    return text.Column(pl.String(), lambda x: parse_date(x, form), explain=causes.explain_time)


def make_clock_column(form: str | None) -> text.Column:
    """Make a column of times of day, converted to nanoseconds since midnight; `form` as in `choose_time_column`."""
    if form in UNITS:
        places, latest = _DECIMALS[form], _DAY - 1
        plain = Plain(NUMBER, places, 0, latest, pl.Int64())
        return text.Column(pl.String(), lambda x: _parse_number(x, form, latest), plain=plain)
    return text.Column(pl.String(), lambda x: parse_clock(x, form), explain=causes.explain_time)


def _make_number_column(unit: str) -> text.Column:
    """Make a column of times since 1970, decimal or whole, exact to the nanosecond: they are never floats."""
    plain = Plain(NUMBER, _DECIMALS[unit], 0, LATEST, TIME)
    return text.Column(
        pl.String(), lambda x: _parse_number(x, unit, LATEST).cast(TIME), plain=plain, explain=causes.explain_time
    )


def _parse_number(x: pl.Expr, unit: str, latest: int) -> pl.Expr:
    places = _DECIMALS[unit]
    cell = x.str.strip_chars()
    known = pl.when(cell.str.contains(rf"^[0-9]{{1,19}}(\.[0-9]{{0,{places}}}0*)?$")).then(cell)
    whole = known.str.extract(r"^([0-9]+)").cast(pl.Int64, strict=False)
    digits = known.str.extract(r"\.([0-9]*)").fill_null("").str.slice(0, places).str.pad_end(places, "0")
    fraction = pl.lit(0, pl.Int64) if places == 0 else digits.cast(pl.Int64, strict=False)
    return pl.when(whole <= latest // UNITS[unit]).then(whole * UNITS[unit] + fraction)


def _parse_iso(x: pl.Expr) -> pl.Expr:
    """Parse local times of the form YYYY-MM-DD HH:MM:SS.f, faster than `parse_local`."""
    stamp = x.str.strip_chars()
    plain = pl.when(stamp.str.contains(text.STAMP + "$")).then(stamp)
    return plain.str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ns", strict=False)


def _parse_zoned(x: pl.Expr) -> pl.Expr:
    stamp = restore_points(x.str.strip_chars())
    zone = stamp.str.extract(_ZONE)
    sign = pl.when(zone.str.contains("-", literal=True)).then(-1).otherwise(1)
    hours = zone.str.extract(r"[+-]([0-9]{2})").cast(pl.Int64).fill_null(0)
    minutes = zone.str.extract(r"[+-][0-9]{2}:?([0-9]{2})$").cast(pl.Int64).fill_null(0)
    offset = pl.when(zone.is_not_null() & (hours <= 23) & (minutes <= 59)).then(sign * (hours * 60 + minutes))
    utc = parse_local(stamp.str.replace(_ZONE, "")) - pl.duration(minutes=offset, time_unit="ns")
    return utc.dt.replace_time_zone("UTC").cast(TIME)


def to_utc(naive: pl.Expr, zone: str) -> pl.Expr:
    """Convert local times of `zone` to UTC; null for a time that does not exist, or exists twice."""
    local = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC").cast(TIME)


def to_utc_in_order(naive: pl.Series, zone: str) -> tuple[pl.Series, pl.Series]:
    """Convert local times of `zone` in feed order to UTC; return them, and whether each time exists twice in the zone.

    A time that does not exist is null. In the hour that exists twice, when the clock goes back, the order decides: if
    the times run back once within that hour, those before are in its first pass and those from there on in its second.
    Else such times are null.
    """
    local = pl.col("naive").dt
    table = naive.alias("naive").to_frame()
    times_once = table.select(to_utc(pl.col("naive"), zone)).to_series()
    if times_once.null_count() == naive.null_count():  # the usual day: the clock does not change
        return times_once, pl.repeat(False, len(naive), eager=True)
    first = local.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    second = local.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    passes = {"first": first, "second": second}
    times = table.with_columns(**{name: stamp.dt.convert_time_zone("UTC").cast(TIME) for name, stamp in passes.items()})
    twice = (times["first"] != times["second"]).fill_null(False)
    if not twice.any():
        return times["first"], twice
    back = (pl.col("naive") < pl.col("naive").shift(1)).fill_null(False).cast(pl.Int64)
    day = pl.col("naive").dt.date()
    hour = times.filter(twice).with_columns(back=back.over(day))
    n_before, n_back = pl.col("back").cum_sum().over(day), pl.col("back").sum().over(day)
    chosen = pl.when(n_back == 1).then(pl.when(n_before == 0).then("first").otherwise("second"))
    return times["first"].scatter(twice.arg_true(), hour.select(chosen).to_series()), twice
