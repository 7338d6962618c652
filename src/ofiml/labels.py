"""Labels: what a bar's flow is held against, and the interval of time that the label spans."""

import numpy as np
import polars as pl

from ofiml.bars.time import Bars, Book, mid_ticks, quotes
from ofiml.config import Horizon, Target
from ofiml.events.schema import Session


def label_table(
    session: Session, book: Book, bars: Bars, target: Target, horizon: Horizon, latency: int
) -> pl.DataFrame:
    """Per bar: `label_start`, `label_end` (ns), `move_ticks`, `y`, `kind`.

    A forecast made at the bar's close t is of mid(t + d + h) - mid(t + d); its interval is [t, t + h + max(d,
    latency)], which covers the execution leg. An impact label is the mid change over the bar itself, with the bar as
    its interval. `y` is the move in the target's unit, or its sign for a direction; `move_ticks` is the move in
    ticks. Both are null where a mid is missing or the label would cross the session's end. They are known at
    `label_end`, not before.
    """
    if target.kind == "impact":
        start, end, first, last = bars.open, bars.close, bars.open, bars.close
    else:
        start, first = bars.close, bars.close + horizon.delay_ns
        last = first + horizon.length_ns
        end = start + horizon.length_ns + max(horizon.delay_ns, latency)
    from_mid = mid_ticks(quotes(book, first), session.tick)
    to_mid = mid_ticks(quotes(book, last), session.tick)
    inside = pl.Series(last <= session.close)
    move = pl.select(pl.when(inside).then(to_mid - from_mid)).to_series()
    y = 1e4 * move / from_mid if target.unit == "bps" else move
    if target.form == "direction":
        y = move.sign()
    return pl.DataFrame(
        {
            "label_start": start,
            "label_end": end,
            "move_ticks": move.cast(pl.Float64),
            "y": y.cast(pl.Float64),
            "kind": np.full(len(start), target.kind),
        }
    )
