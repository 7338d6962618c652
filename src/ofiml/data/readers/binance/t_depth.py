"""Binance's historical futures order books (T_DEPTH) as CSV: full books and updates, a row per level.

The files NAME_depth_snap.csv and NAME_depth_update.csv may be packed together. Rows with the same times and ids are one
message. Without the column `pu` missing updates cannot be detected, because all symbols share the ids.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book.levels import make_single_row_events
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, Feed, split_by_symbol
from ofiml.data.formats import csv as text
from ofiml.data.formats import decimals
from ofiml.data.formats.level_rows import NO_ID, LevelRows
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.readers.binance.depth import build_from_depth
from ofiml.data.schema import Int64
from ofiml.errors import DataError

_MILLISECOND = 1_000_000
_NAMES = ["symbol", "timestamp", "first_update_id", "last_update_id", "side", "update_type", "price", "qty"]
_HEADERS = {
    8: _NAMES,
    9: [*_NAMES[:2], "trans_id", *_NAMES[2:]],
    10: [*_NAMES[:2], "trans_id", *_NAMES[2:], "pu"],
}  # of files without a header line


def is_t_depth(content: bytes) -> bool:
    """Return whether the bytes are T_DEPTH, by the header line, or by its cells where there is none."""
    line = content[:1000].removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    cells = [cell.strip(b' \t\r"') for cell in line.split(b",")]
    if b"last_update_id" in cells:
        return True
    return len(cells) in _HEADERS and (b"set" in cells or b"snap" in cells)


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events; both clocks are the exchange's time. Raises DataError for rows the policy refuses."""
    name = files[-1].name
    checker = Checker(name, dataset.policy)
    off_step = OffStepSizes(dataset.size_unit)
    tables = []
    for blob in files:
        checker.source = off_step.source = blob.name
        tables.append(_read_table(blob, dataset, checker, off_step))
    checker.source = name
    table = pl.concat(tables, how="diagonal")
    has_previous = "pu" in table.columns
    notes = [] if has_previous else ["the files have no column pu, so missing updates cannot be detected"]
    for symbol, rows, its_checker in split_by_symbol(table, name, dataset.symbols, checker):
        depth = _make_depth(rows, has_previous=has_previous)
        events, levels, more = build_from_depth(depth, _NO_TRADES, np.empty(0, np.int64), dataset, its_checker)
        events, off = off_step.settle(events, levels)
        count = rows.height + sum(checker.dropped.get(cause, 0) for cause in ("unreadable",))
        yield Feed(
            symbol, events, levels, count, its_checker, notes=(*notes, *more, *off), calendar="24/7", venue="Binance"
        )
        notes = []


def _read_table(blob: Blob, dataset: FileDataset, checker: Checker, off_step: OffStepSizes) -> pl.DataFrame:
    first = blob.content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    if b"last_update_id" not in first:
        header = _HEADERS.get(first.count(b",") + 1)
        if header is None:
            raise DataError(f"{blob.name}, line 1: T_DEPTH without a header has 8 to 10 columns: {', '.join(_NAMES)}.")
        blob = Blob(blob.name, ",".join(header).encode() + b"\n" + blob.content)
    columns: dict[str, text.Column] = {
        "symbol": text.word(),
        "timestamp": text.epoch_time(_MILLISECOND),
        "first_update_id": text.integer(limit=2**62),
        "last_update_id": text.integer(limit=2**62),
        "side": text.mapped({"b": 0, "a": 1}, pl.Int64()),
        "update_type": text.mapped({"snap": 1, "set": 0}, pl.Int64()),
        "price": text.word(),
        "qty": text.word(),
    }
    if "pu" in text.read_header(blob):
        columns["pu"] = text.integer(limit=2**62)
    table = text.read_csv(blob, columns, checker)
    cells: list[Any] = table.select(pl.concat_list("price", "qty").explode()).to_series().to_list()
    prices, sizes = decimals.parse_prices_and_sizes(cells, dataset.size_unit)
    off_step.encode(sizes, cells, table["line"].to_numpy(), np.arange(table.height), prices)
    for column, bad, what in (
        ("price", prices < 1, "{value!r} is not a positive price"),
        ("qty", sizes < 0, "{value!r} is not a size in lots of dataset.size_unit"),
    ):
        if bad.any():
            checker.refuse("unreadable", table, pl.Series(bad), column, what)
    good = (prices > 0) & (sizes >= 0)
    return table.with_columns(price=pl.Series(prices), qty=pl.Series(sizes)).filter(pl.Series(good))


def _make_depth(rows: pl.DataFrame, *, has_previous: bool) -> LevelRows:
    """Make messages of the levels, in the order of their ids, bids first."""
    rows = rows.with_columns(
        pl.struct("update_type", "timestamp", "first_update_id", "last_update_id").rle_id().alias("message")
    ).sort("last_update_id", "update_type", "message", "side", maintain_order=True)
    starts = (rows["message"] != rows["message"].shift(1)).fill_null(value=True)
    first = np.flatnonzero(starts.to_numpy())
    heads = rows.filter(starts)
    pairs: Int64 = np.diff(np.append(first, rows.height))
    bids = np.add.reduceat((rows["side"] == 0).to_numpy().astype(np.int64), first)
    last = heads["last_update_id"]
    times = heads["timestamp"].to_physical()
    is_full = heads["update_type"] == 1
    # A full book may bear the time of the day before: it gets that of the next update.
    stamps = pl.select(pl.when(is_full).then(NO_ID).otherwise(times)).to_series()
    previous = heads["pu"].fill_null(NO_ID) if has_previous else last.shift(1).fill_null(NO_ID)
    table = pl.DataFrame(
        {
            "line": heads["line"].cast(pl.Int64),
            "place": pl.int_range(heads.height, eager=True),
            "recv": stamps,
            "event": stamps,
            "full": heads["update_type"],
            "first": heads["first_update_id"],
            "last": last,
            "before": previous,
            "bids": bids,
            "asks": pairs - bids,
        }
    )
    return LevelRows(table, pairs, rows["price"].to_numpy(), rows["qty"].to_numpy())


_NO_TRADES = make_single_row_events(
    pl.DataFrame(schema={"line": pl.UInt32(), "time": pl.Int64()}),
    "T",
    event="time",
    received="time",
    sequence=pl.col("time"),
)
