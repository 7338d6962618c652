"""Databento MBO, with the book rebuilt from orders: https://databento.com/docs/schemas-and-data-formats/mbo.

Files are CSV, DBN or Parquet, as for `databento`. A adds an order, C removes its size from one, M gives one a new price
and size, R empties the book. A trade (T) and the fill of a resting order (F) do not change the book: a C with the
removed size follows. Each trade, each clear, and each row that changes the shown levels is an event. The book is known
from a clear or a snapshot on, with which each UTC day begins.
"""

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Chain, Deferred, Reader
from ofiml.data.readers.databento.schema import recognise_schema


def recognise(head: FileHead) -> Recognition | None:
    """Recognise MBO by the schema of a DBN file, or by the columns of a table."""
    return recognise_schema(head, orders=True)


READER = Reader(
    name="databento_mbo",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.databento.mbo", "read_feeds"),
    description="Databento MBO: CSV, DBN or Parquet, the book rebuilt from its orders",
    book_from_messages=True,
    recognise=recognise,
    chain=Chain(
        Deferred("ofiml.data.readers.databento.mbo", "read_chain"),
        Deferred("ofiml.data.readers.databento.mbo", "begins_with_clear"),
    ),
)
