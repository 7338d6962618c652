"""Strategies: forecasts become decisions, which the backtest turns into orders."""

from ofiml.strategy.decisions import HOLD, LAST, QUOTE, TARGET, Decisions, Limits

__all__ = ["HOLD", "LAST", "QUOTE", "TARGET", "Decisions", "Limits"]
