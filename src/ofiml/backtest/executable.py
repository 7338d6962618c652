"""The quotes that the trade of each predicted bar would have met: one latency after its decision, and after the end of
its horizon.
"""

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest.columns import Columns
from ofiml.backtest.latency import Latency
from ofiml.backtest.markouts import find_quotes
from ofiml.backtest.traded_bars import TradedBars
from ofiml.samples.tape import Tape
from ofiml.strategy.decisions import LAST


def quote_executable(tape: Tape, bars: TradedBars, close: int, latency: Latency, feed: int) -> Columns:
    """Quote each bar's entry and exit, in ticks above the tape's base, as `tabulate_executable` reads them.

    `latency` is the expected one, `feed` the delay of decisions (ns), and `close` the end of the session (ns). -1 where
    a side is missing, where the market is not tradable, after the close, and for an exit whose time is not known.
    """
    has_exit = bars.hold_until != LAST
    columns = {"bar_close": bars.close}

    def quote(name: str, at: Int64) -> None:
        times = at + feed + latency.expect(at + feed)
        for side, index in zip(("bid", "ask"), find_quotes(tape, times), strict=True):
            columns[f"{name}_{side}"] = np.where(times <= close, index, -1)

    quote("entry", bars.close)
    quote("exit", np.where(has_exit, bars.hold_until, close))
    for side in ("exit_bid", "exit_ask"):
        columns[side][~has_exit] = -1
    return columns


def tabulate_executable(quotes: pl.DataFrame) -> pl.DataFrame:
    """Tabulate quotes of `quote_executable`, null for none."""
    sides = pl.exclude("bar_close")
    return quotes.with_columns(pl.when(sides >= 0).then(sides))
