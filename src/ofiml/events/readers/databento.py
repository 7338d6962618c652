"""Databento MBP-10 as CSV: https://databento.com/docs/schemas-and-data-formats/mbp-10.

Prices and times may be pretty (`233.67`, ISO 8601) or raw (1e-9 integers, ns); columns may stand in any order, and
unknown ones are ignored. The file's order is the feed's order and is kept.
"""

import re
from collections.abc import Iterator, Sequence

import polars as pl

from ofiml.config import FileDataset
from ofiml.errors import DataError
from ofiml.events import text
from ofiml.events.checks import Checker
from ofiml.events.feed import Blob, Feed, by_symbol, each_alone, unpacked
from ofiml.events.schema import ACTION, NO_PRICE, SIDE

groups = each_alone

_NEEDED = ["ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence"]


def read(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Each symbol's events in file order.

    Raises DataError for a missing column, a symbol that is wanted and not there, and whatever the policy refuses.
    """
    (blob,) = (unpacked(f) for f in files)
    names = text.header(blob)
    levels = _levels(names, blob.name, dataset.levels)
    checker = Checker(blob.name, dataset.policy)
    table = text.read_csv(blob, _columns(blob, names, levels), checker)
    table = _complete(table, levels)
    if "symbol" not in names:
        if dataset.symbols is None or len(dataset.symbols) != 1:
            raise DataError(f"{blob.name}, line 1: the column symbol is missing; name it, dataset.symbols=[…].")
        table = table.with_columns(pl.lit(dataset.symbols[0]).alias("symbol"))
    for symbol, events, its_checker in by_symbol(table, blob.name, dataset.symbols, checker):
        yield Feed(symbol, events, levels, events.height + sum(its_checker.dropped.values()), its_checker)


def _columns(blob: Blob, names: list[str], levels: int) -> dict[str, text.Column]:
    sample = text.head(blob)
    prices = ["price", *_level_names(levels, "px")]
    # Raw prices are bare 1e-9 integers; a pretty price of that size would be 10,000,000 and beyond MAX_PRICE.
    raw = text.mostly(sample, prices, r"^\s*-?\d{8,}\s*$")
    price = text.scaled_price(1, none=NO_PRICE) if raw else text.price()
    columns = {
        **{t: text.epoch_time(1) if text.mostly(sample, [t], r"^\s*\d+\s*$") else text.iso_time()
           for t in ("ts_event", "ts_recv")},
        "action": text.category(ACTION),
        "side": text.category(SIDE),
        **dict.fromkeys(prices, text.optional(price)),
        "size": text.integer(),
        **dict.fromkeys(_level_names(levels, "sz"), text.integer()),
        "flags": text.integer(pl.UInt8(), limit=255),
        "sequence": text.integer(),
        **{c: text.integer(pl.UInt32()) for c in _level_names(levels, "ct") if c in names},
    }  # fmt: skip
    return columns | ({"symbol": text.word()} if "symbol" in names else {})


def _complete(table: pl.DataFrame, levels: int) -> pl.DataFrame:
    """The table with counts where the file has none."""
    missing = [c for c in _level_names(levels, "ct") if c not in table.columns]
    return table.with_columns(pl.lit(None, pl.UInt32).alias(c) for c in missing)


def _level_names(levels: int, quantity: str) -> list[str]:
    return [f"{side}_{quantity}_{m:02d}" for m in range(levels) for side in ("bid", "ask")]


def _levels(names: list[str], source: str, wanted: int | None) -> int:
    numbered = [int(m[1]) for c in names if (m := re.fullmatch(r"(?:bid|ask)_(?:px|sz)_(\d\d)", c))]
    found = max(numbered, default=-1) + 1
    count = wanted or max(found, 1)
    absent = [c for c in [*_NEEDED, *_level_names(count, "px"), *_level_names(count, "sz")] if c not in names]
    if absent:
        remedy = f"its levels go up to {found}, see dataset.levels" if found else "give an MBP-10 CSV"
        raise DataError(f"{source}, line 1: the column {absent[0]} is missing ({len(absent)} in all); {remedy}.")
    return count
