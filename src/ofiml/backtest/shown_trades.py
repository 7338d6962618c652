"""The best quotes around a few round trips of a session, so that one can look at them on the book that was there."""

import numpy as np
import polars as pl

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
    ordered = round_trips.sort("net", descending=True, maintain_order=True)
    count = min(_TRADES, ordered.height)
    return ordered[[round(k * (ordered.height - 1) / max(1, count - 1)) for k in range(count)]]


def quote_round_trips(round_trips: pl.DataFrame, tape: Tape) -> pl.DataFrame:
    """List the best quotes (currency, null for none) by the exchange's clock around the chosen round trips.

    `opened` names the round trip. The quotes begin and end as long before and after it as it lasts, at least 5 s, and
    are thinned evenly to 600.
    """
    parts = [pl.DataFrame(schema=SHOWN_SCHEMA)]
    for trip in (
        choose_trades(round_trips).with_columns(pl.col("opened", "closed").cast(pl.Int64)).iter_rows(named=True)
    ):
        start, end = trip["opened"], trip["closed"]
        margin = max(end - start, _MIN_MARGIN)
        first, last = np.searchsorted(tape.exchange, [start - margin, end + margin])
        rows = np.unique(np.linspace(first, max(first, last - 1), _POINTS).astype(np.int64))
        rows = rows[rows < len(tape.exchange)]
        index = {side: pl.Series(getattr(tape, side)[rows]) for side in ("bid", "ask")}
        prices = {side: (pl.col(side) + tape.base) * tape.tick / PRICE_SCALE for side in index}
        quotes = pl.DataFrame({"time": tape.exchange[rows], **index}).with_columns(
            *(pl.when(pl.col(side) >= 0).then(price).alias(side) for side, price in prices.items())
        )
        parts.append(quotes.with_columns(pl.lit(start).alias("opened")).select(list(SHOWN_SCHEMA)).cast(SHOWN_SCHEMA))  # type: ignore[arg-type]
    return pl.concat(parts)
