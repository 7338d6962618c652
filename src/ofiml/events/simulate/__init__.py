"""The synthetic market: a seeded limit order book with a planted relation from flow to later returns."""

from ofiml.events.simulate.market import simulate

__all__ = ["simulate"]
