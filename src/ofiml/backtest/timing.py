"""Profit between and within sessions: a session's mean position, held throughout, earns the part between sessions."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class ProfitBySession:
    """The gross profit `between` sessions, that of each session's mean position, and `within`, the rest; in currency."""

    between: float
    within: float


def split_profit(positions: pl.DataFrame) -> ProfitBySession:
    """Split the gross profit of a backtest between and within sessions.

    `positions` has one row per mark, in time order within each `symbol` and `session`: `lots` held from it to the next
    mark, and `move`, what one lot gained from it to the next mark, in currency (0 at the last).
    """
    by = positions.group_by("symbol", "session", maintain_order=True).agg(
        (pl.col("lots").mean() * pl.col("move").sum()).alias("between"),
        (pl.col("lots") * pl.col("move")).sum().alias("all"),
    )
    between = float(by["between"].sum())
    return ProfitBySession(between, float(by["all"].sum()) - between)
