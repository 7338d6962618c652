"""From rows of best bid and offer to events."""

from collections.abc import Iterator, Sequence

import polars as pl

from ofiml.data.checks import Check, Checker
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
    unpack_file,
)
from ofiml.data.formats import csv as text
from ofiml.data.formats import timestamps as wall_clock
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    NO_PRICE,
    SIDE,
)
from ofiml.errors import DataError


def read_feeds(files: Sequence[Blob], dataset: QuotesDataset) -> Iterator[Feed]:
    """Yield each symbol's quotes in file order.

    Raises DataError for a column that is missing or mapped twice, and for rows that the policy refuses.
    """
    (blob,) = (unpack_file(f) for f in files)
    checker = Checker(blob.name, dataset.policy)
    names = _check_names(blob, dataset)
    table = text.read_csv(blob, _make_columns(blob, names, dataset), checker)
    table = table.rename({column: role for role, column in names.items()})
    table = checker.apply(table, [c for side in ("bid", "ask") for c in _check_side(side)])
    if dataset.zero_price == "missing":
        table = _remove_zero_prices(table, names, checker)
    if "symbol" not in names:
        if dataset.symbols is None or len(dataset.symbols) != 1:
            raise DataError(
                f"{blob.name}: dataset.columns.symbol is not set; set it, or name the symbol, dataset.symbols=[…]."
            )
        table = table.with_columns(pl.lit(dataset.symbols[0]).alias("symbol"))
    for symbol, rows, its_checker in split_by_symbol(table, blob.name, dataset.symbols, checker):
        yield Feed(symbol, _make_events(rows), 1, rows.height + sum(its_checker.dropped.values()), its_checker)


def _check_names(blob: Blob, config: QuotesDataset) -> dict[str, str]:
    """Check the file's column of each role; return them. Raises DataError for missing columns and several levels."""
    header = text.read_header(blob)
    names = config.columns
    if config.levels not in (None, 1):
        raise DataError(f"{blob.name}: quotes have one level, not dataset.levels={config.levels}.")
    for role, column in names.items():
        if column not in header or column == "line":
            raise DataError(
                f"{blob.name}, line 1: the column {column} is missing (dataset.columns.{role}); "
                f"the file has {', '.join(header[:12])}."
            )
        duplicates = [other for other in names if other != role and names[other] == column]
        if duplicates:
            raise DataError(f"{blob.name}: dataset.columns.{role} and .{duplicates[0]} are both the column {column}.")
    return names


def _make_columns(blob: Blob, names: dict[str, str], config: QuotesDataset) -> dict[str, text.Column]:
    sample = text.read_head(blob)
    size = text.size(config.size_unit if config.sizes == "units" else 1.0)
    columns = {names["time"]: wall_clock.choose_time_column(sample, names["time"], config.time_zone)}
    if "received" in names:
        columns[names["received"]] = wall_clock.choose_time_column(sample, names["received"], config.time_zone)
    columns |= {names[side]: text.optional(text.price()) for side in ("bid", "ask")}
    columns |= {names[f"{side}_size"]: text.optional(size) for side in ("bid", "ask")}
    return columns | ({names["symbol"]: text.word()} if "symbol" in names else {})


def _check_side(side: str) -> list[Check]:
    """Make the checks for a price without a size and a size without a price."""
    price, size = pl.col(side), pl.col(f"{side}_size")
    return [
        Check("unreadable", side, price.is_null() & (size != 0), f"there is a size, {{{side}_size}}, and no price"),
        Check(
            "unreadable", f"{side}_size", size.is_null() & (price != 0), f"there is a price, {{{side}}}, and no size"
        ),
    ]


def _remove_zero_prices(table: pl.DataFrame, names: dict[str, str], checker: Checker) -> pl.DataFrame:
    """Make prices of 0 null and note how many have a size.

    Raises DataError if one has a size in a table with negative prices: 0 then is a price like any other.
    """
    negative = any(((table[side] < 0) & (table[f"{side}_size"] != 0)).any() for side in ("bid", "ask"))
    for side in ("bid", "ask"):
        sized = table.filter((pl.col(side) == 0) & (pl.col(f"{side}_size") != 0))
        if sized.height and negative:
            raise DataError(
                f"{checker.source}, {checker.place} {sized['line'][0]}, column {names[side]}: the price is 0 with a "
                f"size of {sized[f'{side}_size'][0]} in a file with negative prices ({sized.height} such rows): quote "
                "or missing? Set dataset.zero_price=quote, or remove the sizes of missing quotes."
            )
        if sized.height:
            checker.notes.append(
                f"{sized.height:,} {side} prices of 0 with a size count as missing "
                "(dataset.zero_price=quote keeps them)"
            )
    return table.with_columns(pl.when(pl.col(side) != 0).then(pl.col(side)).alias(side) for side in ("bid", "ask"))


def _make_events(rows: pl.DataFrame) -> pl.DataFrame:
    """Make the events of a symbol; a side without a price, or with a size of 0 or none, is missing."""
    exists = {s: pl.col(s).is_not_null() & pl.col(f"{s}_size").fill_null(0).ne(0) for s in ("bid", "ask")}
    return rows.select(
        "line",
        pl.col("time").alias("ts_event"),
        pl.col("received" if "received" in rows.columns else "time").alias("ts_recv"),
        pl.lit("M", ACTION).alias("action"),
        pl.lit("N", SIDE).alias("side"),
        pl.lit(None, pl.Int64).alias("price"),
        pl.lit(0, pl.Int64).alias("size"),
        pl.lit(F_LAST, pl.UInt8).alias("flags"),
        pl.col("line").cast(pl.Int64).alias("sequence"),
        *(pl.when(exists[s]).then(pl.col(s)).otherwise(NO_PRICE).alias(f"{s}_px_00") for s in exists),
        *(pl.when(exists[s]).then(pl.col(f"{s}_size")).otherwise(0).alias(f"{s}_sz_00") for s in exists),
        *(pl.lit(None, pl.UInt32).alias(f"{s}_ct_00") for s in exists),
    )
