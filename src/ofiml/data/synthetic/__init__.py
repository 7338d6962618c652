"""The synthetic market: simulated limit order books with informed orders, and their truth."""

from ofiml.data.synthetic.market import simulate, simulate_sessions

__all__ = ["simulate", "simulate_sessions"]
