"""Snapshots received on another day: they belong to the session that follows.

A feed may state the book once a day, at a time of its own: Databento's MBO does at midnight UTC, which is another
exchange-local day, or lies between two sessions. These rows state the book of the rows after them.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.schema import F_BAD_RECEIPT, F_SNAPSHOT, Int64, extract_times


def defer_snapshots(events: pl.DataFrame, find_windows: Callable[[Int64], Int64]) -> pl.DataFrame:
    """Return the rows; snapshots before another session become known with the first row after them.

    This holds for snapshots and clears whose receipt is not their own (F_BAD_RECEIPT), and for those that would be a
    session without other rows. `find_windows` returns the number of the session of each time (UTC ns), -1 for none.
    """
    reset = (events["action"] == "R").to_numpy()
    stated = reset | (((events["flags"] & F_SNAPSHOT) != 0) & (events["action"] != "N")).to_numpy()
    stamps = extract_times(events)
    following = _find_following(~stated)
    rows = np.flatnonzero(stated & (following < len(stated)))
    if not len(rows):
        return events
    borrowed = ((events["flags"] & F_BAD_RECEIPT) != 0).to_numpy()
    window = find_windows(stamps)
    own_window = ~np.isin(window, window[~stated])
    target = following[rows]
    moved = (window[rows] != window[target]) & (borrowed[rows] | own_window[rows])
    if not moved.any():
        return events
    late = stamps.copy()
    late[rows[moved]] = stamps[target[moved]]
    late = np.minimum.accumulate(late[::-1])[::-1]  # rows of the same snapshot that stay keep their order
    return events.with_columns(pl.Series("ts_recv", late).cast(events.schema["ts_recv"]))


def _find_following(wanted: NDArray[np.bool_]) -> Int64:
    """Find the first wanted row at or after each row; the number of rows if there is none."""
    n = len(wanted)
    places = np.where(wanted, np.arange(n), n)
    return np.minimum.accumulate(places[::-1])[::-1]
