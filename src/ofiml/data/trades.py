"""A session's trades, and the market orders behind them."""

import numpy as np
import polars as pl

from ofiml.data.schema import Session


def list_trades(session: Session) -> pl.DataFrame:
    """Return one row per trade (action T), in feed order.

    Columns: `row` in the session's events, `ts_event` and `ts_recv` (int64 ns), `price` (1e-9 units, null if the feed
    has none), `size` (lots), and `sign`, the aggressor in the feed: 1 a buyer, -1 a seller, 0 unknown. Known at
    `ts_recv`.
    """
    return (
        session.events.lazy()
        .with_row_index("row")
        .filter(pl.col("action") == "T")
        .select(
            pl.col("row").cast(pl.Int64),
            *(pl.col(clock).to_physical() for clock in ("ts_event", "ts_recv")),
            "price",
            "size",
            (pl.col("side") == "B").cast(pl.Int8).sub((pl.col("side") == "A").cast(pl.Int8)).alias("sign"),
        )
        .collect()
    )


def group_orders(trades: pl.DataFrame, *, unsigned: bool = False) -> pl.DataFrame:
    """Return the market orders behind `trades`, a row each, with the columns of their first fill and the `size` of all.

    Consecutive trades with the same exchange time and side are the fills of one order. Trades without a side are
    omitted, or with `unsigned` are orders as well.
    """
    fills = trades if unsigned else trades.filter(pl.col("sign") != 0)
    first = np.ones(fills.height, np.bool_)
    first[1:] = (np.diff(fills["ts_event"].to_numpy()) != 0) | (np.diff(fills["sign"].to_numpy()) != 0)
    orders = fills.filter(pl.Series(first))
    if orders.is_empty():
        return orders
    size = np.add.reduceat(fills["size"].to_numpy(), np.flatnonzero(first))
    return orders.with_columns(pl.Series("size", size))
