"""Databento MBO, with the book rebuilt from orders: https://databento.com/docs/schemas-and-data-formats/mbo.

Files are CSV, DBN or Parquet, as for `databento`. A adds an order, C removes its size from one, M gives one a new price
and size, R empties the book. A trade (T) and the fill of a resting order (F) do not change the book: a C with the
removed size follows. Each trade, each clear, and each row that changes the shown levels is an event. The book is known
from a clear or a snapshot on, with which each UTC day begins.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.file_head import Recognition
from ofiml.data.readers import Chain, Reader
from ofiml.data.readers.databento.schema import recognise_schema

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `mbo.read_feeds`."""
    from ofiml.data.readers.databento import mbo

    return mbo.read_feeds(files, dataset)


def read_chain(groups: Sequence[Sequence["Blob"]], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events of a day in several files; see `mbo.read_chain`."""
    from ofiml.data.readers.databento import mbo

    return mbo.read_chain([file for group in groups for file in group], dataset)


def _begins_anew(files: Sequence["Blob"], dataset: FileDataset) -> bool:
    """Return whether a file begins with a clear, as each UTC day does; see `mbo.begins_with_clear`."""
    from ofiml.data.readers.databento import mbo

    return mbo.begins_with_clear(files[0], dataset)


def recognise(head: "FileHead") -> Recognition | None:
    """Recognise MBO by the schema of a DBN file, or by the columns of a table."""
    return recognise_schema(head, orders=True)


READER = Reader(
    name="databento_mbo",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Databento MBO: CSV, DBN or Parquet, the book rebuilt from its orders",
    book_from_messages=True,
    recognise=recognise,
    chain=Chain(read_chain, _begins_anew),
)
