"""Databento's files: one table from CSV, DBN or Parquet, for the readers of the MBP and MBO schemas."""

from collections.abc import Callable

import polars as pl

from ofiml.config import FileDataset
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import Blob, unpack_file
from ofiml.data.formats import csv as text
from ofiml.data.formats import dbn
from ofiml.data.formats import parquet as columnar
from ofiml.data.readers.databento.columns import (
    convert_table,
    list_level_columns,
    read_csv,
)
from ofiml.data.readers.databento.schemas import (
    BEFORE_TRADES,
    F_MAYBE_BAD_BOOK,
    complete_events,
    is_before_trades,
    list_used,
)
from ofiml.data.schema import ACTION, F_SNAPSHOT, LATEST, NO_PRICE, SIDE, TIME
from ofiml.errors import DataError


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
    unit, tick, schema = dataset.size_unit, dataset.tick, None
    if binary:
        rtype, schema, frame, mappings = dbn.read_dbn(blob)
        if rtype not in rtypes:
            other = "databento_mbo" if rtype == dbn.MBO else "databento"
            raise DataError(
                f"{blob.name} contains {'MBO' if rtype == dbn.MBO else 'MBP'} records: use dataset={other}."
            )
        names = [*frame.columns, "rtype"]
        levels = count_levels(names, f"{blob.name}")
        frame = complete_events(frame, names, checker)
        frame = _require_usable(dbn.resolve_symbols(frame, mappings, blob.name), levels, unit, checker)
    else:
        if blob.content.startswith(columnar.MAGIC):
            checker.place = "row"
            raw = columnar.read_parquet(blob, list)
            names = raw.columns
            levels = count_levels(names, blob.name)
            frame = convert_table(raw, list_used(names), levels, unit, tick, checker)
        else:
            names = text.read_header(blob)
            levels = count_levels(names, f"{blob.name}, line 1")
            frame = read_csv(blob, list_used(names), levels, unit, tick, checker)
        frame = complete_events(frame, names, checker)
        counts = [c for c in list_level_columns(levels, "ct") if c in frame.columns]
        frame = frame.with_columns(pl.when(pl.col(c) != 0).then(pl.col(c)).alias(c) for c in counts)
    absent = [c for c in list_level_columns(levels, "ct") if c not in frame.columns]
    frame = frame.with_columns(pl.lit(None, pl.UInt32).alias(c) for c in absent)
    if is_before_trades(frame, names, schema):
        frame = frame.with_columns(pl.lit(True).alias(BEFORE_TRADES))
    return _name_rows(frame, dataset.symbols, checker), levels, checker


def _name_rows(frame: pl.DataFrame, wanted: list[str] | None, checker: Checker) -> pl.DataFrame:
    """Name the rows of a file without symbols by their instrument's number, or a single instrument as wanted."""
    if "symbol" in frame.columns:
        return frame
    alone = wanted[0] if wanted is not None and len(wanted) == 1 else None
    if "instrument_id" not in frame.columns:
        if alone is None:
            raise DataError(
                f"{checker.source}, line 1: the column symbol is missing; name the symbol, dataset.symbols=[…]."
            )
        return frame.with_columns(pl.lit(alone).alias("symbol"))
    ids = [str(i) for i in frame["instrument_id"].unique(maintain_order=True)]
    if len(ids) == 1 and alone is not None:
        return frame.with_columns(pl.lit(alone).alias("symbol"))
    missing = [name for name in wanted or () if name not in ids]
    if missing:
        raise DataError(
            f"{checker.source}, line 1: the column symbol is missing, and the file has several instruments "
            f"({', '.join(ids[:5])}): choose them by number instead of {missing[0]}, as in dataset.symbols=[{ids[0]}]."
        )
    return frame.with_columns(pl.col("instrument_id").cast(pl.String).alias("symbol"))


def check_one_book(events: pl.DataFrame, symbol: str, checker: Checker, *, consolidated: bool = False) -> pl.DataFrame:
    """Return the rows of a symbol; set F_SNAPSHOT where its instrument changes and where the vendor lost messages.

    Raises DataError if the symbol has several instruments or venues at once: their rows belong to several books, but
    for `consolidated` quotes, whose rows have the venue that changed them.
    """
    for column, what in (("publisher_id", "publishers"), ("instrument_id", "instruments")):
        if column not in events.columns or events.height == 0 or (consolidated and column == "publisher_id"):
            continue
        ids = events[column]
        if ids.min() == ids.max():
            continue
        changes = (ids != ids.shift(1)).fill_null(False)
        if column == "publisher_id" or int(changes.sum()) + 1 > ids.n_unique():
            line = events["line"].filter(changes)[0]
            raise DataError(
                f"{checker.locate(line)}, column {column}: {symbol} has rows of several {what} "
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
