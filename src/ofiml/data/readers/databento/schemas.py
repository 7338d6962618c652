"""Databento's schemas: which one a file has, and when its quotes stood relative to the row's event.

| schema | quotes of a row | row here |
|---|---|---|
| MBP-1, MBP-10, CMBP-1 | after the row; a trade that a later row applies leaves them as they were | as it stands |
| TBBO, TCBBO | immediately before the effect of the trade | the quotes, then the trade with an unknown book |
| BBO-1s, BBO-1m, CBBO-1s, CBBO-1m | at the end of the interval | a state; no trade |
| MBO | none | the book rebuilt from orders; a trade comes before the cancel that applies it |

CMBP-1, TCBBO and CBBO are consolidated: their quotes are the best over several venues.
"""

import numpy as np
import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.formats.dbn_records import INTERVALS, describe_type
from ofiml.data.readers.databento.columns import EVENT_NAMES
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, SIDE, make_level_columns
from ofiml.errors import DataError

BEFORE_TRADES = "before_trades"  # a column of a table whose quotes stood before its trades
F_MAYBE_BAD_BOOK = 4  # the vendor lost messages of the feed permanently
_INTERVAL_NOTE = (
    "the rows are states at the end of each interval (BBO): the flow between two states is their difference, and "
    "changes within an interval and single trades are unknown"
)
_CONSOLIDATED_NOTE = (
    "the quotes are the best over several venues (consolidated): they may lock and cross, and a best quote that moves "
    "from one venue to another counts as flow"
)
_TBBO_NOTE = (
    "every row is a trade with the quotes before it (TBBO): the book after each trade is unknown, so mids, order flow "
    "and labels are missing, and only measures of trades are known; use MBP-1 for order flow"
)


def is_interval(names: list[str]) -> bool:
    """Return whether a file with these columns states the book at the end of intervals.

    `rtype` must be there to confirm it: any other schema may have lost its column action.
    """
    return {"bid_px_00", "rtype"} <= set(names) and not {"action", "depth", "ts_in_delta", "order_id"} & set(names)


def is_consolidated(names: list[str]) -> bool:
    """Return whether a file with these columns has quotes of several venues."""
    return "bid_pb_00" in names


def list_needed(names: list[str]) -> list[str]:
    """List the event columns that a file with these columns needs."""
    if is_interval(names):
        return ["ts_recv", "flags"]
    return [c for c in EVENT_NAMES if c != "sequence" or not is_consolidated(names)]


def list_used(names: list[str]) -> list[str]:
    """List the columns that are read: of an interval, all but its last trade's, and `rtype`."""
    if is_interval(names):
        return [c for c in names if c not in ("ts_event", "side", "price", "size")]
    return [c for c in names if c != "rtype"]


def complete_events(frame: pl.DataFrame, names: list[str], checker: Checker) -> pl.DataFrame:
    """Complete the event columns of a file with the columns `names`.

    The sequence of a consolidated row is its line. An interval's row becomes a changed quote, known at its end; its
    last trade would repeat in every interval without one. Raises DataError if `rtype` contradicts the columns.
    """
    if is_interval(names):
        if "rtype" in frame.columns:
            others = frame.filter(~pl.col("rtype").is_in(INTERVALS))
            if others.height:
                raise DataError(
                    f"{checker.source}, {checker.place} {others['line'][0]}, column rtype: "
                    f"{describe_type(others['rtype'][0])}, which have a column action: give the file with all columns."
                )
        # The snapshot flag of such a row does not mean a new reference: each row states the same book a little later.
        flags = (pl.col("flags") & F_MAYBE_BAD_BOOK) | F_LAST
        frame = frame.with_columns(
            pl.col("ts_recv").alias("ts_event"),
            pl.lit("M").cast(ACTION).alias("action"),
            pl.lit("N").cast(SIDE).alias("side"),
            pl.lit(None, pl.Int64).alias("price"),
            pl.lit(0, pl.Int64).alias("size"),
            flags.cast(pl.UInt8).alias("flags"),
        )
    if "sequence" not in frame.columns:
        frame = frame.with_columns(pl.col("line").cast(pl.Int64).alias("sequence"))
    return frame


def split_quotes_from_trades(events: pl.DataFrame, levels: int) -> pl.DataFrame:
    """Make two rows of each trade: the quotes before it, and the trade without a book.

    No flow is measured between two rows: what happened between a trade and the next quotes is unknown.
    """
    stated = (pl.col("flags") | F_LAST | F_SNAPSHOT).alias("flags")
    quotes = events.with_columns(
        stated,
        pl.lit("M").cast(ACTION).alias("action"),
        pl.lit("N").cast(SIDE).alias("side"),
        pl.lit(None, pl.Int64).alias("price"),
        pl.lit(0, pl.Int64).alias("size"),
    )
    unknown = [pl.lit(None, t).alias(c) for m in range(levels) for c, t in make_level_columns(m).items()]
    trades = events.with_columns(stated, *unknown)
    pairs = np.arange(2 * events.height).reshape(2, -1).T
    return pl.concat([quotes, trades])[pairs.ravel()].drop(BEFORE_TRADES)


def is_before_trades(events: pl.DataFrame, names: list[str], schema: str | None) -> bool:
    """Return whether the quotes stood before the row's trade: by the DBN's `schema`, or else by the columns and rows.

    Files of one level with trades alone are TBBO: none of their rows shows the book after a trade.
    """
    if schema is not None:
        return schema in ("tbbo", "tcbbo")
    one_level = "bid_px_00" in names and "bid_px_01" not in names
    return one_level and events.height > 0 and bool((events["action"] == "T").all())


def list_notes(names: list[str], *, before_trades: bool) -> tuple[str, ...]:
    """List the notes of the report on a file with these columns."""
    stated = (is_interval(names), _INTERVAL_NOTE), (is_consolidated(names), _CONSOLIDATED_NOTE)
    return tuple(note for holds, note in (*stated, (before_trades, _TBBO_NOTE)) if holds)
