"""Persistence: clustering of events in time, autocorrelation of trade signs, the intraday pattern."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ofiml.bars.time import Book, cut_time_bars
from ofiml.data.schema import Session
from ofiml.data.trades import group_orders, list_trades
from ofiml.units import SECOND

Float = NDArray[np.float64]
Curve = dict[str, float]

RATE_LAGS = {1: (1, 2, 5, 10, 20, 60, 120, 300), 10: (1, 2, 3, 6, 12, 30, 60)}  # in bins, by their length in seconds
SIGN_LAGS = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50)  # in market orders
MIN_PAIRS = 100
MIN_LAGS = 4
PARTS = 10


def autocorrelate(x: Float, lags: Sequence[int]) -> Curve:
    """Compute Σ(x_t - x̄)(x_(t+lag) - x̄) / Σ(x_t - x̄)² by lag; NaN with fewer than 100 pairs, or if x is constant."""
    centred = x - x.mean() if len(x) else x
    total = float(np.sum(centred**2)) if len(x) and np.ptp(x) > 0 else 0.0
    return {
        str(lag): float(np.sum(centred[:-lag] * centred[lag:])) / total
        if total > 0 and len(x) - lag >= MIN_PAIRS
        else float("nan")
        for lag in lags
    }


def measure_event_rate(session: Session, book: Book, seconds: int) -> Curve:
    """Measure the autocorrelation of the number of messages in bins of `seconds`, by lag in seconds.

    The intraday pattern is not removed: it is part of the clustering.
    """
    lags = RATE_LAGS[seconds]
    counts = np.empty(0)
    if session.close - session.open >= seconds * SECOND:
        counts = cut_time_bars(session, book, seconds * SECOND).events.astype(np.float64)
    acf = autocorrelate(counts, lags)
    return {str(lag * seconds): acf[str(lag)] for lag in lags}


def list_trade_signs(session: Session) -> Float:
    """List the sign of each market order in feed order: 1 for a buyer, -1 for a seller; see `group_orders`."""
    return group_orders(list_trades(session))["sign"].to_numpy().astype(np.float64)


def measure_sign_memory(session: Session) -> dict[str, Curve]:
    """Measure the memory of trade signs.

    `sign_acf`: autocorrelation by lag in market orders; `trades`: number of `orders`, `orders_per_second`, and
    `sign_decay`.

    The decay is γ of lag^(-γ), by least squares on the logarithms. It uses the lags before the first one that does not
    exceed 2/√n, the noise of independent signs; NaN with fewer than four such lags.
    """
    signs = list_trade_signs(session)
    acf = autocorrelate(signs, SIGN_LAGS)
    seconds = (session.close - session.open) / SECOND
    return {
        "sign_acf": acf,
        "trades": {
            "orders": float(len(signs)),
            "orders_per_second": len(signs) / seconds,
            "sign_decay": fit_decay(acf, len(signs)),
        },
    }


def fit_decay(acf: Curve, n: int) -> float:
    """Fit γ of lag^(-γ) to the autocorrelation of `n` signs; see `measure_sign_memory`."""
    lags: list[int] = []
    for lag in SIGN_LAGS:
        if not acf[str(lag)] > 2 / np.sqrt(max(n, 1)):
            break
        lags.append(lag)
    if len(lags) < MIN_LAGS:
        return float("nan")
    slope, _ = np.polyfit(np.log(lags), np.log([acf[str(lag)] for lag in lags]), 1)
    return -float(slope)


def measure_intraday(session: Session, book: Book) -> Curve:
    """Measure messages in each tenth of the session, relative to a tenth of all; 1 in each tenth of an even day."""
    edges = session.open + (session.close - session.open) * np.arange(PARTS + 1) // PARTS
    edges[0] -= 1  # a state exactly at the open belongs to the first tenth
    counts = np.diff(np.searchsorted(book.stamps, edges, side="right"))
    return {str(i + 1): PARTS * float(counts[i]) / len(book.stamps) for i in range(PARTS)}
