"""The label of each bar."""

import numpy as np
import polars as pl

from ofiml._typing import Bool, Int64
from ofiml.bars.time import Bars, Book, compute_mid_ticks, find_quotes_at
from ofiml.config import Horizon, Target
from ofiml.data.schema import Session
from ofiml.labels.clock import NEVER, horizon_clock
from ofiml.labels.volatility import volatility


def label_table(
    session: Session, book: Book, bars: Bars, target: Target, horizon: Horizon, latency: int
) -> pl.DataFrame:
    """Build the labels, one row per bar: `label_start`, `label_end`, `hold_until` (ns), `move_ticks`, `y`, `scale`,
    `kind`.

    A forecast made at the bar's close t is of mid(e) - mid(t + d), d the decision delay; e is when the horizon is over
    that begins at t + d, on its clock, or, of a triple barrier, when the mid first touches one, if that is earlier. Its
    interval begins at t and ends when e is past and what execution needs, a trade one `latency` after `hold_until`.
    An impact label is the mid change over the bar itself, with the bar as its interval.

    `move_ticks` is the move in ticks. `y` is the move in the target's unit; of a direction its sign, or with a dead
    band the move in ticks, which each fold encodes by its own train rows; of a triple barrier 1 for the take-profit,
    -1 for the stop, 0 for the end of the horizon. They are null where a mid is missing, the label's unit is not known,
    or the session ends before the horizon: on the clock of time whether or not a barrier is touched before, so that
    late bars are not chosen by what they meet; on other clocks, where that is not known yet when a barrier is touched,
    only if none is. Known at `label_end`.

    `hold_until` is when a position that was decided on at t has lived for the horizon, or a barrier was touched; null
    if that never happens. It lies in the future: a strategy may only check whether it has passed. `scale` is ticks per
    unit of `y`, 1 for a direction; known at the bar's close.
    """
    close, scale = bars.close, pl.Series(np.ones(len(bars.close)))
    if target.kind == "impact":
        start, end, begin, last, until = bars.open, close, bars.open, close, close
    else:
        clock = horizon_clock(session, book, horizon)
        start, begin = close, close + horizon.delay_ns
        last, until = clock.over(begin), clock.over(close)
        if target.unit == "volatility":
            scale = volatility(session, book, bars, clock, target.look_back_ns)
    if target.unit == "bps":
        scale = 1e-4 * compute_mid_ticks(find_quotes_at(book, close), session.tick)
    inside = last <= session.close
    from_mid, to_mid = (compute_mid_ticks(find_quotes_at(book, at), session.tick) for at in (begin, last))
    touched = np.zeros(len(close), np.bool_)
    if target.form == "triple_barrier":
        touch = _first_touch(session, book, begin, last, target.barriers)
        touched, at = touch >= 0, np.maximum(touch, 0)
        touched_mid = compute_mid_ticks(book.events.select(bid="bid_px_00", ask="ask_px_00"), session.tick).gather(at)
        to_mid = pl.select(pl.when(pl.Series(touched)).then(touched_mid).otherwise(to_mid)).to_series()
        last = np.where(touched, book.stamps[at], last)
        until = np.minimum(until, last)
        inside |= touched & (horizon.clock != "time")
    if target.kind == "forecast":
        # The trade that ends the position; what is never over is known not to be so when the session ends.
        leaves = np.where(until == NEVER, session.close, until) + latency
        end = np.where(last == NEVER, session.close, np.maximum(last, leaves))
    move = pl.select(pl.when(pl.Series(inside)).then(to_mid - from_mid)).to_series().cast(pl.Float64)
    return pl.DataFrame(
        {
            "label_start": start,
            "label_end": end,
            "hold_until": pl.Series(until).replace(NEVER, None),
            "move_ticks": move,
            "y": _y(move, from_mid, scale, touched, target),
            "scale": scale.cast(pl.Float64),
            "kind": np.full(len(close), target.kind),
        }
    )


def _y(move: pl.Series, from_mid: pl.Series, scale: pl.Series, touched: Bool, target: Target) -> pl.Series:
    """The label in its unit. A return in bps is of the mid at its beginning, which its `scale` does not know yet."""
    if target.form == "triple_barrier":
        y = pl.select(pl.when(pl.Series(touched)).then(move.sign()).when(move.is_not_null()).then(0.0)).to_series()
    elif target.form == "direction":
        y = move if target.dead_band else move.sign()
    else:
        y = {"ticks": move, "bps": 1e4 * move / from_mid, "volatility": move / scale}[target.unit]
    return y.cast(pl.Float64)


def _first_touch(session: Session, book: Book, begin: Int64, last: Int64, barriers: tuple[float, float]) -> Int64:
    """The state (k,) that first touches a barrier around the mid at `begin`, by `last` and the session's end; -1."""
    from ofiml.labels.barrier import MISSING, first_touch  # compiles its kernel, so only where it is used

    doubled = (book.events["bid_px_00"] + book.events["ask_px_00"]).fill_null(MISSING).to_numpy()
    first, final = (
        np.searchsorted(book.stamps, at, side="right").astype(np.int64) - 1
        for at in (begin, np.minimum(last, session.close))
    )
    stop, take_profit = barriers
    return first_touch(doubled, first, final, 2 * take_profit * session.tick, 2 * stop * session.tick)
