"""The readers: one module or package per vendor, with its `READER`; docs/add-a-source.md shows how to add one.

A module with a `READER` is imported for every config check, so it imports nothing heavy at its top: its functions that
read are in other modules (`Deferred`), or import what they need themselves. `_template.py` is a reader to copy.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ofiml.config import FileDataset
from ofiml.config.dataset import Source
from ofiml.config.folders import FOLDERS
from ofiml.config.registry import Registry

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed
    from ofiml.data.file_head import FileHead, Recognition

__all__ = ["READERS", "Chain", "Deferred", "Groups", "Reader", "separate_files"]

Groups = list[list[Path]]


def separate_files(paths: Sequence[Path]) -> Groups:
    """Make each file a separate input."""
    return [[path] for path in paths]


@dataclass(frozen=True, slots=True)
class Deferred:
    """A function of a module of a reader's package, which is imported with the first call and not with the record."""

    module: str
    name: str

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return getattr(import_module(self.module), self.name)(*arguments)


@dataclass(frozen=True, slots=True)
class Chain:
    """How a reader reads the files of one recording as one, so that each begins with the book at the end of the last.

    `read(files, dataset)` yields feeds as `read_feeds` does, of the files of several inputs in order of time; with
    `by_input` it gets a list of the files of each input. `begins_anew(files,
    dataset)` says of the first rows of an input's files whether they state its book; then nothing is carried into it.
    `drops_overlap`: messages that a file before has too are left out by their ids; otherwise files that overlap are
    read one by one. `crosses_days`: a file that does not begin anew continues the one before soon after a session too,
    as the files of days do whose book is stated once.
    """

    read: Callable[[Sequence[Any], Any], Iterator["Feed"]]
    begins_anew: Callable[[Sequence["Blob"], Any], bool] | None = None
    drops_overlap: bool = False
    crosses_days: bool = False
    by_input: bool = False


@dataclass(frozen=True, slots=True)
class Reader(Source):
    """A reader of one format of order-book data, chosen by `dataset=NAME`.

    Parameters
    ----------
    name
        The name of the dataset, of its module and of `conf/dataset/NAME.yaml`.
    config
        The schema of that YAML: FileDataset, or a slots subclass of it.
    read_feeds
        `read_feeds(files, dataset)` yields one Feed per symbol, or per day, of one input. It raises DataError for
        unreadable input, and counts with the feed's Checker the rows that the policy drops or keeps.
    description
        One line, for the list of datasets.
    group_files
        `group_files(paths)` groups files that belong together into one input; by default each file is one.
    book_from_messages
        Whether the book is built message by message, so that a lost message may leave it wrong without notice.
    whole_days
        Whether each input holds whole sessions, so that none continues another.
    chain
        How the files of a recording are read as one, for a book that is built from messages. By default each input is
        read by itself, and the parts of a session are joined afterwards.
    recognise
        `recognise(head)` says what a file is by its head, or returns None for a file of another source. Without it, the
        reader's files are not recognised by `ofiml data describe FILE`. It imports nothing heavy.

    Raises
    ------
    ValueError
        For a name that is not an identifier, another schema, or a description of several lines.
    """

    read_feeds: Callable[[Sequence["Blob"], Any], Iterator["Feed"]]
    description: str
    group_files: Callable[[Sequence[Path]], Groups] = separate_files
    book_from_messages: bool = False
    whole_days: bool = False
    chain: Chain | None = None
    recognise: Callable[["FileHead"], "Recognition | None"] | None = None

    def __post_init__(self) -> None:
        if re.fullmatch(r"[a-z][a-z0-9_]*", self.name) is None:
            raise ValueError(f"the name {self.name!r} of a reader must be lower-case letters, digits and _")
        if not (isinstance(self.config, type) and issubclass(self.config, FileDataset)):
            raise ValueError(f"the config of reader {self.name} must be FileDataset or a class below it")
        if not callable(self.read_feeds) or not callable(self.group_files):
            raise ValueError(f"read_feeds and group_files of reader {self.name} must be functions")
        if not self.description.strip() or "\n" in self.description:
            raise ValueError(f"the description of reader {self.name} must be one line")


READERS: Registry[Reader] = Registry(FOLDERS["dataset"], Reader)
