"""The label of each bar."""

import numpy as np
import polars as pl

from ofiml._typing import Bool, Int64
from ofiml.bars.time import Bars, Book, compute_mid_ticks, find_quotes_at
from ofiml.config import Horizon, Target
from ofiml.data.schema import Session
from ofiml.labels.clock import NEVER, build_horizon_clock
from ofiml.labels.volatility import estimate_volatility


def build_label_table(
    session: Session, book: Book, bars: Bars, target: Target, horizon: Horizon, latency: int
) -> pl.DataFrame:
    """Build the labels, one row per bar: `label_start`, `label_end`, `hold_until` (ns), `move_ticks`, `y`, `scale`,
    `kind`.

    A forecast at the bar's close t is of the move mid(e) - mid(t + d), with d the decision delay. The horizon begins at
    t + d and ends at e, on its clock; a triple barrier ends it earlier, at the first touch. The interval of the label
    begins at t. It ends at the later of e and the execution of the exit, one `latency` after `hold_until`. An impact
    label is the mid change over the bar itself, and the bar is its interval.

    `move_ticks` is the move in ticks. `y` is the move in the target's unit. For a direction it is the sign; with a dead
    band it is the move in ticks, and each fold encodes it by its own train rows. For a triple barrier it is 1 for the
    take-profit, -1 for the stop, 0 for the end of the horizon. Both are null where a mid is missing, where the label's
    unit is not known (a volatility, or bps of a mid of 0), and where the session ends before the horizon. On the clock
    of time this includes bars with a touch, so that late bars are not selected by their outcome. On other clocks the
    end of the horizon is not known at the touch, so a bar with a touch keeps its label. Known at `label_end`.

    `hold_until` is the time at which a position decided at t has been open for the horizon, or a barrier was touched;
    null if the session ends first. It lies in the future: a strategy may only test whether it has passed. `scale` is
    ticks per unit of `y`, 1 for a direction; known at the bar's close.
    """
    close, scale = bars.close, pl.Series(np.ones(len(bars.close)))
    if target.kind == "impact":
        start, end, begin, last, until = bars.open, close, bars.open, close, close
    else:
        clock = build_horizon_clock(session, book, horizon)
        start, begin = close, close + horizon.delay_ns
        last, until = clock.find_end(begin), clock.find_end(close)
        if target.unit == "volatility":
            scale = estimate_volatility(session, book, bars, clock, target.look_back_ns)
    if target.unit == "bps":
        scale = 1e-4 * _measure_level(compute_mid_ticks(find_quotes_at(book, close), session.tick))
    inside = last <= session.close
    from_mid, to_mid = (compute_mid_ticks(find_quotes_at(book, at), session.tick) for at in (begin, last))
    touched = np.zeros(len(close), np.bool_)
    if target.form == "triple_barrier":
        touch = _find_first_touch(session, book, begin, last, target.barriers)
        touched, at = touch >= 0, np.maximum(touch, 0)
        touched_mid = compute_mid_ticks(book.events.select(bid="bid_px_00", ask="ask_px_00"), session.tick).gather(at)
        to_mid = pl.select(pl.when(pl.Series(touched)).then(touched_mid).otherwise(to_mid)).to_series()
        last = np.where(touched, book.stamps[at], last)
        until = np.minimum(until, last)
        inside |= touched & (horizon.clock != "time")
    if target.kind == "forecast":
        # The label reaches to the trade that closes the position. That a horizon never ends is known at the close.
        exit_time = np.where(until == NEVER, session.close, until) + latency
        end = np.where(last == NEVER, session.close, np.maximum(last, exit_time))
    move = pl.select(pl.when(pl.Series(inside)).then(to_mid - from_mid)).to_series().cast(pl.Float64)
    return pl.DataFrame(
        {
            "label_start": start,
            "label_end": end,
            "hold_until": pl.Series(until).replace(NEVER, None),
            "move_ticks": move,
            "y": _convert_move(move, from_mid, scale, touched, target),
            "scale": scale.cast(pl.Float64),
            "kind": np.full(len(close), target.kind),
        }
    )


def _convert_move(move: pl.Series, from_mid: pl.Series, scale: pl.Series, touched: Bool, target: Target) -> pl.Series:
    """Convert the move to the label's unit. A return in bps is relative to |mid| at its start, which is not known at
    the bar's close; `scale` uses |mid| at the close instead.
    """
    if target.form == "triple_barrier":
        y = pl.select(pl.when(pl.Series(touched)).then(move.sign()).when(move.is_not_null()).then(0.0)).to_series()
    elif target.form == "direction":
        y = move if target.dead_band else move.sign()
    else:
        units = {"ticks": move, "bps": 1e4 * move / _measure_level(from_mid), "volatility": move / scale}
        y = units[target.unit]
    return y.cast(pl.Float64)


def _measure_level(mid: pl.Series) -> pl.Series:
    """Measure |mid| (n,) in ticks, the divisor of a return in bps: the return has the sign of the move at any price.

    Null at a mid of 0, where a return in bps is not defined.
    """
    level = mid.abs()
    return pl.select(pl.when(level != 0).then(level)).to_series().cast(pl.Float64)


def _find_first_touch(session: Session, book: Book, begin: Int64, last: Int64, barriers: tuple[float, float]) -> Int64:
    """Find the state (k,) that first touches a barrier around the mid at `begin`, up to `last` and the session's close;
    -1 if there is none.
    """
    from ofiml.labels.barrier import MISSING, find_first_touch  # imported on use: the import compiles its kernel

    doubled = (book.events["bid_px_00"] + book.events["ask_px_00"]).fill_null(MISSING).to_numpy()
    first, final = (
        np.searchsorted(book.stamps, at, side="right").astype(np.int64) - 1
        for at in (begin, np.minimum(last, session.close))
    )
    stop, take_profit = barriers
    return find_first_touch(doubled, first, final, 2 * take_profit * session.tick, 2 * stop * session.tick)
