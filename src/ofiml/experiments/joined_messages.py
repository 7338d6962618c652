"""What feeds make of one event of the market, and the same made of all of them."""

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from ofiml.data.schema import F_LAST, SIDE, Session, make_level_columns

_MESSAGE = "message"  # a column that numbers the receipt times


def join_messages(session: Session) -> Session:
    """Make the rows of one receipt time one message: the book counts once, after the last of them."""
    last = pl.col("ts_recv").ne_missing(pl.col("ts_recv").shift(-1))
    flags = (pl.col("flags") & (255 - F_LAST)) | pl.when(last).then(F_LAST).otherwise(0)
    return replace(session, events=session.events.with_columns(flags.cast(pl.UInt8).alias("flags")))


def sum_fills(session: Session) -> Session:
    """Make one trade of the fills of one receipt time, price and side, and leave out the other rows of that time.

    A receipt time without a trade keeps its last row. Each row shows the book after all rows of its time.
    """
    events = session.events.with_columns(pl.col("ts_recv").rle_id().alias(_MESSAGE))
    book = [name for m in range(session.levels) for name in make_level_columns(m)]
    last = events.group_by(_MESSAGE, maintain_order=True).last()
    trades = (
        events.filter(pl.col("action") == "T")
        .group_by(_MESSAGE, "price", "side", maintain_order=True)
        .agg(pl.col("size").sum(), pl.exclude("size", *book).first())
        .join(last.select(_MESSAGE, *book), on=_MESSAGE, how="left", maintain_order="left")
    )
    quotes = last.join(trades.select(_MESSAGE).unique(), on=_MESSAGE, how="anti", maintain_order="left")
    rows = pl.concat([trades.select(events.columns), quotes.select(events.columns)]).sort(_MESSAGE, maintain_order=True)
    return join_messages(replace(session, events=rows.drop(_MESSAGE)))


def drop_unchanged(session: Session) -> Session:
    """Leave out rows without a trade after which the shown prices and sizes are those of the row before."""
    shown = [name for m in range(session.levels) for name in make_level_columns(m) if "_ct_" not in name]
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in shown)
    first = pl.int_range(pl.len()) == 0
    return replace(session, events=session.events.filter(first | changed | (pl.col("action") == "T")))


def use_exchange_clock(session: Session) -> Session:
    """Take the exchange's time of each row for its receipt: files of one day may state different receipts.

    Rows keep their order; a time before that of an earlier row becomes that one's.
    """
    return replace(session, events=session.events.with_columns(pl.col("ts_event").cum_max().alias("ts_recv")))


def turn_trades(session: Session) -> Session:
    """Give each trade the other side: files of one day may state the resting order's side in place of the aggressor's.

    A trade without a side keeps none.
    """
    turned = pl.col("side").cast(pl.String).replace({"A": "B", "B": "A"}).cast(SIDE)
    side = pl.when(pl.col("action") == "T").then(turned).otherwise("side").alias("side")
    return replace(session, events=session.events.with_columns(side))


READ, JOIN, SUM = "as read", "one message for each time", "one trade for each price"
DROP = "without messages that leave the shown book"
#: What is made the same, one after the other, by its name on the page.
STEPS: dict[str, Callable[[Session], Session]] = {
    READ: lambda session: session,
    JOIN: join_messages,
    SUM: sum_fills,
    DROP: drop_unchanged,
}
