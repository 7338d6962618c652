"""Databento MBP-10, and MBP-1 and TBBO as one level: https://databento.com/docs/schemas-and-data-formats/mbp-10.

As CSV, DBN or Parquet, gzip or zstd around it. In CSV and Parquet, prices and times may be pretty (`233.67`, ISO 8601)
or raw (1e-9 integers, ns); columns may stand in any order, and unknown ones are ignored. The file's order is the feed's
order and is kept. DBN names instruments by number: what the metadata does not map keeps its number as its symbol.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """See `mbp.read_feeds`."""
    from ofiml.data.readers.databento import mbp

    return mbp.read_feeds(files, dataset)


READER = Reader(
    name="databento",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Databento MBP-10, MBP-1 and TBBO: CSV, DBN or Parquet",
)
