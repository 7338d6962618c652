"""From a reader's messages to events with a book: the table functions around the kernel."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.book import kernel
from ofiml.data.schema import (
    ACTION,
    EVENT_COLUMNS,
    F_LAST,
    ORDER_TIME,
    Int64,
    make_level_columns,
)

UInt8 = NDArray[np.uint8]

MESSAGE_COLUMNS: dict[str, pl.DataType] = {
    "line": pl.UInt32(),  # the message's line in its file
    **EVENT_COLUMNS,
    "op": pl.UInt8(),  # the change of the book: kernel.ADD …
    "op_side": pl.UInt8(),  # the side that changes: kernel.ASK, BID, NO_SIDE
    "order": pl.UInt64(),  # the order's id, or null
    "show": pl.UInt8(),  # the condition for an event: kernel.NEVER, IF_CHANGED, ALWAYS
}
"""The input of `build_events`, in feed order. Prices in 1e-9, sizes in lots, as in the event schema."""

_MODIFY = ACTION.categories.to_list().index("M")
_CAUSE_BITS = {
    "unknown_order": kernel.UNKNOWN,
    "excess_size": kernel.EXCESS,
    "order_twice": kernel.TWICE,
    "swept_level": kernel.SWEPT,
}


def build_events(
    messages: pl.DataFrame, levels: int, *, order_times: bool = False
) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """Build events with `levels` levels; return them and, by cause, the lines of messages that do not fit the book.

    Events have `line` and the columns of the event schema except `symbol`. Messages are applied in order to a book
    that starts empty; an event shows the book after its message. If the last row of an exchange message makes no event,
    the flag F_LAST moves to its last row that does. Messages do not fit if their order or level is not in the book,
    they remove more than the order has, their id is already in the book, or levels stand in the way of a firm message.
    With `order_times` events have the optional column ORDER_TIME, for feeds whose messages state every order.
    """
    n = messages.height
    op, side, show, price, size = extract_columns(messages, "op", "op_side", "show", "price", "size")
    order = _number_ids(messages["order"])
    row_of, effect, placed = np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n, np.int64)
    max_rows = int((show != kernel.NEVER).sum())
    px, sz, ct = (np.empty((2 * levels, max_rows), np.int64) for _ in range(3))
    count = int(order.max(initial=0)) + 1
    rows = kernel.run(op, side, price, size, order, show, levels, count, row_of, effect, placed, px, sz, ct)

    events = messages.select("line", "ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence")
    shown = row_of[:rows]
    if rows < n:
        events = events[shown]
    flags = set_last_flags(messages["flags"].to_numpy(), shown)
    columns = make_level_table(px, sz, ct, levels, rows)
    if order_times:
        columns[ORDER_TIME] = _find_order_times(messages, placed, shown)
    misfits = {cause: messages["line"].filter(pl.Series((effect & bit) != 0)) for cause, bit in _CAUSE_BITS.items()}
    return events.with_columns(flags=pl.Series(flags), **columns), {
        cause: lines for cause, lines in misfits.items() if lines.len()
    }


def extract_columns(messages: pl.DataFrame, *names: str) -> list[np.ndarray]:
    """Extract integer columns (n,) for a kernel, 0 for null, all read-only.

    polars gives a column of one chunk read-only and a joined one not; numba would compile the kernel for each mixture.
    """
    columns = [messages[name].fill_null(0).to_numpy() for name in names]
    for column in columns:
        column.flags.writeable = False
    return columns


def _find_order_times(messages: pl.DataFrame, placed: Int64, shown: Int64) -> pl.Series:
    """Find when the orders of the messages' rows `shown` got their places: by the exchange's clock, null if unknown.

    The orders of a snapshot were placed before its receipt, even if their event clock says otherwise.
    """
    action, op = messages["action"].to_physical().to_numpy(), messages["op"].to_numpy()
    place = placed.copy()
    # A replacement that is a removal and an addition, in this order, leaves the place of the removed order.
    replaced = np.flatnonzero((action == _MODIFY) & (op == kernel.ADD))
    place[replaced] = placed[replaced - 1]
    place = place[shown]
    exchange = messages.select(pl.min_horizontal("ts_event", "ts_recv")).to_series()
    return exchange.gather(pl.Series(np.maximum(place, 0))).set(pl.Series(place == kernel.UNPLACED), None)


def set_last_flags(flags: UInt8, shown: Int64) -> UInt8:
    """Return the flags of the messages' rows `shown`, with F_LAST at the last shown row of each exchange message."""
    last = (flags & F_LAST) != 0
    group = np.cumsum(last) - last  # the exchange message of each row
    shown_group = group[shown]
    ends = np.append(shown_group[1:] != shown_group[:-1], True)[: len(shown)]
    complete = shown_group < int(last.sum())  # the file may end inside a message
    return flags[shown] & ~np.uint8(F_LAST) | (ends & complete) * np.uint8(F_LAST)


def make_level_table(px: Int64, sz: Int64, ct: Int64 | None, levels: int, rows: int) -> dict[str, pl.Series]:
    """Make the level columns of the event schema from a kernel's output; counts are 0 if the feed states none."""
    columns = {}
    for m in range(levels):
        for name, dtype in make_level_columns(m).items():
            at = m + levels * (name[0] == "a")
            source = {"px": px, "sz": sz, "ct": ct}[name[4:6]]
            values = pl.Series(np.zeros(rows, np.int64) if source is None else source[at, :rows])
            missing = px[at, :rows] == kernel.MISSING
            if missing.any():
                values = pl.select(pl.when(pl.lit(pl.Series(~missing))).then(pl.lit(values))).to_series()
            columns[name] = values.cast(dtype)
    return columns


def _number_ids(ids: pl.Series) -> np.ndarray:
    """Number the ids from 0, so that the kernel can use an array instead of a table; 0 for null."""
    if ids.null_count() == len(ids):
        return np.zeros(len(ids), np.int64)
    return ids.rank("dense").cast(pl.Int64).fill_null(1).to_numpy() - 1
