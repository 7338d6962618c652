"""Databento MBP-10, MBP-1, TBBO, BBO, CMBP-1, CBBO and TCBBO: https://databento.com/docs/schemas-and-data-formats.

Files are CSV, DBN or Parquet, also compressed with gzip or zstd; DBN also as a live client writes it. In CSV and
Parquet, prices and times may be pretty (`233.67`, ISO 8601) or raw (1e-9 integers, ns), see `columns`. Columns may
stand in any order; unknown ones are ignored. Rows keep the file's order, which is the feed's. A file without symbols
identifies instruments by number: the number is the symbol. `schemas` says when the quotes of each schema stood.
"""

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Deferred, Reader
from ofiml.data.readers.databento.schema import recognise_schema

__all__ = ["READER", "recognise"]


def recognise(head: FileHead) -> Recognition | None:
    """Recognise MBP and best quotes by the schema of a DBN file, or by the columns of a table."""
    return recognise_schema(head, orders=False)


READER = Reader(
    name="databento",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.databento.mbp", "read_feeds"),
    description="Databento MBP-10, MBP-1, TBBO, BBO, CMBP-1 and CBBO: CSV, DBN or Parquet",
    recognise=recognise,
)
