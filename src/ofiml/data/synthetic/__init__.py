"""The synthetic market: seeded limit order books, informed orders in them, and the truth beside them."""

from ofiml.data.synthetic.market import simulate

__all__ = ["simulate"]
