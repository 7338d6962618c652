"""The best quotes around a few round trips of a session, so that one can look at them on the book that was there."""

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.backtest.columns import Columns
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


def choose_trades(net: Float) -> Int64:
    """Choose the round trips with the best and the worst `net` (n,), and two evenly between them; all of up to four.

    Returns their rows (k,), the best first.
    """
    order = np.argsort(-net, kind="stable")
    count = min(_TRADES, len(order))
    return order[[round(k * (len(order) - 1) / max(1, count - 1)) for k in range(count)]]


def quote_round_trips(trips: Columns, tape: Tape) -> Columns:
    """List the best quotes (currency, NaN for none) by the exchange's clock around the chosen round trips.

    `opened` (ns) names the round trip. The quotes begin and end as long before and after it as it lasts, at least 5 s,
    and are thinned evenly to 600.
    """
    chosen = choose_trades(trips["net"])
    opened, closed = trips["opened"][chosen], trips["closed"][chosen]
    margin = np.maximum(closed - opened, _MIN_MARGIN)
    first, last = np.searchsorted(tape.exchange, [opened - margin, closed + margin])
    parts = [_choose_points(tape, *bounds) for bounds in zip(first.tolist(), last.tolist(), strict=True)]
    rows = np.concatenate([np.empty(0, np.int64), *parts])
    return {
        "opened": np.repeat(opened, [len(part) for part in parts]),
        "time": tape.exchange[rows],
        "bid": _price(tape.bid[rows], tape),
        "ask": _price(tape.ask[rows], tape),
    }


def tabulate_shown(shown: pl.DataFrame) -> pl.DataFrame:
    """Tabulate quotes of `quote_round_trips` (`SHOWN_SCHEMA`), null for none."""
    return shown.with_columns(pl.col("opened", "time").cast(SHOWN_SCHEMA["time"]), pl.col("bid", "ask").fill_nan(None))


def _choose_points(tape: Tape, first: int, last: int) -> Int64:
    """Choose the shown messages from `first` up to before `last`: all, or evenly some; without any, the next one."""
    points = np.linspace(first, max(first, last - 1), _POINTS).astype(np.int64)
    return points[(np.diff(points, prepend=-1) > 0) & (points < len(tape.exchange))]


def _price(index: Int64, tape: Tape) -> Float:
    """Price quotes in currency; NaN without one."""
    return np.where(index >= 0, (index + tape.base) * tape.tick / PRICE_SCALE, np.nan)
