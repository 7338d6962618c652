"""How each feature of the catalogue is computed, for all bars of a session."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars.time import Bars, Book
from ofiml.events.schema import Session, level, times
from ofiml.features.catalogue import chosen
from ofiml.ofi.kernels import sum_by_bar
from ofiml.units import SECOND

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """What a feature may look at: one session's events and its bars up to each bar's close."""

    session: Session
    book: Book
    bars: Bars
    table: pl.DataFrame

    def at_close(self, m: int) -> tuple[Float, Float]:
        """Bid and ask size of level m at each bar's close, 0 where the side is missing; NaN before the first state."""
        last = self.bars.first[1:] - 1
        _, bid, _, ask = level(self.book.events, m)
        known = last >= 0
        pick = np.maximum(last, 0)
        return np.where(known, bid[pick], np.nan), np.where(known, ask[pick], np.nan)


def _ratio(top: Float, bottom: Float) -> Float:
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def _queue_imbalance(view: View) -> Float:
    bid, ask = view.at_close(0)
    return _ratio(bid - ask, bid + ask)


def _depth_imbalance(view: View) -> Float:
    sizes = [view.at_close(m) for m in range(view.session.levels)]
    bid, ask = (np.sum([s[i] for s in sizes], axis=0) for i in (0, 1))
    return _ratio(bid - ask, bid + ask)


def _mid_change(view: View, bars: int) -> Float:
    mid = view.table["mid"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    out = np.full(len(mid), np.nan)
    out[bars:] = mid[bars:] - mid[:-bars]
    return out


def _volatility(view: View, bars: int) -> Float:
    change = pl.Series(_mid_change(view, 1)).fill_nan(None)
    return change.rolling_std(window_size=bars, min_samples=max(2, bars // 3)).fill_null(np.nan).to_numpy()


def _trade_imbalance(view: View) -> Float:
    trades = view.session.events.filter(pl.col("action") == "T")
    first = np.searchsorted(times(trades), view.bars.edges, side="right").astype(np.int64)
    signed = trades.select(
        pl.when(pl.col("side") == "B").then("size").when(pl.col("side") == "A").then(-pl.col("size")).otherwise(0)
    ).to_series()
    net, gross = np.zeros(len(view.bars.close), np.int64), np.zeros(len(view.bars.close), np.int64)
    sum_by_bar(signed.to_numpy(), first, net)
    sum_by_bar(signed.abs().to_numpy(), first, gross)
    return _ratio(net.astype(np.float64), gross.astype(np.float64))


def _spread(view: View) -> Float:
    return view.table["spread_ticks"].cast(pl.Float64).fill_null(np.nan).to_numpy()


COMPUTE: dict[str, Callable[[View], Float]] = {
    "queue_imbalance": _queue_imbalance,
    "depth_imbalance": _depth_imbalance,
    "microprice_offset": lambda v: _queue_imbalance(v) * _spread(v) / 2,
    "return_1": lambda v: _mid_change(v, 1),
    "return_6": lambda v: _mid_change(v, 6),
    "volatility_30": lambda v: _volatility(v, 30),
    "trade_imbalance": _trade_imbalance,
    "log_events": lambda v: np.log1p(v.bars.events.astype(np.float64)),
    "minutes_since_open": lambda v: (v.bars.close - v.session.open) / (60 * SECOND),
}


def feature_table(view: View, columns: list[str]) -> pl.DataFrame:
    """One float column per chosen feature that is not a column of the bars already, one row per bar.

    Known at the bar's close; NaN as the catalogue says.
    """
    return pl.DataFrame({f.name: COMPUTE[f.name](view) for f in chosen(columns) if f.name not in view.table.columns})
