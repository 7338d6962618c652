"""Log returns of the quotes and trades of a session on two clocks: trade by trade, and bar by bar."""

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.bars.time import Book
from ofiml.data.schema import Session
from ofiml.data.trades import list_trades

_BPS = 1e4


def list_trade_times(session: Session) -> Int64:
    """List the receipt times (k,), UTC ns, after the open at which trades became known; trades of one time are one."""
    times = list_trades(session)["ts_recv"].unique().sort().to_numpy()
    return times[(times > session.open) & (times <= session.close)]


def compute_quote_returns(book: Book, at: Int64, column: str) -> Float:
    """Compute the returns (r,) of a price column between successive times `at` (k,), ns, in basis points.

    Each return is known at its second time. Returns that span a reset of the book, or in which a price is missing or
    not above 0, are left out, so there are at most k - 1.
    """
    return compute_returns(book, at, pl.col(column))


def compute_mid_returns(book: Book, at: Int64) -> Float:
    """Compute the returns (r,) of the mid, as `compute_quote_returns`."""
    return compute_returns(book, at, (pl.col("bid_px_00") + pl.col("ask_px_00")) / 2)


def compute_returns(book: Book, at: Int64, price: pl.Expr) -> Float:
    """Compute the returns (r,) of a price expression of the book's columns, as `compute_quote_returns`."""
    state = np.searchsorted(book.stamps, at, side="right") - 1
    known = state >= 0
    values = book.events.select(price.cast(pl.Float64)).to_series().fill_null(np.nan).to_numpy()
    now = np.where(known, values[np.maximum(state, 0)], np.nan)
    part = np.cumsum(book.reset)[np.maximum(state, 0)]
    logs = np.full(len(now), np.nan)
    np.log(now, where=now > 0, out=logs)
    moves = np.diff(logs) * _BPS
    return moves[np.isfinite(moves) & (np.diff(part) == 0)]


def compute_trade_returns(session: Session) -> Float:
    """Compute the returns (r,) from trade to trade of the trades' own prices, in basis points.

    Trades of one time are one, with the price of the last; a price that is missing or not above 0 is left out.
    """
    trades = list_trades(session).filter((pl.col("ts_recv") > session.open) & (pl.col("price") > 0))
    last = trades.group_by("ts_recv", maintain_order=True).last().sort("ts_recv", maintain_order=True)
    return np.diff(np.log(last["price"].to_numpy().astype(np.float64))) * _BPS
