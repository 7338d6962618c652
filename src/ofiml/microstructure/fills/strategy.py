"""The orders of a strategy's run, as postings: what it sent to the tape, at which price, and for how long."""

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.config import SyntheticDataset
from ofiml.data.synthetic.own_orders import MARKOUTS, Postings
from ofiml.strategy.decisions import QUOTE
from ofiml.units import parse_duration

#: An order ends so long before the decision that replaces it, so that two of one side are never in the book together.
_GAP = 1_000  # ns


def list_postings(
    orders: pl.DataFrame, decisions: pl.DataFrame, config: SyntheticDataset, session_open: int, *, side: int
) -> Postings:
    """List the quotes of one side (1 buys, -1 sells) that a run sent in a session, as postings of the market.

    `orders` and `decisions` are the run's tables of the session. An order is wanted until the first later decision
    with another quote on its side, or none, whether the tape filled it or not; so truth and models have the same
    orders. Its cancel takes as long as it took itself. One whose markouts would not be known before the close is left
    out.
    """
    name = "bid" if side > 0 else "ask"
    quotes = decisions.filter(pl.col("kind") == QUOTE).sort("time")
    time = quotes["time"].cast(pl.Int64).to_numpy()
    wanted = np.where(quotes[f"{name}_size"].to_numpy() > 0, quotes[name].to_numpy(), -1)
    sent = orders.filter(pl.col("reason") == "quote", pl.col("side") == ("buy" if side > 0 else "sell"))
    sent = sent.filter(pl.col("arrived").is_not_null()).sort("order")
    start = sent["arrived"].cast(pl.Int64).to_numpy()
    price, lots = sent["price"].to_numpy(), sent["lots"].to_numpy()
    last = session_open + parse_duration(config.session_length) - max(MARKOUTS)
    decided = sent["decided"].cast(pl.Int64).to_numpy()
    ends = np.array([_find_end(time, wanted, t, p, last) for t, p in zip(decided, price, strict=True)], np.int64)
    if len(ends):
        ends += start - decided
        ends = np.minimum(ends, np.append(start[1:], last)) - _GAP
    kept = (ends > start) & (ends < last)
    return Postings(
        time=start[kept] - session_open,
        side=np.full(int(kept.sum()), side, np.int64),
        lots=lots[kept],
        patience=(ends - start)[kept],
        price=price[kept],
    )


def _find_end(time: Int64, wanted: Int64, decided: int, price: int, last: int) -> int:
    """Find the first decision after the one at `decided` that wants another price, `last` without one."""
    later = np.searchsorted(time, decided, side="right")
    other = np.flatnonzero(wanted[later:] != price)
    return int(time[later + other[0]]) if len(other) else last
