"""From the decoded messages of an ITCH file to the events of each symbol."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import FileDataset
from ofiml.data.book import MESSAGE_COLUMNS, build_events, kernel
from ofiml.data.checks import Check, Checker
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats import timestamps as wall_clock
from ofiml.data.readers.itch import kernel as itch
from ofiml.data.readers.itch.pieces import read_messages
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    SIDE,
    TIME,
)
from ofiml.errors import DataError

_LEVELS = 10
_ZONE = ZoneInfo("America/New_York")
_PRICE = 100_000  # 1/10,000 of a currency unit in 1e-9
# fmt: off
_ACTIONS = {itch.A: "A", itch.F: "A", itch.E: "T", itch.C: "T", itch.X: "C", itch.D: "C", itch.U: "M", itch.P: "T",
            itch.Q: "T", itch.H: "N"}
_OPS = {itch.A: kernel.ADD, itch.F: kernel.ADD, itch.E: kernel.REDUCE, itch.C: kernel.REDUCE, itch.X: kernel.REDUCE,
        itch.D: kernel.DELETE, itch.U: kernel.ADD, itch.P: kernel.KEEP, itch.Q: kernel.KEEP, itch.H: kernel.KEEP}
# fmt: on


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events, in the order of the locate codes.

    Raises DataError for a name without a date, a missing symbol of `dataset.symbols`, and frames that the policy
    refuses.
    """
    (blob,) = files
    date = _parse_date(blob.name)
    checker = Checker(blob.name, dataset.policy)
    day = read_messages(blob, dataset.symbols, checker)
    table = day.table
    locates = table[itch.LOCATE].astype(np.uint16)  # numpy uses a fast radix sort for 16 bits
    by_locate = np.argsort(locates, kind="stable")
    bounds = np.searchsorted(locates[by_locate], np.arange(len(day.counts) + 1))
    midnight = wall_clock.find_midnight(date, _ZONE)
    levels = dataset.levels or _LEVELS
    unsound = sum(checker.dropped.values())
    notes = () if day.ended else ("the file has no end-of-messages event: it may be cut short",)
    has_events = False
    for symbol, locate in day.locates.items():
        rows = table[:, by_locate[bounds[locate] : bounds[locate + 1]]]
        messages = _make_messages(rows, midnight, dataset, checker)
        events, misfits = build_events(messages, levels, order_times=True)
        for cause, lines in misfits.items():
            checker.notice(cause, lines, _SENTENCES[cause])
        if events.height:
            has_events = True
            yield Feed(symbol, events, levels, int(day.counts[locate]) + unsound, checker, notes=notes)
            checker, unsound = Checker(blob.name, dataset.policy), 0
        elif dataset.symbols is not None:
            raise DataError(f"{blob.name} lists {symbol} but contains no order or trade of it: see dataset.symbols.")
    if not has_events:
        raise DataError(f"{blob.name} lists symbols but contains no order or trade: its end is missing.")


_SENTENCES = {
    "unknown_order": "the order is not in the book",
    "excess_size": "more is removed from the order than it has left",
    "order_twice": "an order with this reference is already in the book",
    "swept_level": "a level stood in its way and was removed",
}


def _parse_date(name: str) -> dt.date:
    """Parse the day in a file's name: MMDDYYYY, YYYYMMDD, YYYY-MM-DD or (S010620-v50) MMDDYY.

    Raises DataError for a name with no date, or with several.
    """
    forms = [("%m%d%y", m[1]) for m in re.finditer(r"(?<![0-9A-Za-z])S(\d{6})(?!\d)", name)]
    for m in re.finditer(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)(?!\d)", name):
        forms += [("%Y%m%d", "".join(m.groups())), ("%m%d%Y", "".join(m.groups()))]
    dates = set()
    for form, digits in forms:
        try:
            dates.add(dt.datetime.strptime(digits, form).date())
        except ValueError:
            continue
    dates = {day for day in dates if 1990 <= day.year < 2100}
    if len(dates) != 1:
        raise DataError(
            f"{name}: an ITCH file states its date only in its name, and this name has {len(dates) or 'none'}: "
            "rename it, as in 01302020.NASDAQ_ITCH50 (month, day, year) or nasdaq_20200130.itch."
        )
    return dates.pop()


def _make_messages(rows: NDArray[np.int64], midnight: int, dataset: FileDataset, checker: Checker) -> pl.DataFrame:
    """Make the messages of the book builder from one symbol's decoded rows."""
    order, new, count = _number_references(rows[itch.ORDER], rows[itch.NEW])
    side, shares, price = (rows[row].copy() for row in (itch.SIDED, itch.SIZE, itch.PRICED))
    itch.follow(rows[itch.KIND], order, new, count, side, shares, price)
    numbers = {"line": rows[itch.NUMBER], "kind": rows[itch.KIND], "stamp": rows[itch.STAMP] + midnight, "order": order,
               "new": new, "resting": side, "shares": shares, "price": price, "mark": rows[itch.MARK]}  # fmt: skip
    frame = _convert_to_lots(pl.DataFrame(numbers), dataset.size_unit, checker)
    state = pl.when(_is_kind(itch.H)).then("mark").forward_fill().shift(1).fill_null(itch.TRADING)
    # A trading state that repeats the last one (trading, at the start of the day) and an empty cross are not events.
    frame = frame.filter(
        ~(_is_kind(itch.H) & (pl.col("mark") == state)) & ~(_is_kind(itch.Q) & (pl.col("shares") == 0))
    )
    replaced = _is_kind(itch.U)
    columns = frame.select(
        pl.col("line").cast(pl.UInt32),
        pl.col("stamp").cast(TIME).alias("ts_event"),
        pl.col("stamp").cast(TIME).alias("ts_recv"),
        pl.when(_NO_PRINT).then(pl.lit("C", ACTION)).otherwise(_map_kind(_ACTIONS, ACTION)).alias("action"),
        _find_side().alias("side"),
        pl.when(pl.col("price") > 0).then(pl.col("price") * _PRICE).alias("price"),
        pl.col("size"),
        pl.when(_is_kind(itch.H)).then(F_LAST | F_SNAPSHOT).otherwise(F_LAST).cast(pl.UInt8).alias("flags"),
        pl.col("line").cast(pl.Int64).alias("sequence"),
        # The replacement of an unknown order has no known side.
        pl.when(replaced & (pl.col("resting") == 0))
        .then(kernel.KEEP)
        .otherwise(_map_kind(_OPS, pl.UInt8()))
        .alias("op"),
        pl.when(pl.col("resting") == itch.BUY).then(kernel.BID).otherwise(kernel.ASK).cast(pl.UInt8).alias("op_side"),
        pl.when(replaced).then("new").otherwise("order").alias("order"),
        pl.when(_TRADE | _is_kind(itch.H))
        .then(kernel.ALWAYS)
        .otherwise(kernel.IF_CHANGED)
        .cast(pl.UInt8)
        .alias("show"),
        pl.when(replaced).then("order").alias("old"),
    )
    removals = columns.filter(pl.col("old").is_not_null()).with_columns(
        pl.lit(0, pl.UInt8).alias("flags"),
        pl.lit(kernel.DELETE, pl.UInt8).alias("op"),
        pl.col("old").alias("order"),
        pl.lit(kernel.NEVER, pl.UInt8).alias("show"),
    )
    both = pl.concat([removals, columns]).sort("line", maintain_order=True)
    order_id = pl.when(pl.col("order") >= 0).then("order").alias("order")
    return both.with_columns(order_id).select(pl.col(c).cast(dtype) for c, dtype in MESSAGE_COLUMNS.items())


def _is_kind(*kinds: int) -> pl.Expr:
    return pl.col("kind").is_in(kinds)


_NO_PRINT = _is_kind(itch.C) & (pl.col("mark") == itch.NO)
_TRADE = _is_kind(itch.E, itch.C, itch.P, itch.Q) & ~_NO_PRINT


def _map_kind(mapping: dict[int, Any], dtype: pl.DataType) -> pl.Expr:
    return pl.col("kind").replace_strict(mapping, return_dtype=dtype)


def _find_side() -> pl.Expr:
    """Return the order's side or, for a trade, the aggressor's side, opposite the resting order; N for none."""
    hidden = _is_kind(itch.P, itch.Q, itch.H) | ~pl.col("resting").is_in([itch.BUY, itch.SELL])
    bid = (pl.col("resting") == itch.BUY) ^ _TRADE
    return pl.when(hidden).then(pl.lit("N")).when(bid).then(pl.lit("B")).otherwise(pl.lit("A")).cast(SIDE)


def _convert_to_lots(frame: pl.DataFrame, unit: float, checker: Checker) -> pl.DataFrame:
    """Add `size` in lots of `unit` shares; a number of shares that is not a multiple of it is unreadable."""
    lots = pl.col("shares") / unit
    what = f"{{shares}} shares are not a multiple of dataset.size_unit={unit:g}"
    frame = checker.apply(frame, [Check("unreadable", "shares", (lots - lots.round()).abs() > 1e-6, what)])
    return frame.with_columns(lots.round().cast(pl.Int64).alias("size"))


def _number_references(
    order: NDArray[np.int64], new: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Number the references and new references from 0, -1 for none; return both and their count."""
    ids, index = np.unique(np.concatenate([order, new]), return_inverse=True)
    none = int((ids < 0).any())
    return index[: len(order)] - none, index[len(order) :] - none, len(ids) - none
