"""Parquet in the event schema, as `convert` writes it. All values are checked.

Columns are those of the event schema, in any order; their names state the number of levels, and others are ignored. A
`line` in a message is the row of the table, from 1.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Groups, Reader, separate_files

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def group_files(paths: Sequence[Path]) -> Groups:
    """Make each file a separate input, without the truth that `convert` writes beside a simulated session."""
    return separate_files([path for path in paths if not path.name.endswith("_truth.parquet")])


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events; see `table.read_feeds`."""
    from ofiml.data.readers.parquet import table

    return table.read_feeds(files, dataset)


READER = Reader(
    name="parquet",
    config=FileDataset,
    read_feeds=read_feeds,
    description="Parquet in the event schema, as convert writes it",
    group_files=group_files,
)
