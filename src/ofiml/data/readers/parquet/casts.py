"""Cast the columns of a table to the event schema where that is plain: without a guess, and without loss.

A time as text needs its zone, a time in another unit or zone is the same instant, and whole numbers are the same in any
type. A price that is not an integer of 1e-9, a time without a zone and a number as a time are refused: their unit or
zone is not known.
"""

from typing import NoReturn

import polars as pl

from ofiml.data.checks import Check, Checker
from ofiml.data.formats import csv as text
from ofiml.data.schema import LATEST, TIME
from ofiml.errors import DataError

_NS_PER_UNIT = {"ns": 1, "us": 1_000, "ms": 1_000_000}


def cast_columns(frame: pl.DataFrame, schema: dict[str, pl.DataType], checker: Checker) -> pl.DataFrame:
    """Return the frame with the `schema`'s columns in its types; a null stays null.

    Raises DataError for a column of a type that does not cast plainly, and for values that do not fit, if the policy of
    `checker` does.
    """
    casts: dict[str, pl.Expr] = {}
    checks: list[Check] = []
    for name, dtype in schema.items():
        given, column = frame.schema[name], pl.col(name)
        if given == dtype:
            continue
        if given == pl.Null():
            casts[name] = column.cast(dtype)
        elif dtype == TIME:
            casts[name] = _cast_time(name, given, checker.source)
            if given == pl.String():
                bad = column.is_not_null() & casts[name].is_null()
                what = f"{{{name}!r}} is not an ISO time with a zone, as in 2024-10-21T14:00:00.5Z"
                checks.append(Check("unreadable", name, bad, what))
        elif dtype.is_integer() and (given.is_integer() or (given.is_float() and not _is_price(name))):
            number = column.fill_nan(None) if given.is_float() else column
            casts[name] = number.cast(dtype, strict=False)
            bad = number.is_not_null() & (casts[name].is_null() | (casts[name] != number))
            checks.append(Check("unreadable", name, bad, f"{{{name}}} does not fit {dtype}"))
        else:
            _refuse_type(name, given, dtype, checker.source)
    rows = checker.apply(frame, checks) if checks else frame
    return rows.with_columns(**casts)


def _cast_time(name: str, given: pl.DataType, source: str) -> pl.Expr:
    """Cast a time with a zone to ns in UTC; a time beyond int64 becomes one that the later checks refuse."""
    if given == pl.String():
        return text.iso_time().value(pl.col(name))
    if not isinstance(given, pl.Datetime) or given.time_zone is None:
        _refuse_type(name, given, TIME, source)
    factor = _NS_PER_UNIT[given.time_unit]
    units = pl.col(name).dt.timestamp(given.time_unit)
    fits = units.is_between(-LATEST // factor, LATEST // factor)
    ns = pl.when(fits).then(units * factor).when(units > 0).then(LATEST + 1).when(units < 0).then(-1)
    return ns.cast(TIME)


def _is_price(name: str) -> bool:
    return name == "price" or "_px_" in name


def _refuse_type(name: str, given: pl.DataType, dtype: pl.DataType, source: str) -> NoReturn:
    start = f"{source}, column {name}: its type is {given}; it must be {dtype}"
    if dtype == TIME and isinstance(given, pl.Datetime):
        remedy = f'. Its zone is missing: add it, as in pl.col("{name}").dt.replace_time_zone("UTC").'
    elif dtype == TIME and given.is_integer():
        remedy = f'. The unit of a number is not known: cast it, as in pl.from_epoch("{name}", "ns").'
    elif _is_price(name) and (given.is_float() or given.is_decimal()):
        remedy = f'. Prices are integers of 1e-9: (pl.col("{name}") * 1e9).round().cast(pl.Int64).'
    else:
        remedy = "."
    raise DataError(start + remedy)
