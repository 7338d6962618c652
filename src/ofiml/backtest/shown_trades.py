"""The best quotes around a few round trips of a session, so that one can look at them on the book that was there."""

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.samples.tape import Tape
from ofiml.units import PRICE_SCALE, SECOND

_TRADES = 4  # of each session: the best, the worst, and two between them
_POINTS = 600  # quotes around each
_MIN_MARGIN = 5 * SECOND

SHOWN_SCHEMA: dict[str, pl.DataType] = {
    "opened": pl.Datetime("ns", "UTC"),
    "time": pl.Datetime("ns", "UTC"),
    "bid": pl.Float64(),
    "ask": pl.Float64(),
}


def choose_trades(round_trips: pl.DataFrame) -> pl.DataFrame:
    """Choose the round trips with the best and the worst `net`, and two evenly between them; all of up to four."""
    order = np.argsort(-round_trips["net"].to_numpy(), kind="stable")
    count = min(_TRADES, len(order))
    return round_trips[order[[round(k * (len(order) - 1) / max(1, count - 1)) for k in range(count)]]]


def quote_round_trips(round_trips: pl.DataFrame, tape: Tape) -> pl.DataFrame:
    """List the best quotes (currency, null for none) by the exchange's clock around the chosen round trips.

    `opened` names the round trip. The quotes begin and end as long before and after it as it lasts, at least 5 s, and
    are thinned evenly to 600.
    """
    chosen = choose_trades(round_trips)
    spans = [column.cast(pl.Int64).to_list() for column in chosen.select("opened", "closed")]
    opened, rows = np.empty(0, np.int64), np.empty(0, np.int64)
    for start, end in zip(*spans, strict=True):
        margin = max(end - start, _MIN_MARGIN)
        first, last = np.searchsorted(tape.exchange, [start - margin, end + margin])
        points = np.unique(np.linspace(first, max(first, last - 1), _POINTS).astype(np.int64))
        points = points[points < len(tape.exchange)]
        opened, rows = np.append(opened, np.full(len(points), start)), np.append(rows, points)
    bid, ask = (_price(side[rows], tape) for side in (tape.bid, tape.ask))
    times = pl.Series(opened), pl.Series(tape.exchange[rows])
    columns = zip(SHOWN_SCHEMA.items(), (*times, bid, ask), strict=True)
    return pl.DataFrame([values.cast(kind).alias(name) for (name, kind), values in columns])


def _price(index: Int64, tape: Tape) -> pl.Series:
    """Price quotes in currency; null without one."""
    return pl.Series(np.where(index >= 0, (index + tape.base) * tape.tick / PRICE_SCALE, np.nan), nan_to_null=True)
