"""Why a cell or a line of a CSV cannot be read, and what to do: a sentence for the cause, one for the remedy.

A remedy is None if the cell is merely damaged, so that dropping its row is right. A number that is well formed and not
usable has a remedy of its own: rows dropped by their value would bias the data.
"""

import re
from decimal import Decimal, InvalidOperation

from ofiml.data.remedies import POINT

Cause = tuple[str, str | None]

# The sum of two prices, bid and ask, fits in int64 units of 1e-9.
MAX_PRICE = 4_600_000_000.0
# Above 2^52 units of 1e-9 a float no longer distinguishes neighbours, and a price would be silently wrong.
MAX_FLOAT_PRICE = 4_000_000.0
MAX_SIZE = 1_000_000_000_000

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_COMMAS = re.compile(r"[+-]?[0-9][0-9.\x01]*,[0-9,]+|[+-]?[0-9]+,[0-9]*")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
_MAX_CHARS = 400
_DAY_OR_MONTH_FIRST = re.compile(
    r"\s*(?P<first>[0-9]{1,2})(?P<mark>[./\x01-])(?P<second_number>[0-9]{1,2})[./\x01-](?P<year>[0-9]{4}|[0-9]{2})"
    r"(?:(?P<gap>[ T])(?P<hour>[0-9]{1,2}):[0-9]{2}(?P<second>:[0-9.,]+)?(?P<space> ?)(?P<half>[AaPp][Mm])?)?"
)


def explain_word(cell: str) -> Cause:
    """Explain nothing: a word is in its list or not."""
    return "", None


def explain_price(cell: str) -> Cause:
    """Explain a price that cannot be read: too large, too fine, or with a comma."""
    number = _parse_number(cell)
    if number is None:
        return _explain_marks(cell)
    if abs(number) > int(MAX_PRICE):
        return (
            f"It is above the largest price, {MAX_PRICE:,.0f}.",
            "If the prices are integers in a small unit, dataset=quotes reads them with dataset.price_unit=….",
        )
    return "It has more than 9 decimals, and prices are whole multiples of 1e-9.", "Round the prices in the file."


def explain_size(unit: float, cell: str) -> Cause:
    """Explain a size that cannot be read: no multiple of the lot, too large, or with a comma."""
    number = _parse_number(cell)
    if number is None:
        return _explain_marks(cell)
    if abs(number) > MAX_SIZE * Decimal(repr(unit)):
        return f"It is more than {MAX_SIZE:,} lots.", "Set dataset.size_unit to the size of one lot."
    return (
        f"It is not a multiple of one lot, {unit:g}.",
        "Set dataset.size_unit to the smallest step of the sizes (with dataset=quotes and dataset.sizes=units).",
    )


def explain_whole(cell: str) -> Cause:
    """Explain an integer that cannot be read: a fraction, too large, or with a comma."""
    number = _parse_number(cell)
    if number is None:
        return _explain_marks(cell)
    return ("It is too large." if number == number.to_integral_value() else "It is not a whole number."), None


def explain_time(cell: str) -> Cause:
    """Explain a time that cannot be read: day before month, rounded by an exponent, or another unit."""
    if (date := _DAY_OR_MONTH_FIRST.match(cell)) is not None:
        return _explain_date_order(date)
    if re.fullmatch(r"\s*[0-9.]+[eE]\+?[0-9]+\s*", cell):
        return "Its exponent shows that digits of the time were lost.", "Export the times again with all digits."
    if re.fullmatch(r"\s*[0-9]{1,2}:[0-9]{2}(:[0-9.]*)?\s*", cell):
        return (
            "It has no date.",
            "If the date is a column of its own, set dataset.columns.date (dataset=quotes), or add it to the times.",
        )
    if re.fullmatch(r"\s*[0-9]{10,19}(\.[0-9]*)?\s*", cell):
        return "Its unit is another than in most rows.", "Write all times in one unit, such as ns."
    if (zone := re.search(r"[0-9] ?([A-Z]{2,5})\s*$", cell)) is not None and zone[1] not in ("AM", "PM"):
        return (
            f"{zone[1]} is an abbreviation, which several zones may share.",
            "Remove it from the times and set dataset.time_zone, such as America/New_York (dataset=quotes), or write "
            "the offset, such as -05:00.",
        )
    return "", None


def _explain_date_order(date: re.Match[str]) -> Cause:
    """Explain a date with the day or the month first; the remedy has the format of its separators and its clock."""
    mark = date["mark"].replace(POINT, ".")
    year = "%Y" if len(date["year"]) == 4 else "%y"
    twelve = date["half"] is not None
    clock = "" if date["hour"] is None else date["gap"] + ("%I" if twelve else "%H") + ":%M"
    clock += "" if date["second"] is None else ":%S%.f"
    clock += (" %p" if date["space"] else "%p") if twelve else ""
    forms = {"day": f"%d{mark}%m{mark}{year}{clock}", "month": f"%m{mark}%d{mark}{year}{clock}"}
    first, second = int(date["first"]), int(date["second_number"])
    if first > 12 or second > 12:
        form = forms["day" if first > 12 else "month"]
        return "Its date does not begin with the year.", f"Set 'dataset.time_format=\"{form}\"' (dataset=quotes)."
    return (
        "Its form does not tell the day from the month.",
        f"Set 'dataset.time_format=\"{forms['day']}\"' if the day is first, '…\"{forms['month']}\"' if the month is.",
    )


def explain_fields(lines: list[bytes], width: int) -> str:
    """Explain why lines have more fields than line 1, which has `width` commas, and state the remedy."""
    rows = [line for line in lines[1:] if line.strip()]
    wide = [line for line in rows if line.count(b",") > width]
    if all(line.rstrip(b"\r").endswith(b",") for line in wide):
        return "Such lines end with a trailing comma: delete it, or add one to line 1."
    if len(wide) == len(rows) and all(line.count(b",") == width + 1 for line in wide):
        return "Every row has one more than the names, as if it began with a row number: export without row names."
    return "Fix or delete the line. (Commas may be decimal marks: dataset=quotes reads dataset.decimal=comma.)"


def _parse_number(cell: str) -> Decimal | None:
    cell = cell.strip()
    if len(cell) > _MAX_CHARS or _NUMBER.fullmatch(cell) is None:
        return None
    try:
        return Decimal(cell)
    except InvalidOperation:
        return None


def _explain_marks(cell: str) -> Cause:
    if "\x01" in cell:
        return "It has a point, although the decimal mark is a comma.", "Remove the points that separate thousands."
    if len(cell) <= _MAX_CHARS and "." in cell and _THOUSANDS.fullmatch(cell.strip()):
        return "Its commas separate thousands.", "Export the numbers without them."
    if len(cell) <= _MAX_CHARS and _COMMAS.fullmatch(cell.strip()):
        return (
            "It has a comma.",
            "If commas are decimal marks, set dataset.decimal=comma (dataset=quotes); if they separate thousands, "
            "remove them.",
        )
    return "", None
