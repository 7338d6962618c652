"""Databento's files: one table from CSV, DBN or Parquet, for the readers of the MBP and MBO schemas."""

from collections.abc import Callable

import polars as pl

from ofiml.config import FileDataset
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import Blob, unpack_file
from ofiml.data.formats import csv as text
from ofiml.data.formats import dbn
from ofiml.data.formats import parquet as columnar
from ofiml.data.formats.cells import NUMBER, Plain
from ofiml.data.schema import (
    ACTION,
    F_SNAPSHOT,
    LATEST,
    NO_PRICE,
    SIDE,
    TIME,
)
from ofiml.errors import DataError

NEEDED = ["ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence"]
_IDS = ["publisher_id", "instrument_id"]
F_MAYBE_BAD_BOOK = 4  # the vendor lost messages of the feed permanently


def list_level_columns(levels: int, quantity: str) -> list[str]:
    """List the columns of one quantity (px, sz, ct), from the best level on."""
    return [f"{side}_{quantity}_{m:02d}" for m in range(levels) for side in ("bid", "ask")]


def read_rows(
    files: list[Blob], dataset: FileDataset, rtypes: tuple[int, ...], count_levels: Callable[[list[str], str], int]
) -> tuple[pl.DataFrame, int, Checker]:
    """Read the rows of a file; return them, their number of levels, and a checker with the counts of dropped rows.

    The rows have `line`, the event columns, the levels or `order_id`, `symbol`, and the numbers of instrument and
    publisher if the file has them. `count_levels` returns the number of levels to read from a file with these columns,
    and refuses files of another schema. A count of 0 means not counted and becomes null. Raises DataError for files of
    another schema, missing columns, and rows that the policy refuses.
    """
    (blob,) = (unpack_file(f) for f in files)
    binary = blob.content.startswith(dbn.MAGIC)
    checker = Checker(blob.name, dataset.policy, place="record" if binary else "line")
    if binary:
        rtype, frame, mappings = dbn.read_dbn(blob)
        if rtype not in rtypes:
            other = "databento_mbo" if rtype == dbn.MBO else "databento"
            raise DataError(
                f"{blob.name} contains {'MBO' if rtype == dbn.MBO else 'MBP'} records: use dataset={other}."
            )
        levels = count_levels(frame.columns, f"{blob.name}")
        frame = _require_usable(dbn.resolve_symbols(frame, mappings, blob.name), levels, dataset.size_unit, checker)
    else:
        if blob.content.startswith(columnar.MAGIC):
            checker.place = "row"
            raw = columnar.read_parquet(blob, list)
            levels = count_levels(raw.columns, blob.name)
            typed = _choose_typed_columns(raw, levels, dataset.size_unit)
            _check_types(raw, typed, blob.name)
            frame = _convert_table(raw, typed, checker)
        else:
            names = text.read_header(blob)
            levels = count_levels(names, f"{blob.name}, line 1")
            frame = text.read_csv(blob, _choose_columns(blob, names, levels, dataset.size_unit), checker)
        counts = [c for c in list_level_columns(levels, "ct") if c in frame.columns]
        frame = frame.with_columns(pl.when(pl.col(c) != 0).then(pl.col(c)).alias(c) for c in counts)
    absent = [c for c in list_level_columns(levels, "ct") if c not in frame.columns]
    frame = frame.with_columns(pl.lit(None, pl.UInt32).alias(c) for c in absent)
    if "symbol" not in frame.columns:
        if dataset.symbols is None or len(dataset.symbols) != 1:
            raise DataError(f"{blob.name}, line 1: the column symbol is missing; name the symbol, dataset.symbols=[…].")
        frame = frame.with_columns(pl.lit(dataset.symbols[0]).alias("symbol"))
    return frame, levels, checker


def check_one_book(events: pl.DataFrame, symbol: str, checker: Checker) -> pl.DataFrame:
    """Return the rows of a symbol; set F_SNAPSHOT where its instrument changes and where the vendor lost messages.

    Raises DataError if the symbol has several instruments or venues at once: their rows belong to several books.
    """
    for column, what in (("publisher_id", "publishers"), ("instrument_id", "instruments")):
        if column not in events.columns or events.height == 0:
            continue
        ids = events[column]
        if ids.min() == ids.max():
            continue
        changes = (ids != ids.shift(1)).fill_null(False)
        if column == "publisher_id" or int(changes.sum()) + 1 > ids.n_unique():
            line = events["line"].filter(changes)[0]
            raise DataError(
                f"{checker.source}, {checker.place} {line}, column {column}: {symbol} has rows of several {what} "
                f"({', '.join(map(str, ids.unique().sort()[:5]))}), which are several books; keep one per file."
            )
        flags = pl.when(changes).then(pl.col("flags") | F_SNAPSHOT).otherwise(pl.col("flags"))
        events = events.with_columns(flags.cast(pl.UInt8).alias("flags"))
    lost = (events["flags"] & F_MAYBE_BAD_BOOK) != 0
    if lost.any():
        starts = lost & ~lost.shift(1, fill_value=False)
        checker.notice("gap", events["line"].filter(starts), "the vendor lost messages before this one (flag 4)")
        flags = pl.when(lost).then(pl.col("flags") | F_SNAPSHOT).otherwise(pl.col("flags"))
        events = events.with_columns(flags.cast(pl.UInt8).alias("flags"))
    return events


def _choose_columns(blob: Blob, names: list[str], levels: int, unit: float) -> dict[str, text.Column]:
    """Choose the columns of a CSV by a sample: prices and times may be pretty, or raw integers."""
    sample = text.read_head(blob)
    prices = ["price", *list_level_columns(levels, "px")]
    # Raw prices are bare 1e-9 integers; a pretty price of that size would be 10,000,000 and beyond MAX_PRICE.
    raw = text.match_mostly(sample, prices, r"^\s*-?\d{8,}\s*$")
    price = text.scaled_price(1, none=NO_PRICE) if raw else text.price()
    times = {
        t: text.epoch_time(1) if text.match_mostly(sample, [t], r"^\s*\d+\s*$") else text.iso_time()
        for t in ("ts_event", "ts_recv")
    }
    return _make_columns(names, levels, times, dict.fromkeys(prices, price), unit)


def _make_columns(
    names: list[str], levels: int, times: dict[str, text.Column], prices: dict[str, text.Column], unit: float
) -> dict[str, text.Column]:
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
        **dict.fromkeys(_IDS, text.integer()),
        **dict.fromkeys(list_level_columns(levels, "ct"), text.optional(text.integer(pl.UInt32()))),
        "symbol": text.word(),
    }
    return {name: column for name, column in columns.items() if name in names and (levels == 0 or name != "order_id")}


def _choose_typed_columns(raw: pl.DataFrame, levels: int, unit: float) -> dict[str, text.Column]:
    """Choose the columns of a table by their types: float prices are pretty, integers are in 1e-9."""
    prices = {
        name: text.price()
        if raw.schema[name].is_float() or raw.schema[name].is_decimal()
        else text.scaled_price(1, none=NO_PRICE)
        for name in ["price", *list_level_columns(levels, "px")]
    }
    times = dict.fromkeys(("ts_event", "ts_recv"), text.epoch_time(1))
    columns = _make_columns(raw.columns, levels, times, prices, unit)
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


def _convert_table(raw: pl.DataFrame, columns: dict[str, text.Column], checker: Checker) -> pl.DataFrame:
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


def _require_usable(frame: pl.DataFrame, levels: int, unit: float, checker: Checker) -> pl.DataFrame:
    """Convert DBN's columns to the event schema; refuse rows with impossible prices, sizes, times, actions or sides."""
    sizes = ["size", *list_level_columns(levels, "sz")]
    limit = int(text.MAX_PRICE * 1e9)
    checks = [
        Check("unreadable", c, ~pl.col(c).is_between(0, LATEST), "the time is undefined, or after 2259")
        for c in ("ts_event", "ts_recv")
    ]
    checks += [
        Check("unreadable", c, pl.col(c).is_null(), f"not one of {', '.join(enum.categories)}")
        for c, enum in (("action", ACTION), ("side", SIDE))
    ]
    checks += [
        Check(
            "unreadable", c, ~pl.col(c).is_between(-limit, limit) & (pl.col(c) != NO_PRICE),
            f"the price {{{c}}} (in 1e-9) is too large",
        )
        for c in ["price", *list_level_columns(levels, "px")]
    ]  # fmt: skip
    checks += [
        Check("unreadable", c, pl.col(c) == dbn.UNDEF_SIZE, f"{{{c}}} is the placeholder for no size") for c in sizes
    ]
    frame = checker.apply(frame, checks)
    if unit != 1.0:
        lots = {c: text.size(unit).value(pl.col(c).cast(pl.Float64)) for c in sizes}
        whole = frame.with_columns(**lots)
        for c in sizes:
            bad = whole[c].is_null()
            frame = checker.refuse(
                "unreadable", frame, bad, c, f"{{{c}}} is not a multiple of dataset.size_unit={unit:g}"
            )
            whole = whole.filter(~bad)
        frame = whole
    return frame.with_columns(pl.col("ts_event", "ts_recv").cast(TIME))
