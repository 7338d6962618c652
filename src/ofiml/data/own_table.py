"""Sessions from a user's own table of book states."""

import math
import numbers
import re
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
import polars as pl

from ofiml.data.quality import Quality
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, LATEST, SIDE, TIME, Session, extract_times, make_schema
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = Union[pl.DataFrame, "pd.DataFrame"]

_LEVEL = re.compile(r"(?:bid|ask)_(?:px|sz)_([0-9]{2})")
_LEVEL_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz")


def convert_to_session(states: Session | Table, *, tick: float | None = None, timed: bool = False) -> Session:
    """Convert a table of book states to a session of one symbol, open from its first row to its last.

    `tick` is in the units of the table's prices, and its times are read, if the states are `timed`; else the rows are
    merely in order. A session is returned unchanged. Raises DataError for what is no table, for one that lacks columns
    or rows, for columns that hold something else, for sizes that are negative or not whole, for times that decrease,
    for a tick that is none, and for prices of the book off the tick.
    """
    if isinstance(states, Session):
        return states
    table = _read_table(states)
    book_columns = _list_book_columns(table)
    if table.height == 0:
        raise DataError("The table has no rows.")
    if timed and tick is None:
        raise DataError("A table has no tick of its own: give tick=0.01, in the units of its prices.")
    for name in (*book_columns, "price", "size"):
        if name in table.columns:
            table = table.with_columns(_require_numbers(table[name]))
    prices = [c for c in (*book_columns, "price") if c[4:6] == "px" or (c == "price" and c in table.columns)]
    unit = PRICE_SCALE if any(table[c].dtype.is_float() for c in prices) else 1
    levels = len(book_columns) // len(_LEVEL_COLUMNS)
    columns = {c: _convert_prices(table[c], unit) if c in prices else _convert_lots(table[c]) for c in book_columns}
    if "price" in prices:
        columns["price"] = _convert_prices(table["price"], unit)
    events = _build_events(table, _read_stamps(table, timed), columns, levels)
    units = 1 if tick is None else _convert_tick(tick, unit)
    for name in book_columns:
        if name[4:6] == "px":
            _require_on_tick(columns[name], units, unit)
    known = extract_times(events)
    return Session(
        symbol="TABLE",
        date=str(np.datetime64(int(known[0]), "ns").astype("datetime64[D]")),
        events=events,
        open=int(known[0]),
        close=int(known[-1]),
        tick=units,
        levels=levels,
        size_unit=1.0,
        source="the table",
        digest="",
        quality=Quality(),
    )


def _read_table(states: Table) -> pl.DataFrame:
    """Read a polars or pandas table. Raises DataError for anything else."""
    if isinstance(states, pl.DataFrame):
        return states
    kind = type(states).__name__
    if kind != "DataFrame":
        hint = " (collect it first)" if kind == "LazyFrame" else ""
        raise DataError(f"The book states are of type {kind}{hint}: give a session, or a polars or pandas table.")
    try:
        return pl.from_pandas(states)
    except (TypeError, ValueError) as error:
        raise DataError(f"The pandas table cannot be converted to polars: {error}") from error


def _list_book_columns(table: pl.DataFrame) -> list[str]:
    """List the columns of prices and sizes, best level first. Raises DataError if one is missing."""
    levels = 1 + max((int(match[1]) for c in table.columns if (match := _LEVEL.fullmatch(c))), default=-1)
    names = [f"{name}_{m:02d}" for m in range(max(levels, 1)) for name in _LEVEL_COLUMNS]
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(f"The table has no column {missing[0]}: each level has {', '.join(names[:4])}, and so on.")
    return names


def _build_events(table: pl.DataFrame, stamps: pl.Series, columns: dict[str, pl.Series], levels: int) -> pl.DataFrame:
    """Build the events of a session from converted `columns`; a column that the table lacks has a neutral value."""
    rest: dict[str, pl.Expr | pl.Series] = {
        "action": _read_letters(table, "action", ACTION, "M"),
        "side": _read_letters(table, "side", SIDE, "N"),
        "size": _convert_lots(table["size"]) if "size" in table.columns else pl.lit(0),
        "price": pl.lit(None, pl.Int64),
        "flags": _read_flags(table),
        "sequence": pl.int_range(pl.len()),
        "symbol": pl.lit("TABLE"),
    } | {f"{side}_ct_{m:02d}": pl.lit(None, pl.UInt32) for m in range(levels) for side in ("bid", "ask")}
    events = pl.DataFrame({"ts_recv": stamps, "ts_event": stamps}).with_columns(**(rest | columns))
    for m in range(levels):  # a level without a price has no size
        for side in ("bid", "ask"):
            size = pl.when(pl.col(f"{side}_px_{m:02d}").is_not_null()).then(pl.col(f"{side}_sz_{m:02d}").fill_null(0))
            events = events.with_columns(size.alias(f"{side}_sz_{m:02d}"))
    return events.select(pl.col(c).cast(kind) for c, kind in make_schema(levels).items())


def _read_letters(table: pl.DataFrame, name: str, known: pl.Enum, neutral: str) -> pl.Series | pl.Expr:
    """Read a column of Databento's letters. Raises DataError for any other value."""
    if name not in table.columns:
        return pl.lit(neutral)
    letters = table[name].cast(pl.String, strict=False)
    unknown = (~letters.is_in(known.categories)).fill_null(False).arg_true()
    if len(unknown):
        row = unknown[0]
        raise DataError(
            f"{name}, row {row}: {letters[row]!r} is none of {', '.join(known.categories)}, as in Databento."
        )
    return letters


def _read_flags(table: pl.DataFrame) -> pl.Series:
    """Read the flags, with the snapshot's for each `reset`. Raises DataError for what is no flag or no boolean."""
    flags = table["flags"] if "flags" in table.columns else pl.Series("flags", [F_LAST] * table.height)
    if not flags.dtype.is_integer() or not flags.is_between(0, 255).all():
        raise DataError("flags must be whole numbers from 0 to 255, as in Databento.")
    if "reset" in table.columns:
        reset = table["reset"]
        if reset.dtype != pl.Boolean and not (reset.dtype.is_integer() and reset.is_in([0, 1]).all()):
            raise DataError("reset must be true or false in each row.")
        flags = flags.cast(pl.Int64) | reset.cast(pl.Int64) * F_SNAPSHOT
    return flags.cast(pl.UInt8)


def _read_stamps(table: pl.DataFrame, timed: bool) -> pl.Series:
    """Read the times of the rows, or row numbers if there are none and `timed` is false. Raises DataError for times
    that decrease.
    """
    name = next((c for c in ("ts_recv", "ts_event") if c in table.columns), None)
    if name is None:
        if timed:
            raise DataError("The table has no column ts_recv: the time of each row, a datetime or integer ns UTC.")
        return pl.Series("ts", np.arange(table.height)).cast(pl.Int64).cast(TIME)
    stamps = table[name]
    if isinstance(stamps.dtype, pl.Datetime):
        stamps = stamps.dt.cast_time_unit("ns").to_physical()
    elif not stamps.dtype.is_integer():
        raise DataError(f"{name} is {stamps.dtype}: give a datetime, or integer ns UTC.")
    if stamps.null_count() or not stamps.is_sorted():
        raise DataError(f"{name} has nulls or decreases: sort the table by it, in the order of the feed.")
    if len(stamps) and stamps[-1] > LATEST:
        raise DataError(f"{name} ends after 2260: integers are ns UTC since 1970.")
    return stamps.cast(pl.Int64).cast(TIME)


def _require_numbers(series: pl.Series) -> pl.Series:
    """Return the column, decimals as floats. Raises DataError for a column without numbers."""
    if series.dtype == pl.Null:
        return series.cast(pl.Int64)
    if series.dtype.is_decimal():
        return series.cast(pl.Float64)
    if series.dtype.is_numeric():
        return series
    raise DataError(f"{series.name} is {series.dtype}: give numbers.")


def _convert_prices(series: pl.Series, unit: int) -> pl.Series:
    """Convert prices times `unit` to integers; NaN becomes null. Raises DataError for floats beyond 9.2e9."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if unit == 1:
        return series.cast(pl.Int64)
    units = (series.cast(pl.Float64) * unit).round()
    if (units.abs() >= 2.0**63).any():
        raise DataError(
            f"{series.name} has prices beyond 9.2e9: floats are prices in currency, integers are in any one unit."
        )
    return units.cast(pl.Int64)


def _convert_tick(tick: float, unit: int) -> int:
    """Convert a tick to whole units of price. Raises DataError for one that is not above 0, or less than a unit."""
    if isinstance(tick, bool) or not isinstance(tick, numbers.Real):
        raise DataError(f"tick={tick!r} is no number: give the price increment, in the units of the table's prices.")
    if not math.isfinite(tick) or tick <= 0:
        raise DataError(f"tick={tick} is no price increment: give one above 0, in the units of the table's prices.")
    units = round(tick * unit)
    if units < 1:
        raise DataError(f"tick={tick} is less than the smallest price that the table can hold, {1 / unit:g}.")
    return units


def _require_on_tick(prices: pl.Series, tick: int, unit: int) -> None:
    """Raise DataError for a price of the book that is no multiple of the tick."""
    off = (prices % tick != 0).fill_null(False).arg_true()
    if len(off):
        row, price = off[0], prices[off[0]] / unit
        raise DataError(
            f"{prices.name}, row {row}: {price:.10g} is no multiple of the tick, {tick / unit:.10g}; "
            f"{len(off):,} rows have such a price. Give the tick of the market."
        )


def _convert_lots(series: pl.Series) -> pl.Series:
    """Convert sizes to integers; NaN becomes null. Raises DataError for fractions of a lot, and for negative sizes."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
        if ((series % 1) != 0).any():
            raise DataError(f"{series.name} has fractions of a lot: divide the sizes by the smallest possible size.")
    negative = (series < 0).fill_null(False).arg_true()
    if len(negative):
        raise DataError(f"{series.name}, row {negative[0]}: {series[negative[0]]:,} is negative; sizes count lots.")
    return series.cast(pl.Int64)
