"""Profit between and within sessions: a session's mean position, held throughout, earns the part between sessions."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class ProfitBySession:
    """The gross profit `between` sessions, that of each session's mean position, and `within`, the rest (currency)."""

    between: float
    within: float


def split_profit(positions: pl.DataFrame, gross: float) -> ProfitBySession:
    """Split the `gross` profit of a backtest between and within sessions.

    `positions` has one row per mark, in time order within each `symbol` and `session`: `lots` held from it to the next
    mark, and `move`, what one lot gained from it to the next mark, in currency (0 at the last).
    """
    held = positions.group_by("symbol", "session", maintain_order=True).agg(
        (pl.col("lots").mean() * pl.col("move").sum()).alias("gain")
    )
    between = float(held["gain"].sum())
    return ProfitBySession(between, gross - between)
