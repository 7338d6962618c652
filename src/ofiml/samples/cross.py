"""The flow of other symbols as features of a bar."""

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
import polars as pl

from ofiml.config import Features
from ofiml.errors import DataError
from ofiml.ofi.columns import BEST_FLOW
from ofiml.samples.session import SessionSamples
from ofiml.units import SECOND


def name_cross_columns(config: Features) -> list[str]:
    """Name the columns of other symbols' flow and its age."""
    return [column for symbol in config.cross for column in (f"cross_{symbol}", f"cross_{symbol}_age")]


def add_cross_flow(sessions: list[SessionSamples], config: Features) -> Iterator[pl.DataFrame]:
    """Yield each session's rows with, for each symbol of `cross`, its best-level OFI (lots) and the age of that value
    (s) at each bar's close t.

    The value is of the symbol's last bar of the date that `CrossBars` allows at t; NaN where there is none. Raises
    DataError for a symbol without a session.
    """
    require_symbols(config.cross, {s.key[0] for s in sessions})
    others = CrossBars(config)
    by_key = {s.key: s.rows for s in sessions}
    for s in sessions:
        close = s.rows["bar_close"].to_numpy()
        first_used = s.rows["first_used"].to_numpy().copy()
        columns = []
        for symbol in config.cross:
            value, age = (np.full(len(close), np.nan) for _ in range(2))
            other = by_key.get((symbol, s.key[1]))
            if other is not None:
                closes = other["bar_close"].to_list()
                last = np.array([others.find_last(closes, t) for t in close.tolist()], np.int64)
                fresh = last >= 0
                pick = last[fresh]
                value[fresh] = other[BEST_FLOW].to_numpy()[pick]
                age[fresh] = (close[fresh] - other["bar_close"].to_numpy()[pick]) / SECOND
                first_used[fresh] = np.minimum(first_used[fresh], other["bar_open"].to_numpy()[pick])
            columns += [pl.Series(f"cross_{symbol}", value), pl.Series(f"cross_{symbol}_age", age)]
        yield s.rows.with_columns(*columns, pl.Series("first_used", first_used))


class CrossBars:
    """The bar of another symbol that a row may use: the last one that closed at least `cross_delay` and at most
    `cross_max_age` before the row.
    """

    def __init__(self, config: Features) -> None:
        self.delay, self.max_age = config.cross_delay_ns, config.cross_max_age_ns

    def find_last(self, closes: list[int], t: int) -> int:
        """Find the index of that bar among `closes` (ns, ascending) for a row at `t` (ns); -1 if there is none."""
        last = bisect_right(closes, t - self.delay) - 1
        return last if last >= 0 and t - closes[last] <= self.max_age else -1


def require_symbols(cross: list[str], symbols: set[str]) -> None:
    """Raise DataError for a symbol of `cross` without a session."""
    for symbol in cross:
        if symbol not in symbols:
            known = ", ".join(sorted(symbols))
            raise DataError(f"features.cross: no session of {symbol}. Use symbols of the data: {known}.")
