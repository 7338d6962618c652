"""Time bars: (open, close], anchored at the session's open, stamped and known at their close."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.schema import (
    F_LAST,
    F_SNAPSHOT,
    Int64,
    Session,
    extract_times,
)
from ofiml.errors import DataError

MAX_BARS = 5_000_000  # per session; more indicate a wrong step, such as microseconds


@dataclass(frozen=True, slots=True)
class Book:
    """The book states of a session: one row per message, or per feed row, in feed order.

    `stamps` (n,) is `ts_recv` in ns; `reset` (n,) marks states with no difference to the state before; `events` has the
    rows.
    """

    events: pl.DataFrame
    stamps: Int64
    reset: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a session: bar k is (edges[k], edges[k + 1]], ns, with the states first[k] … first[k + 1] - 1."""

    edges: Int64
    first: Int64

    @property
    def open(self) -> Int64:
        """The open of each bar (bars,), ns."""
        return self.edges[:-1]

    @property
    def close(self) -> Int64:
        """The close of each bar (bars,), ns."""
        return self.edges[1:]

    @property
    def events(self) -> Int64:
        """The number of states in each bar (bars,)."""
        return np.diff(self.first)


def select_states(session: Session, per: str) -> Book:
    """Select the book states: the last row of each message (`per="message"`) or each row (`per="row"`).

    A clear (action R) or a snapshot marks a reset; one inside a message marks the message's last row. Raises DataError
    for a session without events or, per message, without message ends.
    """
    events = session.events
    if events.height == 0:
        raise DataError(f"{session.source}, {session.date}: the session has no events: leave it out, or extend it.")
    reset = ((events["action"] == "R") | ((events["flags"] & F_SNAPSHOT) != 0)).to_numpy()
    if per == "message":
        last = ((events["flags"] & F_LAST) != 0).to_numpy()
        if not last.any():
            raise DataError(
                f"{session.source}: no row has the flag F_LAST (128), so message ends are unknown: use bars.per=row."
            )
        resets_so_far = np.cumsum(reset)[last]
        reset = np.diff(resets_so_far, prepend=0) > 0
        events = events if last.all() else events.filter(pl.Series(last))
    return Book(events, extract_times(events), np.ascontiguousarray(reset))


def cut_time_bars(session: Session, book: Book, step: int) -> Bars:
    """Cut bars of `step` ns, as many as fit between the session's open and close.

    Raises DataError if no bar fits, or too many do.
    """
    count = (session.close - session.open) // step
    if count < 1:
        raise DataError(f"{session.source}, {session.date}: the session is shorter than one bar: lower bars.step.")
    if count > MAX_BARS:
        raise DataError(f"{session.source}, {session.date}: {count:,} bars in one session: raise bars.step.")
    edges = session.open + step * np.arange(count + 1, dtype=np.int64)
    first = np.searchsorted(book.stamps, edges, side="right").astype(np.int64)
    return Bars(edges, first)


def find_quotes_at(book: Book, at: Int64) -> pl.DataFrame:
    """Look up the best quotes known at each time of `at` (k,), UTC ns.

    Columns: `bid`, `ask` in 1e-9 units, `bid_sz`, `ask_sz` in lots; null where a side is missing, or before the first
    state.
    """
    index = np.searchsorted(book.stamps, at, side="right") - 1
    columns = {"bid": "bid_px_00", "ask": "ask_px_00", "bid_sz": "bid_sz_00", "ask_sz": "ask_sz_00"}
    known = pl.Series(np.maximum(index, 0))
    picked = book.events.select(pl.col(c).gather(known).alias(name) for name, c in columns.items())
    return picked.with_columns(pl.when(pl.Series(index >= 0)).then(pl.all()))


def compute_mid_ticks(quotes: pl.DataFrame, tick: int) -> pl.Series:
    """Compute the mid in ticks, (n,); null where a side is missing."""
    return quotes.select(((pl.col("bid") + pl.col("ask")) / (2 * tick)).alias("mid"))["mid"]


def build_bar_table(session: Session, book: Book, bars: Bars) -> pl.DataFrame:
    """Build the bar table, one row per bar: `symbol`, `session`, `bar_open`, `bar_close`, `bid`, `ask`, `mid` (ticks),
    `spread_ticks`, `n_events`.

    A bar without events has `n_events` 0 and the last known book carried forward. Known at `bar_close`.
    """
    book_at_close = find_quotes_at(book, bars.close)
    return book_at_close.select(
        pl.lit(session.symbol).alias("symbol"),
        pl.lit(session.date).alias("session"),
        pl.Series("bar_open", bars.open),
        pl.Series("bar_close", bars.close),
        "bid",
        "ask",
        compute_mid_ticks(book_at_close, session.tick),
        ((pl.col("ask") - pl.col("bid")) / session.tick).alias("spread_ticks"),
        pl.Series("n_events", bars.events),
    )
