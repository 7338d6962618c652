"""A session's flow: per level and bar, raw in lots or relative to depth."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars.time import Bars, Book
from ofiml.events.schema import level
from ofiml.ofi.kernels import flow_events, sum_by_bar


def flow_columns(levels: int) -> list[str]:
    """Names of the raw flow columns, best level first."""
    return [f"ofi_{m:02d}" for m in range(levels)]


def flow_table(book: Book, bars: Bars, levels: int) -> pl.DataFrame:
    """Per bar: `ofi_00` … the summed flow of each level, in lots, and `depth`.

    `depth` is the average, over levels and over the bar's states, of (q^b + q^a)/2, counting only sides that are there
    (Cont, Cucuringu & Zhang, arXiv 2112.13213); NaN in a bar without events. Known at the bar's close.
    """
    n, k = len(book.stamps), len(bars.close)
    flow = np.empty(n, np.int64)
    columns: dict[str, NDArray] = {}
    size, sides, total = np.zeros(k, np.int64), np.zeros(k, np.int64), np.empty(k, np.int64)
    for m, name in enumerate(flow_columns(levels)):
        bid_px, bid_sz, ask_px, ask_sz = level(book.events, m)
        flow_events(bid_px, bid_sz, ask_px, ask_sz, book.reset, flow)
        columns[name] = np.empty(k, np.int64)
        sum_by_bar(flow, bars.first, columns[name])
        present = (bid_sz > 0).astype(np.int64) + (ask_sz > 0)
        for values, sums in ((bid_sz + ask_sz, size), (present, sides)):
            sum_by_bar(values, bars.first, total)
            sums += total
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = size / sides
    return pl.DataFrame(columns).with_columns(pl.Series("depth", depth))


def flow_matrix(table: pl.DataFrame, levels: int, normalise: str) -> NDArray[np.float64]:
    """The flow of all levels (rows, levels), in lots, or divided by the bar's depth if `normalise` is depth.

    Depth is one number for all levels of a bar. A bar without depth has no flow and gives 0.
    """
    flow = table.select(flow_columns(levels)).to_numpy().astype(np.float64)
    if normalise == "none":
        return flow
    depth = table["depth"].to_numpy()[:, None]
    return np.divide(flow, depth, out=np.zeros_like(flow), where=depth > 0)
