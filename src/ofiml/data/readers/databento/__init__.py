"""Databento MBP-10, and MBP-1 and TBBO as one level: https://databento.com/docs/schemas-and-data-formats/mbp-10.

Files are CSV, DBN or Parquet, also compressed with gzip or zstd. In CSV and Parquet, prices and times may be pretty
(`233.67`, ISO 8601) or raw (1e-9 integers, ns). Columns may stand in any order; unknown ones are ignored. Rows keep the
file's order, which is the feed's. DBN identifies instruments by number: a number without a symbol in the metadata is
its own symbol.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.file_head import Recognition
from ofiml.data.readers import Reader
from ofiml.data.readers.databento.schema import recognise_schema

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `mbp.read_feeds`."""
    from ofiml.data.readers.databento import mbp

    return mbp.read_feeds(files, dataset)


def recognise(head: "FileHead") -> Recognition | None:
    """Recognise MBP and best quotes by the schema of a DBN file, or by the columns of a table."""
    return recognise_schema(head, orders=False)


READER = Reader(
    name="databento",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Databento MBP-10, MBP-1 and TBBO: CSV, DBN or Parquet",
    recognise=recognise,
)
