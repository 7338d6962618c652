"""Parquet in the event schema, as `convert` writes it. All values are checked.

Columns are those of the event schema, in any order; their names state the number of levels, and others are ignored. A
`line` in a message is the row of the table, from 1.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.file_head import Recognition
from ofiml.data.readers import Groups, Reader, separate_files

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead


def group_files(paths: Sequence[Path]) -> Groups:
    """Make each file a separate input, without the truth that `convert` writes beside a simulated session."""
    return separate_files([path for path in paths if not path.name.endswith("_truth.parquet")])


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `table.read_feeds`."""
    from ofiml.data.readers.parquet import table

    return table.read_feeds(files, dataset)


def recognise(head: "FileHead") -> Recognition | None:
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
    read_feeds=read_feeds,
    description="Parquet in the event schema, as convert writes it",
    group_files=group_files,
    recognise=recognise,
)
