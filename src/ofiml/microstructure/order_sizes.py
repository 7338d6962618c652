"""The sizes of a session's limit and market orders."""

import polars as pl

from ofiml._typing import Int64
from ofiml.data.schema import F_SNAPSHOT, Session
from ofiml.data.trades import group_orders, list_trades


def list_limit_sizes(session: Session) -> Int64:
    """List the sizes (n,), lots, of the limit orders that the feed shows (action A), without those of a snapshot."""
    events = session.events
    added = (events["action"] == "A") & ((events["flags"] & F_SNAPSHOT) == 0) & (events["size"] > 0)
    return events["size"].filter(added).to_numpy()


def list_market_sizes(session: Session) -> Int64:
    """List the sizes (n,), lots, of market orders (`group_orders`), with those whose side the feed does not have."""
    trades = list_trades(session).filter(pl.col("size") > 0)
    return group_orders(trades, unsigned=True)["size"].to_numpy()
