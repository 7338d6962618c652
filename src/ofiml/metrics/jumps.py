"""Jumps of a price: moves too large for its recent volatility (Lee & Mykland 2008)."""

import numpy as np

from ofiml._typing import Bool, Float

_MEAN_SIZE = np.sqrt(2 / np.pi)  # E|Z| of a standard normal


def compute_jump_statistics(move: Float, window: int) -> Float:
    """Compute L = move / σ of each move (n,), σ from the products |m_j|·|m_(j-1)| of the `window` moves before it.

    σ² is the sum of the window - 2 products of neighbours that both lie among the window - 1 moves before, over
    window - 2 (equation 8 of the paper); a jump enters it only beside a usual move. NaN for the first window - 1 moves,
    where σ is 0, and where a move in the window is NaN. Known with the move. Raises ValueError for a window below 3.
    """
    if window < 3:
        raise ValueError(f"a window of {window} moves: 3 or more are needed")
    products = np.abs(move[1:]) * np.abs(move[:-1])
    out = np.full(len(move), np.nan)
    if len(move) < window:
        return out
    # Products j = i - window + 2 … i - 1 of moves j and j - 1, for the move i.
    sums = np.lib.stride_tricks.sliding_window_view(products, window - 2)[: len(move) - window + 1].sum(axis=1)
    sigma = np.sqrt(sums / (window - 2))
    return np.concatenate(
        [out[: window - 1], np.divide(move[window - 1 :], sigma, out=out[window - 1 :], where=sigma > 0)]
    )


def find_jumps(move: Float, window: int, level: float = 0.01) -> Bool:
    """Find the moves (n,) that are jumps: |L| beyond what the largest of n moves without jumps reaches in the share
    `level` of samples, by its limit, the Gumbel distribution. A move without L is none.
    """
    size = np.abs(compute_jump_statistics(move, window))
    count = int(np.isfinite(size).sum())
    if count < 2:
        return np.zeros(len(move), np.bool_)
    log = np.log(count)
    scale = 1 / (_MEAN_SIZE * np.sqrt(2 * log))
    centre = np.sqrt(2 * log) / _MEAN_SIZE - (np.log(np.pi) + np.log(log)) / (2 * _MEAN_SIZE * np.sqrt(2 * log))
    return np.asarray(size > centre - scale * np.log(-np.log1p(-level)))
