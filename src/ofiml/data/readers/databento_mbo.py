"""Databento MBO, its book rebuilt from orders: https://databento.com/docs/schemas-and-data-formats/mbo.

As CSV, DBN or Parquet, as `databento`. A adds an order, C takes its size off one, M gives one a new price and size, R
empties the book. A trade (T) leaves the book as it is, and so does the fill of a resting order (F): a C that says what
is gone follows. An event is each trade, each clear, and each row after which the shown levels differ.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """See `mbo.read_feeds`."""
    from ofiml.data.readers.databento import mbo

    return mbo.read_feeds(files, dataset)


READER = Reader(
    name="databento_mbo",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Databento MBO: CSV, DBN or Parquet, the book rebuilt from its orders",
    book_from_messages=True,
)
