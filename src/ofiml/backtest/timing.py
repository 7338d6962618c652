"""Profit between and within sessions: a session's mean position, held throughout, earns the part between sessions."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class ProfitBySession:
    """The gross profit `between` sessions, that of each session's mean position, and `within`, the rest (currency)."""

    between: float
    within: float


def find_mean_gain(fills: pl.DataFrame, first: int, close: int, move: float) -> float:
    """Find what the mean position over the time from `first` to `close` (ns) would have gained, held throughout.

    `fills` has `filled` (ns) and `lots` (negative: sold), `move` is what one lot gained from `first` to `close`.
    """
    if close <= first:
        return 0.0
    share = (close - fills["filled"]).cast(pl.Float64) / (close - first)
    return float((fills["lots"].cast(pl.Float64) * share).sum()) * move
