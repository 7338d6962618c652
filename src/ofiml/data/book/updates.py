"""Books of feeds with sizes by price: from a plan of its messages, and trades between them, to events."""

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book.levels import build_from_levels, drop_early_trades
from ofiml.data.book.plan import Plan, make_messages
from ofiml.data.book.trades import merge_trades_into_messages
from ofiml.data.checks import Checker
from ofiml.data.formats.level_rows import LevelRows
from ofiml.data.schema import Int64
from ofiml.errors import DataError

_DEFAULT_LEVELS = 10


def build_from_plan(
    depth: LevelRows,
    plan: Plan,
    trades: pl.DataFrame,
    trade_places: Int64,
    dataset: FileDataset,
    checker: Checker,
) -> tuple[pl.DataFrame, int]:
    """Build the events of one symbol by a plan; return them and the number of levels.

    Raises DataError for a book that never becomes known.
    """
    levels = dataset.levels or _DEFAULT_LEVELS
    table, starts, at = make_messages(depth, plan)
    places = depth.rows["place"].to_numpy()[at]
    usable, before = drop_early_trades(trades, np.searchsorted(places, trade_places), checker)
    table = merge_trades_into_messages(table, usable, np.append(starts, table.height)[before])
    events = build_from_levels(table, levels, checker, dataset.tick)
    if not (events["bid_px_00"].is_not_null() & events["ask_px_00"].is_not_null()).any():
        raise DataError(
            f"{checker.source} contains no full book that its updates join, and its updates never show both best "
            f"prices (known where they are dataset.tick={dataset.tick:g} apart), so the book is unknown: add the full "
            "book (a snapshot before or between the updates), or check dataset.tick."
        )
    return events, levels
