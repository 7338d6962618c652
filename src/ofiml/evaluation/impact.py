"""Price impact: how much of a bar's mid change its own flow explains (Cont, Kukanov & Stoikov 2014, section 3)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.metrics.scores import ic
from ofiml.units import SECOND

WINDOW = 1800 * SECOND
FEWEST = 30  # bars for a correlation to say something; a shorter window is left out
SPARE = 10  # bars beyond the number of coefficients that a fit needs


@dataclass(frozen=True, slots=True)
class ImpactScore:
    """R² of best-level flow in each half hour, in sample, and their mean; NaN where there is none."""

    r2_windows: list[float]
    r2_window_mean: float


def measure_impact(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> ImpactScore:
    """Measure how much of the mid's change best-level flow explains, half hour by half hour."""
    windows = r2_windows(rows, session_open)
    return ImpactScore(windows, float(np.mean(windows)) if windows else float("nan"))


def r2_windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> list[float]:
    """Squared correlation of best-level OFI (`ofi_00`, lots) and the mid change (`move_ticks`) in each 30-minute
    window.

    Windows count from the session's open, in order of `rows`; one with fewer than 30 bars or without variation is
    left out.
    """
    out = []
    for window in _windows(rows, session_open):
        flow, move = window["ofi_00"].to_numpy().astype(np.float64), window["move_ticks"].to_numpy()
        out.append(ic(move, flow) ** 2)
    return [value for value in out if not np.isnan(value)]


def adjusted_r2_windows(
    rows: pl.DataFrame, session_open: dict[tuple[str, str], int], columns: list[str]
) -> list[float]:
    """R² of a least-squares fit of the mid change on `columns` together in each window of `r2_windows`.

    Adjusted for the number of independent columns, 1 - (1 - R²)(n - 1)/(n - p - 1), so that more levels do not gain
    by their number; it may be negative. A window that has no 10 bars more than that, or no variation, is left out.
    """
    out = []
    for window in _windows(rows, session_open):
        move = window["move_ticks"].to_numpy()
        value = _adjusted_r2(window.select(columns).to_numpy().astype(np.float64), move)
        if not np.isnan(value):
            out.append(value)
    return out


def _windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> Iterator[pl.DataFrame]:
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        window = (day["bar_open"].to_numpy() - session_open[str(symbol), str(session)]) // WINDOW
        for w in np.unique(window):
            inside = window == w
            if inside.sum() >= FEWEST:
                yield day.filter(pl.Series(inside))


def _adjusted_r2(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, centred = x - x.mean(axis=0), y - y.mean()
    scale = x.std(axis=0)
    x = x[:, scale > 0] / scale[scale > 0]
    beta, _, rank, _ = np.linalg.lstsq(x, centred, rcond=None)
    left = len(y) - int(rank) - 1
    if np.ptp(y) == 0 or rank == 0 or left < SPARE:
        return float("nan")
    unexplained = float(np.sum((centred - x @ beta) ** 2)) / float(np.sum(centred**2))
    return 1.0 - unexplained * (len(y) - 1) / left
