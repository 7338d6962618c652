"""Databento MBP-10 as CSV: https://databento.com/docs/schemas-and-data-formats/mbp-10.

Prices and times may be pretty (`233.67`, ISO 8601) or raw (1e-9 integers, ns); columns may stand in any order, and
unknown ones are ignored. The file's order is the feed's order and is kept.
"""

import re

import numpy as np
import polars as pl

from ofiml.config import Policy
from ofiml.errors import DataError
from ofiml.events.schema import ACTION, SIDE, TIME, schema
from ofiml.events.validate import Checker, integers, prices, read_text

_UNDEFINED_PRICE = str(2**63 - 1)


def read(
    content: bytes, source: str, policy: Policy, levels: int | None, symbol: str | None
) -> tuple[pl.DataFrame, int, dict[str, int]]:
    """(events of one symbol in file order, number of levels, rows dropped by cause).

    Raises DataError for a missing column, several symbols without `symbol`, and whatever the policy refuses.
    """
    text = read_text(content, source, header=True)
    count = _levels(text, source, levels)
    text = _one_symbol(text, source, symbol)

    price_columns = ["price", *(f"{s}_px_{m:02d}" for m in range(count) for s in ("bid", "ask"))]
    size_columns = [f"{s}_sz_{m:02d}" for m in range(count) for s in ("bid", "ask")]
    count_columns = [f"{s}_ct_{m:02d}" for m in range(count) for s in ("bid", "ask")]
    text = text.with_columns(pl.col(price_columns).replace(_UNDEFINED_PRICE, None))
    # Raw prices are bare 1e-9 integers; a pretty price of that size would be 10,000,000 and beyond MAX_PRICE.
    raw = _mostly(text, price_columns, r"^\s*-?\d{8,}\s*$")

    casts = {
        "ts_event": _time(text, "ts_event"),
        "ts_recv": _time(text, "ts_recv"),
        "action": pl.col("action").cast(ACTION, strict=False),
        "side": pl.col("side").cast(SIDE, strict=False),
        **{c: prices(c, unit=1e-9 if raw else 1.0) for c in price_columns},
        "size": integers("size"),
        **{c: integers(c) for c in size_columns},
        "flags": integers("flags", limit=255).cast(pl.UInt8, strict=False),
        "sequence": integers("sequence"),
        **{c: integers(c).cast(pl.UInt32, strict=False) for c in count_columns if c in text.columns},
        **({"symbol": pl.col("symbol")} if "symbol" in text.columns else {}),
    }
    checker = Checker(source, policy)
    events = checker.parse(text, casts, optional=set(price_columns))
    delay = np.median(events["ts_recv"].to_physical() - events["ts_event"].to_physical()) if events.height else 0
    if delay < 0:
        raise DataError(f"{source}: most events are later than their receipt; ts_event and ts_recv are swapped.")
    for column in size_columns:  # before the size of a missing level is set aside
        negative = events[column] < 0
        events = checker.refuse("negative_size", events, negative, column, f"the size {{{column}}} is negative")
    events = events.with_columns(
        pl.when(pl.col(f"{s}_px_{m:02d}").is_not_null()).then(pl.col(f"{s}_sz_{m:02d}")).alias(f"{s}_sz_{m:02d}")
        for m in range(count)
        for s in ("bid", "ask")
    )
    events = checker.book(events, count)
    missing = [pl.lit(None, pl.UInt32).alias(c) for c in count_columns if c not in events.columns]
    if "symbol" not in events.columns:
        missing.append(pl.lit(symbol).alias("symbol"))
    events = events.with_columns(*missing).select(list(schema(count)))
    return events, count, checker.dropped


def _levels(text: pl.DataFrame, source: str, wanted: int | None) -> int:
    numbered = [int(m[1]) for c in text.columns if (m := re.fullmatch(r"(?:bid|ask)_(?:px|sz)_(\d\d)", c))]
    found = max(numbered, default=-1) + 1
    count = wanted or max(found, 1)
    needed = ["ts_recv", "ts_event", "action", "side", "price", "size", "flags", "sequence"]
    needed += [f"{s}_{q}_{m:02d}" for m in range(count) for s in ("bid", "ask") for q in ("px", "sz")]
    absent = [c for c in needed if c not in text.columns]
    if absent:
        remedy = f"its levels go up to {found}, see dataset.levels" if found else "give an MBP-10 CSV"
        raise DataError(f"{source}, line 1: the column {absent[0]} is missing ({len(absent)} in all); {remedy}.")
    return count


def _one_symbol(text: pl.DataFrame, source: str, symbol: str | None) -> pl.DataFrame:
    if "symbol" not in text.columns:
        if symbol is None:
            raise DataError(f"{source}, line 1: the column symbol is missing; name it with dataset.symbol=….")
        return text
    names = text["symbol"].drop_nulls().unique(maintain_order=True).to_list()
    if symbol is not None and symbol not in names:
        raise DataError(f"{source} holds no symbol {symbol}, only {', '.join(map(str, names[:5]))}.")
    if symbol is None and len(names) > 1:
        raise DataError(f"{source} holds several symbols ({', '.join(map(str, names[:5]))}): choose dataset.symbol=….")
    # A row without a symbol is cut short; it goes on, to be refused or counted with its line.
    return text.filter((pl.col("symbol") == (symbol or (names or [""])[0])) | pl.col("symbol").is_null())


def _mostly(text: pl.DataFrame, columns: list[str], pattern: str) -> bool:
    """Whether most of the first cells look so: one damaged cell must not decide the format of a file."""
    cells = pl.concat([text[c].head(200).drop_nulls() for c in columns])
    return bool(cells.len()) and 2 * int(cells.str.contains(pattern).sum()) > cells.len()


def _time(text: pl.DataFrame, column: str) -> pl.Expr:
    if not _mostly(text, [column], r"^\s*\d+\s*$"):
        return pl.col(column).str.strip_chars().str.to_datetime("%+", time_unit="ns", strict=False).cast(TIME)
    return integers(column, limit=2**63 - 1).cast(TIME)
