"""Order books polled or watched with ccxt: one JSON line per book, as `fetch_order_book` returns it.

A line has `symbol`, `bids` and `asks` as [price, amount] (numbers or strings; more entries are ignored), `timestamp` in
ms (or `datetime`) and perhaps `nonce`. Each line is a whole book. `ts_event` is the exchange's `timestamp`; `ts_recv`
the local time, if there is one: before the JSON (s, ms, µs or ns), or in a key `local_timestamp`, `received_at` or
`recv_ts`. With one of the two times both clocks are equal. Many exchanges send no timestamp with their books, so record
a local one. Lines without bids and asks (trades, tickers) are ignored and counted in a note.
"""

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Deferred, Reader

__all__ = ["READER", "recognise"]


def recognise(head: FileHead) -> Recognition | None:
    """Recognise books by their keys."""
    text = "\n".join(head.lines[:3])
    if '"lastUpdateId"' in text or not all(f'"{key}"' in text for key in ("symbol", "bids", "asks")):
        return None
    return Recognition("order books of ccxt, one per line", ("dataset.tick=TICK_SIZE", "dataset.size_unit=STEP_SIZE"))


READER = Reader(
    name="ccxt",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.ccxt.books", "read_feeds"),
    description="order books recorded with ccxt, one JSON line per book",
    recognise=recognise,
)
