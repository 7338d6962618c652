"""From a reader's messages to events with a book: columns in, the kernel between, columns out."""

import numpy as np
import polars as pl

from ofiml.data.book import kernel
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    SIDE,
    TIME,
    level_columns,
)

MESSAGE_COLUMNS: dict[str, pl.DataType] = {
    "line": pl.UInt32(),  # where the message stands in its file
    "ts_event": TIME,
    "ts_recv": TIME,
    "action": ACTION,
    "side": SIDE,
    "price": pl.Int64(),
    "size": pl.Int64(),
    "flags": pl.UInt8(),
    "sequence": pl.Int64(),
    "op": pl.UInt8(),  # what it does to the book: kernel.ADD …
    "op_side": pl.UInt8(),  # to which side: kernel.ASK, BID, NO_SIDE
    "order": pl.UInt64(),  # the order's id; null where there is none
    "show": pl.UInt8(),  # when it makes an event: kernel.NEVER, IF_CHANGED, ALWAYS
}
"""What a reader hands to `build`, in feed order. Prices in 1e-9, sizes in lots, as in the event schema."""

_NOTICED = {
    "unknown_order": kernel.UNKNOWN,
    "excess_size": kernel.EXCESS,
    "order_twice": kernel.TWICE,
    "swept_level": kernel.SWEPT,
}


def build(messages: pl.DataFrame, levels: int) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """(events with `levels` levels, in the event schema but for `symbol`, with `line`; the lines noticed, by cause).

    Each message is applied in order to a book that starts empty; an event shows the book after it. Where the last row
    of an exchange message makes no event, the flag F_LAST goes to the last of its rows that does. Noticed are messages
    about an order or level that is not in the book, reductions by more than was left, ids that rested already, and
    levels that were in the way of a firm message.
    """
    n = messages.height
    op, side, show = (messages[c].to_numpy() for c in ("op", "op_side", "show"))
    price, size = (messages[c].fill_null(0).to_numpy() for c in ("price", "size"))
    order = _numbered(messages["order"])
    row_of, effect = np.empty(n, np.int64), np.empty(n, np.uint8)
    most = int((show != kernel.NEVER).sum())
    px, sz, ct = (np.empty((2 * levels, most), np.int64) for _ in range(3))
    count = int(order.max(initial=0)) + 1
    rows = kernel.run(op, side, price, size, order, show, levels, count, row_of, effect, px, sz, ct)

    events = messages.select("line", "ts_event", "ts_recv", "action", "side", "price", "size", "flags", "sequence")
    shown = row_of[:rows]
    if rows < n:
        events = events[shown]
    last = (messages["flags"].to_numpy() & F_LAST) != 0
    group = np.cumsum(last) - last  # the message that each row belongs to
    shown_group = group[shown]
    ends = np.append(shown_group[1:] != shown_group[:-1], True)[:rows]
    complete = shown_group < int(last.sum())  # the file may end inside a message
    flags = events["flags"].to_numpy() & ~np.uint8(F_LAST) | (ends & complete) * np.uint8(F_LAST)
    columns: dict[str, pl.Series] = {"flags": pl.Series(flags)}
    for m in range(levels):
        for name, dtype in level_columns(m).items():
            source = {"px": px, "sz": sz, "ct": ct}[name[4:6]][m + levels * (name[0] == "a"), :rows]
            values = pl.Series(source)
            missing = px[m + levels * (name[0] == "a"), :rows] == kernel.MISSING
            if missing.any():
                values = pl.select(pl.when(pl.lit(pl.Series(~missing))).then(pl.lit(values))).to_series()
            columns[name] = values.cast(dtype)
    noticed = {cause: messages["line"].filter(pl.Series((effect & bit) != 0)) for cause, bit in _NOTICED.items()}
    return events.with_columns(**columns), {cause: lines for cause, lines in noticed.items() if lines.len()}


def _numbered(ids: pl.Series) -> np.ndarray:
    """The ids as numbers from 0, so that the kernel needs no table; 0 where there is none."""
    if ids.null_count() == len(ids):
        return np.zeros(len(ids), np.int64)
    return ids.rank("dense").cast(pl.Int64).fill_null(1).to_numpy() - 1
