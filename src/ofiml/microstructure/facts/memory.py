"""Persistence: the clustering of events in time, the signs of trades, the shape of the day."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ofiml.bars.time import Book, time_bars
from ofiml.data.schema import Session
from ofiml.data.trades import group_orders, trades
from ofiml.units import SECOND

Float = NDArray[np.float64]
Curve = dict[str, float]

RATE_LAGS = {1: (1, 2, 5, 10, 20, 60, 120, 300), 10: (1, 2, 3, 6, 12, 30, 60)}  # in bins, by their length in seconds
SIGN_LAGS = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50)  # in market orders
FEWEST_PAIRS = 100
FEWEST_LAGS = 4
PARTS = 10


def autocorrelate(x: Float, lags: Sequence[int]) -> Curve:
    """Return Σ(x_t - x̄)(x_(t+lag) - x̄) / Σ(x_t - x̄)² by lag; NaN with fewer than 100 pairs, or if x is constant."""
    centred = x - x.mean() if len(x) else x
    total = float(np.sum(centred**2)) if len(x) and np.ptp(x) > 0 else 0.0
    return {
        str(lag): float(np.sum(centred[:-lag] * centred[lag:])) / total
        if total > 0 and len(x) - lag >= FEWEST_PAIRS
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
        counts = time_bars(session, book, seconds * SECOND).events.astype(np.float64)
    found = autocorrelate(counts, lags)
    return {str(lag * seconds): found[str(lag)] for lag in lags}


def list_trade_signs(session: Session) -> Float:
    """Return +1 for a buying and -1 for a selling aggressor per market order, in feed order; see `group_orders`."""
    return group_orders(trades(session))["sign"].to_numpy().astype(np.float64)


def measure_sign_memory(session: Session) -> dict[str, Curve]:
    """Measure the memory of trade signs.

    `sign_acf`: autocorrelation by lag in market orders; `trades`: number of `orders`, `orders_per_second`, and
    `sign_decay`.

    The decay is γ of lag^(-γ), least squares on the logarithms, over the lags before the first one that does not
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
    """Fit γ of lag^(-γ) to an autocorrelation of `n` signs; see `measure_sign_memory`."""
    lags: list[int] = []
    for lag in SIGN_LAGS:
        if not acf[str(lag)] > 2 / np.sqrt(max(n, 1)):
            break
        lags.append(lag)
    if len(lags) < FEWEST_LAGS:
        return float("nan")
    slope, _ = np.polyfit(np.log(lags), np.log([acf[str(lag)] for lag in lags]), 1)
    return -float(slope)


def measure_intraday(session: Session, book: Book) -> Curve:
    """Measure messages in each tenth of the session relative to a tenth of all; 1 throughout is an even day."""
    edges = session.open + (session.close - session.open) * np.arange(PARTS + 1) // PARTS
    edges[0] -= 1  # a state at the open itself is of the first tenth
    counts = np.diff(np.searchsorted(book.stamps, edges, side="right"))
    return {str(i + 1): PARTS * float(counts[i]) / len(book.stamps) for i in range(PARTS)}
