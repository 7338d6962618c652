"""The predicted bars of each traded session, as trading reads them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.data.calendar import ALWAYS
from ofiml.samples.session import SessionSamples
from ofiml.strategy.build import TradedSession
from ofiml.strategy.decisions import LAST
from ofiml.units import SECOND

_DAY = 86_400 * SECOND


class TradedBars(NamedTuple):
    """The predicted bars of a session, and path, in order of their close, (n,) ns each. `hold_until` is the end of the
    horizon, LAST where it is not known.
    """

    open: Int64
    close: Int64
    hold_until: Int64


def divide_bars(rows: pl.DataFrame) -> dict[TradedSession, TradedBars]:
    """Divide the predicted bars by symbol, session and, if there are several, path. Bars of one time keep order."""
    by = ["symbol", "session", *(["path"] if "path" in rows.columns else [])]
    times = pl.col("bar_open", "bar_close").cast(pl.Int64), pl.col("hold_until").cast(pl.Int64).fill_null(LAST)
    groups = rows.lazy().group_by(by, maintain_order=True).agg(*times, pl.len().alias("count")).collect()
    stops = np.cumsum(groups["count"].to_numpy()).tolist()
    columns = [groups[name].explode().to_numpy() for name in ("bar_open", "bar_close", "hold_until")]
    keys = groups.select(by).rows()
    return {
        TradedSession(*key): _sort_bars(TradedBars._make(column[start:stop] for column in columns))
        for key, start, stop in zip(keys, [0, *stops], stops, strict=False)
    }


def _sort_bars(bars: TradedBars) -> TradedBars:
    if (bars.close[1:] >= bars.close[:-1]).all():
        return bars
    order = np.argsort(bars.close, kind="stable")
    return TradedBars._make(column[order] for column in bars)


def count_bars_per_day(parts: Mapping[TradedSession, TradedBars], sessions: list[SessionSamples]) -> float:
    """Count the times at which the equity is known on a full day of the calendar, not on the tested part of one.

    On each date, the distinct times of predicted bars are scaled by the length of the calendar's session (of 24 hours
    on a market that never closes) over the time that these bars cover; the mean over dates.
    """
    full: dict[str, int] = {}
    for s in sessions:
        length = _DAY if s.calendar == ALWAYS else (s.scheduled_close or s.close) - s.open
        full[s.key[1]] = max(full.get(s.key[1], 0), length)
    path = next(iter(parts)).path
    by_date: dict[str, list[TradedBars]] = {}
    for key, bars in parts.items():
        if key.path == path:
            by_date.setdefault(key.session, []).append(bars)
    per_day = []
    for date, traded in by_date.items():
        covered = max(int((bars.close - bars.open).sum()) for bars in traded)
        times = pl.Series(np.concatenate([bars.close for bars in traded])).n_unique()
        per_day.append(times * full[date] / max(1, covered))
    return sum(sorted(per_day)) / len(per_day)
