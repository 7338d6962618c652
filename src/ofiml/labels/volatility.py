"""The recent volatility of the mid over one horizon: the unit of a volatility-scaled return."""

import numpy as np
import polars as pl

from ofiml.bars.time import Bars, Book, compute_mid_ticks, find_quotes_at
from ofiml.data.schema import Session
from ofiml.labels.clock import Clock

_MIN_SQUARES = 0.25  # ticks²: one move of half a tick, the smallest move of a mid, so that σ is never 0


def estimate_volatility(session: Session, book: Book, bars: Bars, clock: Clock, look_back: int) -> pl.Series:
    """Estimate σ of each bar, (n,) in ticks: the root mean square mid move over a horizon, scaled as a random walk.

    σ² = H/C · max(Σ(Δmid)², 0.25 ticks²). The sum is over the bars that lie whole in the last `look_back` ns before the
    close, C is the advance of the horizon's clock over them, and H is the horizon on that clock. A bar without a mid at
    either end counts in neither. Null before the session is `look_back` old, and where C is 0. Known at the bar's
    close.
    """
    mid = (
        compute_mid_ticks(find_quotes_at(book, bars.edges), session.tick).cast(pl.Float64).fill_null(np.nan).to_numpy()
    )
    move, advance = np.diff(mid), np.diff(clock.read(bars.edges))
    known = ~np.isnan(move)
    squares = np.concatenate([[0.0], np.cumsum(np.where(known, move, 0.0) ** 2)])
    elapsed = np.concatenate([[0], np.cumsum(np.where(known, advance, 0))])
    first = np.searchsorted(bars.open, bars.close - look_back, side="left")
    after = np.arange(1, len(bars.close) + 1)
    span = elapsed[after] - elapsed[first]
    valid = (span > 0) & (bars.close - look_back >= session.open)
    variance = np.maximum(squares[after] - squares[first], _MIN_SQUARES) * clock.length / np.where(valid, span, 1)
    return pl.select(pl.when(pl.Series(valid)).then(pl.Series("sigma", np.sqrt(variance)))).to_series()
