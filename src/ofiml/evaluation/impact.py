"""Price impact: the share of a bar's mid change that its flow explains (Cont, Kukanov & Stoikov 2014, section 3)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.metrics.scores import ic
from ofiml.units import SECOND

WINDOW = 1800 * SECOND
MIN_BARS = 30  # of a window; a correlation over fewer is not reliable
MIN_FREE_BARS = 10  # beyond the number of coefficients


@dataclass(frozen=True, slots=True)
class ImpactScore:
    """The R² of best-level flow in each half hour, in sample, and their mean, NaN without windows."""

    r2_windows: list[float]
    r2_window_mean: float


def measure_impact(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> ImpactScore:
    """Measure the share of the mid's change that best-level flow explains in each half hour."""
    windows = measure_r2_windows(rows, session_open)
    return ImpactScore(windows, float(np.mean(windows)) if windows else float("nan"))


def measure_r2_windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> list[float]:
    """Measure the squared correlation of best-level OFI (`ofi_00`, lots) and the mid change (`move_ticks`) in each
    30-minute window.

    Windows start at the session's open and follow the order of `rows`. A window with fewer than 30 bars or without
    variation is left out.
    """
    out = []
    for window in _split_windows(rows, session_open):
        flow, move = window["ofi_00"].to_numpy().astype(np.float64), window["move_ticks"].to_numpy()
        out.append(ic(move, flow) ** 2)
    return [value for value in out if not np.isnan(value)]


def measure_adjusted_r2_windows(
    rows: pl.DataFrame, session_open: dict[tuple[str, str], int], columns: list[str]
) -> list[float]:
    """Measure the adjusted R² of a least-squares fit of the mid change on all `columns` in each window of
    `measure_r2_windows`.

    It is 1 - (1 - R²)(n - 1)/(n - p - 1), with p the number of independent columns, and may be negative. A window with
    n - p - 1 below 10, or without variation, is left out.
    """
    out = []
    for window in _split_windows(rows, session_open):
        move = window["move_ticks"].to_numpy()
        value = _fit_adjusted_r2(window.select(columns).to_numpy().astype(np.float64), move)
        if not np.isnan(value):
            out.append(value)
    return out


def _split_windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> Iterator[pl.DataFrame]:
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        window = (day["bar_open"].to_numpy() - session_open[str(symbol), str(session)]) // WINDOW
        for w in np.unique(window):
            inside = window == w
            if inside.sum() >= MIN_BARS:
                yield day.filter(pl.Series(inside))


def _fit_adjusted_r2(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, centred = x - x.mean(axis=0), y - y.mean()
    scale = x.std(axis=0)
    x = x[:, scale > 0] / scale[scale > 0]
    beta, _, rank, _ = np.linalg.lstsq(x, centred, rcond=None)
    free = len(y) - int(rank) - 1
    if np.ptp(y) == 0 or rank == 0 or free < MIN_FREE_BARS:
        return float("nan")
    unexplained = float(np.sum((centred - x @ beta) ** 2)) / float(np.sum(centred**2))
    return 1.0 - unexplained * (len(y) - 1) / free
