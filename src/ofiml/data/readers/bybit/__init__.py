"""Bybit: its public order-book history (ob500, ob200), and recorded messages of its streams (v5).

A file has one JSON message per line, with the topic orderbook.DEPTH.SYMBOL: a snapshot, then deltas; optionally after
the recorder's time in s, ms, µs or ns. It may be plain, gzipped or the downloaded zip. `ts_event` is the time of the
matching engine, `cts`, or else the sending time `ts`; without the recorder's time `ts_recv` is `ts`.

A snapshot restates the book. Deltas are numbered consecutively by `u`; after a missing one the levels are unknown until
they are set. A topic with snapshots only, as orderbook.1, states a whole book in each message. Trades are those of the
topic publicTrade, if recorded; Bybit's CSV files of trades are not read. Other topics are ignored and counted in a
note.
"""

import re

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Chain, Deferred, Reader

__all__ = ["READER", "recognise"]


def recognise(head: FileHead) -> Recognition | None:
    """Recognise messages by their topic."""
    if re.search(r'"topic"\s*:\s*"(orderbook\.\d+|publicTrade)\.', "\n".join(head.lines)) is None:
        return None
    return Recognition(
        "Bybit's order-book history or stream", ("dataset.tick=TICK_SIZE", "dataset.size_unit=STEP_SIZE")
    )


READER = Reader(
    name="bybit",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.bybit.books", "read_feeds"),
    description="Bybit order-book history (ob500, ob200), or recorded streams (orderbook, publicTrade)",
    recognise=recognise,
    chain=Chain(Deferred("ofiml.data.readers.bybit.books", "read_feeds")),
)
