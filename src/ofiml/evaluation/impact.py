"""Price impact: how much of a bar's mid change its own flow explains (Cont, Kukanov & Stoikov 2014, section 3)."""

import numpy as np
import polars as pl

from ofiml.evaluation.metrics import ic
from ofiml.units import SECOND

WINDOW = 1800 * SECOND
FEWEST = 30  # bars for a correlation to say something; a shorter window is left out


def r2_windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> list[float]:
    """Squared correlation of best-level OFI (`ofi_00`, lots) and the mid change (`move_ticks`) in each 30-minute
    window.

    Windows count from the session's open, in order of `rows`; one with fewer than 30 bars or without variation is
    left out.
    """
    out = []
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        window = (day["bar_open"].to_numpy() - session_open[str(symbol), str(session)]) // WINDOW
        flow, move = day["ofi_00"].to_numpy().astype(np.float64), day["move_ticks"].to_numpy()
        for w in np.unique(window):
            inside = window == w
            if inside.sum() >= FEWEST:
                out.append(ic(move[inside], flow[inside]) ** 2)
    return [value for value in out if not np.isnan(value)]
