"""The conditions of bad rows: of a row alone, of the book at the end of a message, and of a change."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml.data.schema import F_BAD_RECEIPT, F_LAST, F_SNAPSHOT, NO_PRICE, Int64
from ofiml.units import SECOND

Auctions = Callable[[], tuple[Int64, Int64]]
"""Gives the starts and ends of auctions and pre-opens, UTC ns, in order; called only for a crossed or locked book."""

_MAX_UNCROSSING = 60 * SECOND  # the first state after an auction that may still be the auction's


@dataclass(frozen=True, slots=True)
class Check:
    """A condition for bad rows: where `bad` is true, `cause` applies.

    `what` describes such a row, with its columns as format fields; the field `{value}` is the cell of `column`, whose
    name may come from the file. A check of a `state` judges the book at the end of a message; if such a row is dropped,
    its whole message is.
    """

    cause: str
    column: str
    bad: pl.Expr
    what: str
    state: bool = False


# Columns while a session's rows are checked: the number of the row's message, -1 for one without an end; whether the
# row is in continuous trading; whether it is the last remaining row of its message; and whether its book is the one of
# the row before it.
MESSAGE, TRADING, ENDS, SAME_BOOK = "_message", "_trading", "_ends", "_same_book"


def list_no_auctions() -> tuple[Int64, Int64]:
    """Give the auctions of a market without any."""
    return np.empty(0, np.int64), np.empty(0, np.int64)


def has_own_receipt() -> pl.Expr:
    """Return whether `ts_recv` is the receipt of the row's event: a snapshot is received long after its orders."""
    return (pl.col("flags") & F_BAD_RECEIPT) == 0


def number_messages(events: pl.DataFrame) -> pl.Series:
    """Number the message of each row; -1 for rows after the last end. Without any end, each row is a message."""
    last = ((events["flags"] & F_LAST) != 0).to_numpy()
    if last.all() or not last.any():
        return pl.int_range(events.height, eager=True).alias(MESSAGE)
    number = np.cumsum(last) - last
    return pl.Series(MESSAGE, np.where(number < last.sum(), number, -1))


def find_ends(messages: pl.Series) -> pl.Series:
    """Find the last row of each message from the number of each row's message."""
    return ((messages != messages.shift(-1, fill_value=-1)) & (messages >= 0)).alias(ENDS)


def find_trading(events: pl.DataFrame, auctions: Auctions) -> pl.Series:
    """Find the rows in continuous trading: in no auction, and not before the first uncrossed book after one."""
    crossed = (events["bid_px_00"] >= events["ask_px_00"]).fill_null(False).to_numpy()
    trading = np.ones(events.height, np.bool_)
    if crossed.any():
        starts, ends = auctions()
        stamps = events["ts_recv"].to_physical().to_numpy()
        trading = np.searchsorted(starts, stamps, side="right") <= np.searchsorted(ends, stamps)
        states = np.flatnonzero(find_ends(number_messages(events)).to_numpy())
        uncrossed = states[~crossed[states]]
        for end in ends:
            k = np.searchsorted(stamps[states], end, side="right")
            if k == len(states) or stamps[states[k]] > end + _MAX_UNCROSSING:
                continue
            done = np.searchsorted(uncrossed, states[k])
            if done < len(uncrossed):  # a book that is never uncrossed is a fault
                first = np.searchsorted(stamps, end, side="right")
                trading[first : uncrossed[done]] = False
    return pl.Series(TRADING, trading)


def mark_neighbours(events: pl.DataFrame, levels: int) -> pl.DataFrame:
    """Add the columns that depend on the rows next to a row, ENDS and SAME_BOOK; the row's MESSAGE must be there."""
    book = [c for q in ("px", "sz", "ct") for c in _list_columns(levels, q)]
    is_same = ~pl.any_horizontal(pl.col(book).ne_missing(pl.col(book).shift(1))) & (pl.int_range(pl.len()) > 0)
    return events.with_columns(find_ends(events[MESSAGE]), is_same.alias(SAME_BOOK))


def _list_columns(levels: int, quantity: str) -> list[str]:
    return [f"{side}_{quantity}_{m:02d}" for m in range(levels) for side in ("bid", "ask")]


def make_sentinel_checks(levels: int) -> list[Check]:
    """Make the check that no price of a row, of a trade or of a level, is the placeholder for a missing one."""
    columns = ["price", *_list_columns(levels, "px")]
    what = "the number is the placeholder for no price"
    return [Check("sentinel", "price", pl.any_horizontal(pl.col(columns) == NO_PRICE), what)]


def make_null_expressions(levels: int) -> list[pl.Expr]:
    """Replace placeholder prices by null, and sizes of levels without a price by null."""
    present = {c: pl.col(c) != NO_PRICE for c in ["price", *_list_columns(levels, "px")]}
    exprs = [pl.when(exists).then(pl.col(c)).alias(c) for c, exists in present.items()]
    for size in _list_columns(levels, "sz"):
        is_missing = ~present[size.replace("sz", "px")].fill_null(False) & (pl.col(size) == 0)
        exprs.append(pl.when(~is_missing).then(pl.col(size)).alias(size))
    return exprs


def make_row_checks(levels: int) -> list[Check]:
    """Make the checks of each row: of its numbers, and whether a level has both price and size."""
    checks = [
        Check("negative_size", c, pl.col(c) < 0, f"the size {{{c}}} is negative")
        for c in ("size", *_list_columns(levels, "sz"))
    ]
    for side in ("bid", "ask"):
        for m in range(levels):
            px, sz = pl.col(f"{side}_px_{m:02d}"), pl.col(f"{side}_sz_{m:02d}")
            what = f"level {m} has a price, {{{side}_px_{m:02d}}}, and no size"
            checks.append(Check("zero_size", f"{side}_sz_{m:02d}", px.is_not_null() & (sz == 0), what))
            what = f"level {m} has a price, {{{side}_px_{m:02d}}}, and its size is missing"
            checks.append(Check("unreadable", f"{side}_sz_{m:02d}", px.is_not_null() & sz.is_null(), what))
            what = f"level {m} has a size, {{{side}_sz_{m:02d}}}, and no price"
            checks.append(Check("unreadable", f"{side}_px_{m:02d}", px.is_null() & sz.is_not_null(), what))
    return checks


def make_state_checks(levels: int) -> list[Check]:
    """Make the checks of the book at the end of a message; see `mark_neighbours`."""
    checks, ends = [], pl.col(ENDS)
    for side, better in (("bid", 1), ("ask", -1)):
        for m in range(1, levels):
            px, before = pl.col(f"{side}_px_{m:02d}"), pl.col(f"{side}_px_{m - 1:02d}")
            what = f"level {m} at {{{side}_px_{m:02d}}} is not worse than level {m - 1} at {{{side}_px_{m - 1:02d}}}"
            out_of_order = px.is_not_null() & ((px - before) * better >= 0).fill_null(True)
            checks.append(Check("order", f"{side}_px_{m:02d}", ends & out_of_order, what + " (in 1e-9)", state=True))
    bid, ask = pl.col("bid_px_00"), pl.col("ask_px_00")
    traded = ends & pl.col(TRADING)
    what = "bid {bid_px_00} is above ask {ask_px_00} (in 1e-9): the book is crossed"
    checks.append(Check("crossed", "bid_px_00", traded & (bid > ask), what, state=True))
    what = "the best bid and ask are both {bid_px_00} (in 1e-9)"
    checks.append(Check("locked", "bid_px_00", traded & (bid == ask), what, state=True))
    one_sided = bid.is_null() | ask.is_null()
    checks.append(Check("one_sided", "bid_px_00", ends & one_sided, "the book has no bid or no ask", state=True))
    return checks


def make_change_checks() -> list[Check]:
    """Make the checks of a row against the row before it, see `mark_neighbours`, and of halts."""
    same_book = pl.col(SAME_BOOK)
    row = ["ts_event", "action", "side", "price", "size", "sequence"]
    same_row = same_book & ~pl.any_horizontal(pl.col(row).ne_missing(pl.col(row).shift(1)))
    resting = pl.col("action").is_in(["A", "C", "M"])
    back = pl.col("sequence") < pl.col("sequence").shift(1)
    halt = (pl.col("action") == "N") & ((pl.col("flags") & F_SNAPSHOT) != 0)
    return [
        Check("duplicate", "sequence", same_row & resting, "sequence {sequence} repeats the row before it"),
        Check("sequence", "sequence", back, "the sequence number {sequence} is lower than in the row before it"),
        Check("no_effect", "action", same_book & resting, "{action} of {size} does not change the visible book"),
        Check("halt", "action", halt, "trading halted at {ts_event}"),
    ]
