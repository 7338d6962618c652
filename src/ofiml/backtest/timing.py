"""Profit between and within sessions: a session's mean position, held throughout, earns the part between sessions."""

from dataclasses import dataclass

import polars as pl

from ofiml._typing import Int64


@dataclass(frozen=True, slots=True)
class ProfitBySession:
    """The gross profit `between` sessions, that of each session's mean position, and `within`, the rest (currency)."""

    between: float
    within: float


def find_mean_gain(filled: Int64, lots: Int64, first: int, close: int, move: float) -> float:
    """Find what the mean position over the time from `first` to `close` (ns) would have gained, held throughout.

    The fills (n,) are of `lots` (negative: sold), at the times `filled` (ns). `move` is what one lot gained from
    `first` to `close`.
    """
    if close <= first:
        return 0.0
    share = (close - filled) * (1 / (close - first))
    return float(pl.Series(lots * share).sum()) * move
