"""The mid's path: tails and memory of its moves, and its variance by sampling step."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from ofiml.bars.time import Book, compute_mid_ticks, find_quotes_at
from ofiml.data.schema import Int64, Session
from ofiml.units import SECOND

Float = NDArray[np.float64]
Curve = dict[str, float]

KURTOSIS_STEPS = (1, 10, 60)  # seconds
GRID = SECOND // 10
SIGNATURE_STEPS = (1, 2, 5, 10, 20, 50, 100, 300, 600, 1200, 3000)  # in steps of the grid
REFERENCE = 600  # 60 s
MEMORY_STEPS = (1, 10)  # seconds
MEMORY_START = 60 * SECOND  # after the open
SHORT, LONG = 10, 3000  # 1 s and 300 s, in steps of the grid
MIN_MOVES = 30
MIN_PAIRS = 100
MIN_SPANS = 10


def sample_mids(session: Session, book: Book, at: Int64) -> Float:
    """Look up the mid in ticks at each time of `at` (k,), UTC ns; NaN before the first state, or without both sides."""
    return compute_mid_ticks(find_quotes_at(book, at), session.tick).cast(pl.Float64).fill_null(np.nan).to_numpy()


def list_sampling_times(session: Session, step: int) -> Int64:
    """List the times open, open + step, … up to the session's close, in ns."""
    return session.open + step * np.arange((session.close - session.open) // step + 1, dtype=np.int64)


def measure_kurtosis(session: Session, book: Book) -> Curve:
    """Measure the excess kurtosis of non-overlapping mid moves over 1, 10 and 60 s; NaN with fewer than 30 moves."""
    out = {}
    for seconds in KURTOSIS_STEPS:
        move = np.diff(sample_mids(session, book, list_sampling_times(session, seconds * SECOND)))
        move = move[~np.isnan(move)]
        centred = move - move.mean() if len(move) else move
        enough = len(move) >= MIN_MOVES and np.ptp(move) > 0
        out[str(seconds)] = float(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3) if enough else float("nan")
    return out


def measure_move_memory(session: Session, book: Book) -> dict[str, Curve]:
    """Measure how each mid move over 1 s and 10 s is correlated with the one before it.

    `move_acf` is of the moves, `rank_acf` of their ranks, by seconds; the first minute is left out. NaN with fewer than
    100 pairs, or if no move differs from another.
    """
    out: dict[str, Curve] = {"move_acf": {}, "rank_acf": {}}
    for seconds in MEMORY_STEPS:
        at = list_sampling_times(session, seconds * SECOND)
        move = np.diff(sample_mids(session, book, at[at >= session.open + MEMORY_START]))
        known = ~np.isnan(move[1:]) & ~np.isnan(move[:-1])
        now, before = move[1:][known], move[:-1][known]
        enough = len(now) >= MIN_PAIRS and np.ptp(now) > 0 and np.ptp(before) > 0
        pairs = {"move_acf": (now, before), "rank_acf": (rankdata(now), rankdata(before))}
        for name, (a, b) in pairs.items():
            out[name][str(seconds)] = float(np.corrcoef(a, b)[0, 1]) if enough else float("nan")
    return out


def measure_signature(session: Session, book: Book) -> dict[str, Curve]:
    """Measure the signature plot and the volatility of the mid.

    `signature`: realised variance per second at each sampling step, over that at 60 s, by step in seconds. It is
    averaged over all starts on a grid of 0.1 s: the subsampled estimator of Zhang, Mykland & Aït-Sahalia (2005) without
    their correction for noise. `variance_ratio`: that at 300 s over that at 1 s. `volatility`: the standard deviation
    of a minute's move from the variance at 60 s, in `ticks` and in `bps` of the mean |mid|. NaN if the session is
    shorter than ten steps, or the price is constant.
    """
    mid = sample_mids(session, book, list_sampling_times(session, GRID))
    variance = {k: _compute_variance(mid, k) for k in SIGNATURE_STEPS}
    base = variance[REFERENCE]
    ticks = float(np.sqrt(base * REFERENCE))
    level = float(np.mean(np.abs(mid[~np.isnan(mid)]))) if (~np.isnan(mid)).any() else float("nan")
    return {
        "signature": {f"{k / 10:g}": v / base if base > 0 else float("nan") for k, v in variance.items()},
        "variance_ratio": {"300": variance[LONG] / variance[SHORT] if variance[SHORT] > 0 else float("nan")},
        "volatility": {"ticks": ticks, "bps": 1e4 * ticks / level if level else float("nan")},
    }


def _compute_variance(mid: Float, k: int) -> float:
    """Compute the mean squared move over k grid steps, per grid step."""
    move = mid[k:] - mid[:-k]
    move = move[~np.isnan(move)]
    return float(np.mean(move**2)) / k if len(move) >= MIN_SPANS * k else float("nan")
