"""Execution quotes: the best quotes one latency after each bar's close, and at the session's end."""

import polars as pl

from ofiml.bars.time import Bars, Book, find_quotes_at
from ofiml.data.schema import Session


def build_execution_table(session: Session, book: Book, bars: Bars, latency: int) -> pl.DataFrame:
    """Build `fill_time` = bar_close + latency (ns) and the quotes at that time, one row per bar: `fill_bid`, `fill_ask`
    (1e-9), `fill_bid_sz`, `fill_ask_sz` (lots).

    Null where a side is missing or the session has ended. Known at `fill_time`.
    """
    at = bars.close + latency
    quotes = find_quotes_at(book, at).select(pl.all().name.prefix("fill_"))
    return quotes.with_columns(pl.when(pl.Series(at <= session.close)).then(pl.all())).with_columns(
        pl.Series("fill_time", at)
    )


def find_closing_quotes(session: Session, book: Book) -> dict[str, int]:
    """Find the last two-sided quote of the session: `bid`, `ask` (1e-9), `bid_sz`, `ask_sz` (lots), and `time`, the
    session's close (ns). Empty if there is none.
    """
    both = book.events.select(f"{side}_{q}_00" for q in ("px", "sz") for side in ("bid", "ask")).drop_nulls().tail(1)
    if both.height == 0:
        return {}
    return dict(zip(("bid", "ask", "bid_sz", "ask_sz"), both.row(0), strict=True)) | {"time": session.close}
