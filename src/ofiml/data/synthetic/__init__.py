"""The synthetic market: simulated limit order books with informed orders, and their truth."""

from ofiml.data.synthetic.market import simulate

__all__ = ["simulate"]
