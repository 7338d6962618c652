"""The format of numbers, times and tables on the terminal and in Markdown. An undefined value is a dash."""

import datetime as dt
import math
from collections.abc import Iterable, Sequence

from ofiml.units import SECOND

DASH = "–"


def format_number(value: float, form: str = ".3f") -> str:
    """Format a number by the format spec `form`, without a minus before a zero; a dash for NaN.

    Text for terminals, Markdown and JSON has the hyphen as its minus, which other programs read. HTML and figures have
    a typographic one, which their renderers set.

    >>> format_number(-1234.5, ",.2f"), format_number(-0.001, ".2f"), format_number(float("nan"))
    ('-1,234.50', '0.00', '–')
    """
    if value != value:
        return DASH
    text = format(value, form)
    return text if text.strip("+-0.,%") else text.replace("-", "")


def choose_money_form(amounts: Iterable[float]) -> str:
    """Choose the format spec of amounts of money: two decimals, or more if all are below 1 of the currency.

    >>> choose_money_form([1234.5, 0.01]), choose_money_form([0.0456, float("nan")])
    (',.2f', ',.4f')
    """
    largest = max((abs(amount) for amount in amounts if amount == amount), default=0.0)
    return ",.2f" if largest >= 1 or largest == 0 else f",.{2 - math.floor(math.log10(largest))}f"


def format_interval(low: float, high: float, form: str = ".3f") -> str:
    """Format the ends of an interval; a dash for NaN.

    >>> format_interval(0.1, 0.25, ".2f")
    '0.10 … 0.25'
    """
    return DASH if low != low else f"{format_number(low, form)} … {format_number(high, form)}"


def format_estimate(value: float, low: float, high: float, form: str = ".3f") -> str:
    """Format a value with its interval in parentheses, or `no interval` if that is NaN; a dash for a value of NaN.

    >>> format_estimate(0.2, 0.1, 0.25, ".2f"), format_estimate(0.2, float("nan"), float("nan"), ".2f")
    ('0.20 (0.10 … 0.25)', '0.20 (no interval)')
    """
    if value != value:
        return DASH
    interval = f"{format_number(low, form)} … {format_number(high, form)}" if low == low else "no interval"
    return f"{format_number(value, form)} ({interval})"


def format_p(value: float) -> str:
    """Format a p-value.

    >>> format_p(0.0004), format_p(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if value < 0.001 else format_number(value)


def format_range(values: Iterable[float], form: str) -> str:
    """Format the minimum and maximum of the values that are not NaN; a dash if all are.

    >>> format_range([2.0, 1.0, float("nan")], ".1f")
    '1.0 to 2.0'
    """
    known = [value for value in values if value == value]
    return f"{min(known):{form}} to {max(known):{form}}" if known else DASH


def format_time(at: int) -> str:
    """Format ns since 1970 in UTC, to the second, or with nine decimals if it is not a whole second.

    >>> format_time(1_704_187_800_000_000_000)
    '2024-01-02 09:30:00+00:00'
    """
    second, rest = divmod(int(at), SECOND)
    whole = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=second)
    return f"{whole}{f'.{rest:09d}' if rest else ''}+00:00"


def format_span(first: str, last: str, *, year: bool = True, seconds: bool = False, gap: str = " ") -> str:
    """Format two times (`format_time`), to the minute or the second, with or without the year.

    The last has a date, after `gap`, if it is of another day.

    >>> format_span("2024-01-02 09:30:00+00:00", "2024-01-02 11:00:10+00:00")
    '2024-01-02 09:30 to 11:00'
    >>> format_span("2024-01-02 09:30:00+00:00", "2024-01-03 11:00:10+00:00", year=False, seconds=True)
    '01-02 09:30:00 to 01-03 11:00:10'
    """
    start, end = 0 if year else 5, 19 if seconds else 16
    same_day = first[:10] == last[:10]
    return f"{first[start:end]} to{last[10:end] if same_day else gap + last[start:end]}"


def format_seconds(seconds: float) -> str:
    """Format a number of seconds, as minutes from 100 s on.

    >>> format_seconds(12.3), format_seconds(180)
    ('12 s', '3 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def format_markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Format a Markdown table, without a final line break; a `|` inside a cell is escaped.

    >>> print(format_markdown_table(["", "IC"], [["a|b", "0.1"]]))
    | | IC |
    |---|---|
    | a\|b | 0.1 |
    """
    body = "".join(f"\n{_format_row(row)}" for row in rows)
    return f"{_format_row(header)}\n{'|---' * len(header)}|{body}"


def _format_row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in escaped)
