"""From a Parquet file to events: columns, types and values are checked."""

import re
from collections.abc import Iterator, Sequence

import polars as pl

from ofiml.config import FileDataset
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
)
from ofiml.data.formats import parquet as columnar
from ofiml.data.formats.csv import MAX_PRICE, MAX_SIZE
from ofiml.data.readers.parquet.casts import cast_columns
from ofiml.data.schema import (
    ACTION,
    LATEST,
    NO_PRICE,
    ORDER_TIME,
    SIDE,
    TIME,
    list_columns,
    make_schema,
)
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

_WORDS = {"action": ACTION, "side": SIDE}  # other writers store them as text
_TEXT_TYPES = (pl.String, pl.Categorical, pl.Enum)
_MAY_BE_NULL = re.compile(rf"price|{ORDER_TIME}|(bid|ask)_(px|sz|ct)_\d\d")


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in the table's order.

    Raises DataError for a column that is missing or of another type, and for rows that the policy refuses.
    """
    (blob,) = files
    checker = Checker(blob.name, dataset.policy)
    table, levels = _read_table(blob, dataset.levels, checker)
    table = checker.apply(table, _make_checks(list_columns(levels, table.columns)))
    words = [pl.col(c).cast(pl.String).cast(dtype, strict=False) for c, dtype in _WORDS.items()]
    for symbol, events, its_checker in split_by_symbol(table.with_columns(words), blob.name, dataset.symbols, checker):
        yield Feed(symbol, events, levels, events.height + sum(its_checker.dropped.values()), its_checker)


def _read_table(blob: Blob, wanted: int | None, checker: Checker) -> tuple[pl.DataFrame, int]:
    """Read the columns of the schema with `line`; return them and the number of levels. Raises DataError."""
    if not blob.content.startswith(columnar.MAGIC):
        raise DataError(f"{blob.name} is not a Parquet file: see dataset=… for other formats.")
    frame = columnar.read_parquet(blob, lambda names: list_columns(_count_levels(names, blob.name, wanted), names))
    levels = _count_levels(frame.columns, blob.name, wanted)
    words = [name for name in (*_WORDS, "symbol") if isinstance(frame.schema[name], _TEXT_TYPES)]
    schema = make_schema(levels) | ({ORDER_TIME: TIME} if ORDER_TIME in frame.columns else {})
    typed = {name: dtype for name, dtype in schema.items() if name not in words}
    return cast_columns(frame, typed, checker).with_columns(pl.col("symbol").cast(pl.String)), levels


def _count_levels(names: list[str], source: str, wanted: int | None) -> int:
    numbered = [int(m[1]) for c in names if (m := re.fullmatch(r"(?:bid|ask)_(?:px|sz|ct)_(\d\d)", c))]
    n_levels = max(numbered, default=-1) + 1
    levels = wanted or max(n_levels, 1)
    absent = [c for c in make_schema(levels) if names.count(c) != 1]
    if absent:
        what = "is missing" if absent[0] not in names else "appears more than once"
        raise DataError(
            f"{source}: the column {absent[0]} {what} (the file has {n_levels} levels; see dataset.levels)."
        )
    return levels


def _make_checks(columns: list[str]) -> list[Check]:
    checks = [Check("unreadable", c, pl.col(c).is_null(), "the value is missing")
              for c in columns if not _MAY_BE_NULL.fullmatch(c)]  # fmt: skip
    for c, dtype in _WORDS.items():
        bad = ~pl.col(c).cast(pl.String).is_in(dtype.categories.to_list())
        checks.append(Check("unreadable", c, bad, f"{{{c}!r}} is not one of {', '.join(dtype.categories)}"))
    checks.append(Check("unreadable", "symbol", pl.col("symbol") == "", "the value is empty"))
    for c in columns:
        value = pl.col(c)
        if c == "price" or "_px_" in c:
            limit = int(MAX_PRICE * PRICE_SCALE)
            bad = ((value < -limit) | (value > limit)) & (value != NO_PRICE)
            checks.append(Check("unreadable", c, bad, f"the price {{{c}}} is too large"))
        elif c == "size" or "_sz_" in c:
            bad = (value < -MAX_SIZE) | (value > MAX_SIZE)
            checks.append(Check("unreadable", c, bad, f"the size {{{c}}} is too large"))
        elif c.startswith("ts_") or c == ORDER_TIME:
            checks.append(Check("unreadable", c, value.to_physical() < 0, f"the time {{{c}}} is before 1970"))
            checks.append(Check("unreadable", c, value.to_physical() > LATEST, f"the time {{{c}}} is after 2259"))
        if c == ORDER_TIME:
            what = "the order's time {order_time} is later than the receipt of the row, {ts_recv}"
            checks.append(Check("unreadable", c, value > pl.col("ts_recv"), what))
    return checks
