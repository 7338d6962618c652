"""The tape of a session: what its market did, message by message, as execution meets it.

A tape has two clocks. The exchange's is the running maximum of min(ts_event, ts_recv) over the messages: an order that
arrives at time t meets the book after all messages up to t. The receipt's says when a message is known to a trader.

Each message has events, which apply together. They are the differences between consecutive rows of the event table:

    LEVEL   the size shown at a price is now `size` (0: nothing is left there)
    TRADE   `size` lots traded; a trade precedes the change of the level that it causes
    HIDE    a level left the shown depth because better ones pushed it out; it was not cancelled
    CLEAR   the book is unknown from here on; `price` to `size` are the indexes at which levels may have been known

A level that was hidden comes back as a LEVEL, of size 0 if the shown depth passed its price without it.

Prices are indexes of a ladder, price = (base + index)·tick. A trade off the tick, as at a midpoint, is rounded against
resting orders: down for a buyer, up for a seller. It thus reaches no price that it did not reach. Without a known side
it becomes two events, one of each.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.data.calendar import list_auctions
from ofiml.data.schema import F_LAST, NO_ASK, NO_BID, NO_PRICE, ORDER_TIME, Session
from ofiml.errors import DataError
from ofiml.samples import tape_kernel
from ofiml.samples.tape_kernel import CLEAR, HIDE, LEVEL, TRADE, Tape

__all__ = ["CLEAR", "HIDE", "LEVEL", "TRADE", "SessionTape", "Tape", "TapeMeta", "build_tape", "record_session"]

#: Levels farther than so many ticks from the best quotes are ignored.
REACH = 1 << 20
#: The widest ladder, in ticks. It takes two integers a tick.
MAX_SPAN = 1 << 26
#: Vacant ticks on both sides of the ladder.
MARGIN = 64

_PIECE = 1 << 16  # rows that are copied at a time
_INSIDE = 0.999  # the share of best quotes that the ladder is built around


class TapeMeta(NamedTuple):
    """What a tape does not say of its session.

    `open` and `close` (ns) bound trading. `exact` says that the orders behind all cancels and changes have their place
    in the queue; if only some have, it is False. `ignored` counts the levels and trades off the ladder or off the tick,
    row by row; `rounded` the trades off the tick.
    """

    symbol: str
    date: str
    digest: str
    open: int
    close: int
    size_unit: float
    exact: bool
    ignored: int
    rounded: int


class SessionTape(NamedTuple):
    """A tape and what it does not say of its session."""

    tape: Tape
    meta: TapeMeta


def build_tape(session: Session) -> Tape:
    """Build the tape of a session; see `record_session`."""
    return record_session(session).tape


def record_session(session: Session) -> SessionTape:
    """Build the tape of a session, with its meta. Nothing in a message was known before its `receipt`.

    Rows after the last message end are left out. Without any message end (F_LAST), each row is a message. Raises
    DataError for a session without events, and for prices that span more than `MAX_SPAN` ticks.
    """
    events = session.events
    if events.height == 0:
        raise DataError(f"{session.source}, {session.date}: the session has no events: leave it out, or extend it.")
    base, span = _find_ladder(session)
    last = (events["flags"] & F_LAST) != 0
    if not last.any():
        last = pl.repeat(True, events.height, eager=True)
    out = tape_kernel.make_output(events.height, base, session.tick, span)
    state = tape_kernel.make_state(session.levels, session.tick, base, span)
    for rows in _list_pieces(session, last, _find_continuous(session)):
        begin = 0
        while (begin := tape_kernel.record_rows(rows, begin, state, out)) < len(rows):
            out = tape_kernel.grow_output(out)
    scalars = state.scalars
    m, e = int(scalars[tape_kernel.MESSAGES]), int(scalars[tape_kernel.CLOSED_EVENTS])
    lengths = {name: m + (name == "first") for name in tape_kernel.PER_MESSAGE} | dict.fromkeys(
        tape_kernel.PER_EVENT, e
    )
    tape = out._replace(**{name: getattr(out, name)[:length].copy() for name, length in lengths.items()})
    meta = TapeMeta(
        symbol=session.symbol,
        date=session.date,
        digest=session.digest,
        open=session.open,
        close=session.close,
        size_unit=session.size_unit,
        exact=has_order_times(events),
        ignored=int(scalars[tape_kernel.IGNORED]),
        rounded=int(scalars[tape_kernel.ROUNDED]),
    )
    return SessionTape(tape, meta)


def has_order_times(events: pl.DataFrame) -> bool:
    """Return whether every cancel and change states when its order got its place in the queue.

    One that does not is of an order that the feed has not shown, so the queue at its price is not known. A session
    without cancels and changes is known if any order of it is.
    """
    if ORDER_TIME not in events.columns:
        return False
    shrinks = events.filter(pl.col("action").is_in(["C", "M"]))[ORDER_TIME]
    return shrinks.null_count() == 0 and events[ORDER_TIME].null_count() < events.height


def _find_ladder(session: Session) -> tuple[int, int]:
    """Find the ladder (base, span) in ticks: all prices within `REACH` of nearly all best quotes, and a margin."""
    events, tick = session.events, session.tick
    best = [events[column].drop_nulls() for column in ("bid_px_00", "ask_px_00")]
    prices = pl.concat(best)
    if len(prices) == 0:  # a book that is always empty has no level to place
        prices = pl.Series([0])
    low = prices.quantile(1 - _INSIDE, "lower")
    high = prices.quantile(_INSIDE, "higher")
    assert low is not None
    assert high is not None
    lowest, highest = int(low) - REACH * tick, int(high) + REACH * tick
    columns = ["price", *(f"{side}_px_{m:02d}" for m in range(session.levels) for side in ("bid", "ask"))]
    within = [pl.col(c).filter(pl.col(c).is_between(lowest, highest)) for c in columns]
    bounds = events.select(
        pl.min_horizontal(c.min() for c in within).alias("low"),
        pl.max_horizontal(c.max() for c in within).alias("high"),
    ).row(0)
    first, last = (0 if bound is None else int(bound) // tick for bound in bounds)
    span = last - first + 2 + 2 * MARGIN
    if span > MAX_SPAN:
        raise DataError(
            f"{session.source}, {session.date}: the prices span {span:,} ticks of {tick / 1e9:g}, more than the "
            f"backtest's {MAX_SPAN:,}: give the instrument's own, larger tick."
        )
    return first - MARGIN, span


def _find_continuous(session: Session) -> pl.Series:
    """Find the rows in continuous trading, (n,): not in the calendar's auctions, until a trade shows that orders match.

    An auction may collect orders in these times, as before an open; where hours before the open trade, they do not.
    """
    events = session.events
    continuous = np.ones(events.height, np.bool_)
    if session.calendar is not None:
        stamps = events["ts_recv"].to_physical().to_numpy()
        matched = (pl.col("action") == "T") & pl.col("price").is_not_null() & (pl.col("size") > 0)
        trades = np.flatnonzero(events.select(matched.fill_null(False)).to_series().to_numpy())
        for start, end in zip(*list_auctions(session.calendar, session.open, session.close), strict=True):
            first, last = np.searchsorted(stamps, start), np.searchsorted(stamps, end, side="right")
            traded = trades[np.searchsorted(trades, first) :][:1]
            continuous[first : min([last, *traded])] = False
    return pl.Series(continuous)


def _list_pieces(session: Session, last: pl.Series, continuous: pl.Series) -> Iterator[Int64]:
    """Yield the rows of the kernel, `tape_kernel.BOOK` + 4·levels columns, piece by piece."""
    events = session.events
    order_time = pl.col("order_time").to_physical() if "order_time" in events.columns else pl.lit(None, pl.Int64)
    missing = {"bid_px": NO_BID, "bid_sz": 0, "ask_px": NO_ASK, "ask_sz": 0}
    columns = [
        pl.col("ts_event").to_physical().alias("event"),
        pl.col("ts_recv").to_physical().alias("recv"),
        pl.col("action").to_physical().cast(pl.Int64),
        pl.col("side").to_physical().cast(pl.Int64),
        pl.col("price").fill_null(NO_PRICE),
        pl.col("size").fill_null(0),
        pl.col("flags").cast(pl.Int64),
        order_time.fill_null(-1).cast(pl.Int64).alias("order_time"),
        pl.col("_last").cast(pl.Int64),
        pl.col("_continuous").cast(pl.Int64),
        *(
            pl.col(f"{name}_{m:02d}").fill_null(int(value))
            for m in range(session.levels)
            for name, value in missing.items()
        ),
    ]
    table = events.with_columns(last.alias("_last"), continuous.alias("_continuous"))
    for piece in table.iter_slices(_PIECE):
        yield piece.select(columns).to_numpy(order="c")
