"""Parquet in the event schema, as `convert` writes it. All values are checked.

Columns are those of the event schema, in any order; their names state the number of levels, and others are ignored. A
`line` in a message is the row of the table, from 1.
"""

from collections.abc import Sequence
from pathlib import Path

from ofiml.config import FileDataset
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Deferred, Groups, Reader, separate_files

__all__ = ["READER", "group_files", "recognise"]


def group_files(paths: Sequence[Path]) -> Groups:
    """Make each file a separate input, without the truth that `convert` writes beside a simulated session."""
    return separate_files([path for path in paths if not path.name.endswith("_truth.parquet")])


def recognise(head: FileHead) -> Recognition | None:
    """Recognise Parquet in the event schema by the names of its columns."""
    if not {"ts_event", "ts_recv", "action", "flags", "sequence", "bid_px_00", "ask_px_00"} <= set(head.columns):
        return None
    if {"publisher_id", "instrument_id", "rtype"} & set(head.columns):  # Databento's own table
        return None
    levels = sum(column.startswith("bid_px_") for column in head.columns)
    return Recognition(f"Parquet in the event schema, {levels} level{'s' * (levels > 1)}")


READER = Reader(
    name="parquet",
    config=FileDataset,
    read_feeds=Deferred("ofiml.data.readers.parquet.table", "read_feeds"),
    description="Parquet in the event schema, as convert writes it",
    group_files=group_files,
    recognise=recognise,
)
