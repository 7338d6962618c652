"""From full books and depth updates to events, with trades between them."""

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book.updates import build_from_plan
from ofiml.data.checks import Checker
from ofiml.data.formats.level_rows import NO_ID, LevelRows
from ofiml.data.readers.binance.joining import plan_updates
from ofiml.data.schema import Int64
from ofiml.errors import DataError

Events = tuple[pl.DataFrame, int, list[str]]  # events, levels, notes


def build_from_depth(
    depth: LevelRows, trades: pl.DataFrame, trade_places: Int64, dataset: FileDataset, checker: Checker
) -> Events:
    """Build the events of one symbol; `trades` are events, with the place in the feed of each.

    Raises DataError for a book that never becomes known.
    """
    depth = _set_missing_times(depth, checker)
    plan, n_contained = plan_updates(depth, checker)
    events, levels = build_from_plan(depth, plan, trades, trade_places, dataset, checker)
    return events, levels, [f"updates already in the full book: {n_contained}"] if n_contained else []


def _set_missing_times(depth: LevelRows, checker: Checker) -> LevelRows:
    """Give full books without a time that of the next update. Raises DataError if there is no such update."""
    recv, event, last, full = (depth.rows[c].to_numpy().copy() for c in ("recv", "event", "last", "full"))
    for i in np.flatnonzero(recv == NO_ID):
        later = np.flatnonzero((full[i:] == 0) & (last[i:] > last[i]))
        if not len(later):
            raise DataError(f"{checker.source} contains no update after {last[i]}, the last update in its full book.")
        recv[i], event[i] = recv[i + later[0]], event[i + later[0]]
    rows = depth.rows.with_columns(recv=pl.Series(recv), event=pl.Series(event))
    return LevelRows(rows, depth.pairs, depth.prices, depth.sizes)
