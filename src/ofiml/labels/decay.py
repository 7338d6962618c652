"""Mid moves over multiples of the label's horizon, which measure how a forecast decays."""

from dataclasses import replace

import polars as pl

from ofiml.bars.time import Bars, Book, compute_mid_ticks, find_quotes_at
from ofiml.config import Horizon
from ofiml.data.schema import Session
from ofiml.labels.clock import ActivityClock, TimeClock, build_horizon_clock
from ofiml.units import SECOND


def name_decay_columns(multiples: list[float]) -> list[str]:
    """Name the column of each horizon multiple."""
    return [f"ahead_{i:02d}" for i in range(len(multiples))]


def format_horizon(horizon: Horizon, multiple: float) -> str:
    """Format a multiple of the horizon with its unit: 500 ms, 20 s, 5 min, 250 events, 2500 volume."""
    if horizon.length_ns is None:
        return f"{multiple * horizon.amount:g} {horizon.clock}"
    seconds = multiple * horizon.length_ns / SECOND
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    return f"{seconds:g} s" if seconds <= 120 else f"{seconds / 60:.3g} min"


def build_decay_table(
    session: Session, book: Book, bars: Bars, scale: pl.Series, horizon: Horizon, multiples: list[float]
) -> pl.DataFrame:
    """Build `ahead_NN` for each multiple m of the horizon, one row per bar: mid(e) - mid(t + d) in ticks, divided by
    the label's `scale`. The m horizons begin at t + d and end at e, on the horizon's clock.

    Null where a mid is missing, the scale is not known, or the session ends before e. Known at e, so never a model
    input.
    """
    begin = bars.close + horizon.delay_ns
    from_mid = compute_mid_ticks(find_quotes_at(book, begin), session.tick)
    clock = build_horizon_clock(session, book, horizon)
    assert isinstance(clock, TimeClock | ActivityClock)
    out = {}
    for name, multiple in zip(name_decay_columns(multiples), multiples, strict=True):
        end = replace(clock, length=max(1, round(multiple * clock.length))).find_end(begin)
        move = (compute_mid_ticks(find_quotes_at(book, end), session.tick) - from_mid) / scale
        out[name] = pl.select(pl.when(pl.Series(end <= session.close)).then(move)).to_series().cast(pl.Float64)
    return pl.DataFrame(out)
