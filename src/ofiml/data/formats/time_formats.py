"""Text to local times, dates and times of day, by a known form or a format as of strftime; null for another form."""

import re

import polars as pl

from ofiml.data.formats.text_marks import restore_points

NAIVE = pl.Datetime("ns")  # a local time, whose zone is applied later
YEARS = r"(?:19[7-9][0-9]|20[0-9]{2}|21[0-9]{2}|22[0-5][0-9])"  # int64 nanoseconds hold them

_SHORT = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M"}
_DIRECTIVES = {
    "%Y": YEARS,
    "%y": "[0-9]{2}",
    "%m": "[0-9]{1,2}",
    "%d": "[0-9]{1,2}",
    "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}",
    "%H": "[0-9]{1,2}",
    "%I": "[0-9]{1,2}",
    "%M": "[0-9]{2}",
    "%S": "[0-5][0-9]",
    "%p": "[AaPp][Mm]",
    "%%": "%",
}
_FRACTION = ("%.f", "%f")
_LOCAL = (
    rf"^({YEARS})[-/.]?([0-9]{{2}})[-/.]?([0-9]{{2}})[ T]([0-9]{{1,2}}:[0-9]{{2}}:[0-5][0-9])(?:[.,]([0-9]{{1,9}}))?$"
)


def check_format(form: str) -> str | None:
    """Return what is wrong with a format as of strftime, or None."""
    parts = _split_format(form)
    for part in parts:
        if part.startswith("%") and part not in _DIRECTIVES and part not in _FRACTION:
            return f"{part} is not one of {', '.join([*_DIRECTIVES, *_FRACTION])}"
    if sum(part in _FRACTION for part in parts) > 1:
        return "it has two fractions of a second"
    if not any(part.startswith("%") for part in parts):
        return "it has no directive such as %H"
    return None


def _split_format(form: str) -> list[str]:
    for short, long in _SHORT.items():
        form = form.replace(short, long)
    return re.findall(r"%\.f|%.|[^%]|%$", form)


def _split_fraction(x: pl.Expr, form: str) -> tuple[pl.Expr, str, pl.Expr]:
    """Return the text without its fraction of a second, its format, and the fraction in nanoseconds."""
    before, after, optional = "", "", ""
    plain = ""
    seen = False
    for part in _split_format(form):
        if part in _FRACTION:
            seen, optional = True, r"(?:[.,]([0-9]{1,9}))?" if part == "%.f" else r"([0-9]{1,9})"
            continue
        one = _DIRECTIVES.get(part, re.escape(part))
        before, after = (before, after + one) if seen else (before + one, after)
        plain += part
    pattern = rf"^({before}){optional}({after})$"
    cell = pl.when(x.str.contains(pattern)).then(x)
    parts = cell.str.extract_groups(pattern)
    names = ["1", "2", "3"] if seen else ["1", "2"]
    fields = [parts.struct.field(name) for name in names]
    fraction = fields[1].fill_null("0").str.pad_end(9, "0").cast(pl.Int64) if seen else pl.lit(0, pl.Int64)
    return pl.concat_str(fields[0], fields[-1]), plain, fraction


def parse_formatted(x: pl.Expr, form: str) -> pl.Expr:
    """Parse local times (NAIVE) by a format as of strftime; %.f and %f are the fraction of a second, to 1e-9."""
    cell, plain, fraction = _split_fraction(restore_points(x.str.strip_chars()), form)
    stamp = cell.str.to_datetime(plain, time_unit="us", strict=False)
    known = pl.when(stamp.dt.year().is_between(1970, 2259)).then(stamp).cast(NAIVE)
    return known + pl.duration(nanoseconds=fraction, time_unit="ns")


def parse_local(x: pl.Expr) -> pl.Expr:
    """Parse local times, the year first and the time of day with colons, as in 2024/01/16 9:30:00.5."""
    cell = restore_points(x.str.strip_chars())
    parts = pl.when(cell.str.contains(_LOCAL)).then(cell).str.extract_groups(_LOCAL)
    year, month, day, clock, fraction = (parts.struct.field(str(i)) for i in range(1, 6))
    text = pl.concat_str(year, pl.lit("-"), month, pl.lit("-"), day, pl.lit("T"), clock.str.pad_start(8, "0"))
    stamp = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(NAIVE)
    return stamp + pl.duration(nanoseconds=fraction.fill_null("0").str.pad_end(9, "0").cast(pl.Int64))


def parse_date(x: pl.Expr, form: str | None) -> pl.Expr:
    """Parse dates, by a format or as 2024-01-16, 2024/01/16, 2024.01.16, 20240116, 16JAN2024 or 16-Jan-2024."""
    cell = restore_points(x.str.strip_chars())
    if form is not None:
        text, plain, _ = _split_fraction(cell, form)
        date = text.str.to_date(plain, strict=False)
        return pl.when(date.dt.year().is_between(1970, 2259)).then(date)
    digits = cell.str.replace_all(r"[-/. ]", "")
    numbers = pl.when(cell.str.contains(rf"^{YEARS}[-/.]?[0-9]{{2}}[-/.]?[0-9]{{2}}$")).then(digits)
    words = pl.when(cell.str.contains(rf"^[0-9]{{2}}[- ]?[A-Za-z]{{3}}[- ]?{YEARS}$")).then(digits)
    return pl.coalesce(numbers.str.to_date("%Y%m%d", strict=False), words.str.to_date("%d%b%Y", strict=False))


def parse_clock(x: pl.Expr, form: str | None) -> pl.Expr:
    """Parse times of day to nanoseconds since midnight, by a format or as 9:30:00.045918486."""
    cell = restore_points(x.str.strip_chars())
    form = form or "%H:%M:%S%.f"
    text, plain, fraction = _split_fraction(cell, form)
    return text.str.to_time(plain, strict=False).cast(pl.Int64) + fraction
