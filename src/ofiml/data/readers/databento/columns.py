"""The columns of Databento's files: the types of a CSV's cells, and of a table's columns.

Prices are decimals of the currency or integers of 1e-9. In a table their type decides. In a CSV the notation decides:
Databento writes nine decimals, pandas at least one, and integers only for units of 1e-9, whatever their number of
digits.
"""

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import csv as text
from ofiml.data.formats.cell_kernel import NUMBER
from ofiml.data.formats.cells import Plain
from ofiml.data.schema import ACTION, NO_PRICE, SIDE
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

EVENT_NAMES = ["ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence"]
ID_NAMES = ["publisher_id", "instrument_id"]
_DECIMAL = r"[.eE]"
# A file of decimals has a point in nearly all cells, or in a quarter where a program omits the zeros of whole prices.
# In a file of integers, points are damage.
_MIN_DECIMAL_SHARE = 0.1


def list_level_columns(levels: int, quantity: str) -> list[str]:
    """List the columns of one quantity (px, sz, ct), from the best level on."""
    return [f"{side}_{quantity}_{m:02d}" for m in range(levels) for side in ("bid", "ask")]


def list_price_columns(levels: int) -> list[str]:
    """List the columns of prices: of the event, and of the levels."""
    return ["price", *list_level_columns(levels, "px")]


def read_csv(blob: Blob, names: list[str], levels: int, unit: float, tick: float, checker: Checker) -> pl.DataFrame:
    """Read a CSV with these `names` of columns; return `line` and the columns that `make_columns` knows.

    Raises DataError also for integer prices that are all off the tick: their unit cannot be decided.
    """
    sample = text.read_head(blob)
    times: dict[str, text.Column] = {
        t: text.epoch_time(1) if text.match_mostly(sample, [t], r"^\s*\d+\s*$") else text.iso_time()
        for t in ("ts_event", "ts_recv")
        if t in names
    }
    prices = [c for c in list_price_columns(levels) if c in names]

    def make(price: text.Column) -> dict[str, text.Column]:
        return make_columns(names, levels, times, dict.fromkeys(prices, price), unit)

    if _compute_decimal_share(sample, prices) < _MIN_DECIMAL_SHARE:
        columns = make(text.scaled_price(1, none=NO_PRICE))
        frame = text.read_if_valid(blob, columns, checker)
        # An invalid cell may be a decimal after many whole prices, so all rows decide.
        if frame is not None or _compute_decimal_share(text.read_as_text(blob), prices) < _MIN_DECIMAL_SHARE:
            return _require_unit(
                text.read_csv(blob, columns, checker) if frame is None else frame, prices, tick, checker
            )
    return text.read_csv(blob, make(text.price()), checker)


def _compute_decimal_share(table: pl.DataFrame, prices: list[str]) -> float:
    """Compute the share of decimals among the cells of the prices that are not empty; 0 without cells."""
    count = decimals = 0
    for c in prices:
        cells = table[c].drop_nulls()
        count += cells.len() - int((cells == "").sum())
        decimals += int(cells.str.contains(_DECIMAL).sum())
    return decimals / count if count else 0.0


def _require_unit(frame: pl.DataFrame, prices: list[str], tick: float, checker: Checker) -> pl.DataFrame:
    """Raise DataError if no price of an integer file is a multiple of the tick: it may be in currency."""
    step = round(tick * PRICE_SCALE)
    stated = [frame[c].filter(frame[c] != NO_PRICE) for c in prices]
    if not any(p.len() for p in stated) or any((p % step == 0).any() for p in stated):
        return frame
    name, value = next((c, p[0]) for c, p in zip(prices, stated, strict=True) if p.len())
    line = frame.filter(pl.col(name) == value)["line"][0]
    raise DataError(
        f"{checker.source}, {checker.place} {line}, column {name}: all prices are integers, which Databento writes "
        f"for units of 1e-9, but {value} is {value / PRICE_SCALE:g}, and no price is a multiple of "
        f"dataset.tick={tick:g}: give the instrument's tick, or write prices in currency with a decimal point."
    )


def make_columns(
    names: list[str], levels: int, times: dict[str, text.Column], prices: dict[str, text.Column], unit: float
) -> dict[str, text.Column]:
    """Make the columns of a file with these `names`: the `times` and `prices`, and all others that are read."""
    columns = {
        **times,
        "action": text.category(ACTION),
        "side": text.category(SIDE),
        **{name: text.optional(column) for name, column in prices.items()},
        "size": text.size(unit),
        **dict.fromkeys(list_level_columns(levels, "sz"), text.size(unit)),
        "flags": text.integer(pl.UInt8(), limit=255),
        "sequence": text.integer(),
        "order_id": text.Column(pl.UInt64(), lambda x: x, plain=Plain(NUMBER, low=0, dtype=pl.UInt64())),
        **dict.fromkeys(ID_NAMES, text.integer()),
        **dict.fromkeys(list_level_columns(levels, "ct"), text.optional(text.integer(pl.UInt32()))),
        "rtype": text.integer(),
        "symbol": text.word(),
    }
    return {name: column for name, column in columns.items() if name in names and (levels == 0 or name != "order_id")}


def convert_table(
    raw: pl.DataFrame, names: list[str], levels: int, unit: float, tick: float, checker: Checker
) -> pl.DataFrame:
    """Convert a table's columns `names` to `line` and the columns that `make_columns` knows.

    Raises DataError for a column of another type, and as `read_csv`.
    """
    columns = _choose_typed_columns(raw, names, levels, unit)
    _check_types(raw, columns, checker.source)
    frame = _convert_columns(raw, columns, checker)
    integers = [c for c in list_price_columns(levels) if c in names and raw.schema[c].is_integer()]
    return _require_unit(frame, integers, tick, checker)


def _choose_typed_columns(raw: pl.DataFrame, names: list[str], levels: int, unit: float) -> dict[str, text.Column]:
    """Choose the columns of a table by their types: float prices are pretty, integers are in 1e-9."""
    prices = {
        name: text.price()
        if raw.schema[name].is_float() or raw.schema[name].is_decimal()
        else text.scaled_price(1, none=NO_PRICE)
        for name in list_price_columns(levels)
        if name in names
    }
    times: dict[str, text.Column] = {t: text.epoch_time(1) for t in ("ts_event", "ts_recv") if t in names}
    columns = make_columns(names, levels, times, prices, unit)
    # In a table a missing level may have a null size; in CSV and DBN it is 0.
    return columns | {c: text.optional(columns[c]) for c in list_level_columns(levels, "sz")}


def _check_types(raw: pl.DataFrame, columns: dict[str, text.Column], source: str) -> None:
    """Raise DataError for a column whose type does not cast to the expected values."""
    words = (pl.String, pl.Categorical, pl.Enum, pl.Binary)
    for name, column in columns.items():
        dtype = raw.schema[name]
        if column.dtype == pl.String():
            fits, expected = isinstance(dtype, words), "strings"
        elif name.startswith("ts_"):
            fits, expected = dtype.is_integer() or isinstance(dtype, pl.Datetime), "times or integers"
        else:
            fits, expected = dtype.is_numeric(), "numbers"
        if not fits and dtype != pl.Null():
            raise DataError(f"{source}, column {name}: its type is {dtype}, but {expected} are expected; convert it.")


def _convert_columns(raw: pl.DataFrame, columns: dict[str, text.Column], checker: Checker) -> pl.DataFrame:
    """Convert a typed table to `line` and its columns."""
    parsed = raw.select(
        "line", *(_cast_column(c.dtype, _unwrap_column(raw.schema[n], n)).alias(n) for n, c in columns.items())
    )
    values = parsed.select("line", *(c.value(pl.col(n)).alias(n) for n, c in columns.items()))
    for name, column in columns.items():
        bad = values[name].is_null()
        if column.optional:
            bad &= ~raw.select(_unwrap_column(raw.schema[name], name).is_null()).to_series()
        if bad.any():
            first = raw.filter(bad)[name][0]
            what = "the value is missing" if first is None else f"{{{name}!r}} cannot be read"
            raw = checker.refuse("unreadable", raw, bad, name, what)
            values = values.filter(~bad)
    return values


def _cast_column(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """Cast the column; null if the type is an integer and the value has a fraction."""
    cast = column.cast(dtype, strict=False)
    return pl.when(cast == column).then(cast) if dtype.is_integer() else cast


def _unwrap_column(dtype: pl.DataType, name: str) -> pl.Expr:
    """Return the column as stored numbers or strings, NaN as null."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return column.dt.timestamp("ns")
    if dtype.is_float():
        return column.fill_nan(None)
    if isinstance(dtype, pl.Binary | pl.Categorical | pl.Enum):
        return column.cast(pl.String, strict=False)
    return column
