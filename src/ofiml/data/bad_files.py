"""Inputs that cannot be read: the error that stops the run, or with `dataset.bad_files=skip` a record in the report."""

from collections.abc import Iterable, Iterator
from typing import Self

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.quality import BadFile, Quality, make_bad_file
from ofiml.data.schema import Session
from ofiml.data.sessions import Source
from ofiml.errors import DataError


class UnreadableInputError(DataError):
    """The error of an input that cannot be read; its `bad_file` is the record for the report."""

    def __init__(self, bad_file: BadFile) -> None:
        super().__init__(bad_file.error)
        self.bad_file = bad_file

    def __reduce__(self) -> tuple[type[Self], tuple[BadFile]]:
        """Copy the error, for other processes, from its record."""
        return type(self), (self.bad_file,)


def read_source(source: Source) -> Iterator[Session]:
    """Yield the sessions of an input. Raises UnreadableInputError if it cannot be read."""
    try:
        yield from source()
    except (DataError, OSError) as error:
        raise UnreadableInputError(make_bad_file(source.files, error)) from error


def name_source(source: Source) -> str | None:
    """Return the hash that names an input in the caches. Raises UnreadableInputError if its files cannot be read."""
    try:
        return source.name()
    except OSError as error:
        raise UnreadableInputError(make_bad_file(source.files, error)) from error


def skips_bad_files(dataset: SyntheticDataset | FileDataset) -> bool:
    """Return whether inputs that cannot be read are left out instead of stopping the run."""
    return isinstance(dataset, FileDataset) and dataset.bad_files == "skip"


def read_readable_sessions(sources: list[Source]) -> Iterator[Session]:
    """Yield the sessions of the inputs; leave out those that cannot be read to their end."""
    for source in sources:
        try:
            sessions = list(read_source(source))
        except UnreadableInputError:
            continue
        yield from sessions


def make_all_bad_error(bad_files: list[BadFile]) -> DataError:
    """Make the error for a dataset of which no input can be read."""
    return DataError(f"None of the {len(bad_files)} inputs can be read (dataset.bad_files=skip). {bad_files[0].error}")


_MAX_FILES = 10  # further ones are only counted


def describe_bad_files(bad_files: list[BadFile]) -> list[str]:
    """Describe the inputs that were left out: their number, then the error of each, one line per input."""
    if not bad_files:
        return []
    count = f"{len(bad_files)} input{'s' * (len(bad_files) > 1)}"
    lines = [f"Left out {count} that cannot be read (dataset.bad_files=skip)."]
    for bad in bad_files[:_MAX_FILES]:
        error = bad.error if any(name in bad.error for name in bad.files) else f"{', '.join(bad.files)}: {bad.error}"
        lines.append(f"Left out: {error}")
    if len(bad_files) > _MAX_FILES:
        lines.append("Left out too: " + ", ".join(" and ".join(bad.files) for bad in bad_files[_MAX_FILES:]) + ".")
    return lines


def list_left_out(bad_files: Iterable[BadFile], qualities: Iterable[Quality]) -> list[BadFile]:
    """List the inputs that were left out, and the files of sessions in several files, each once."""
    found = [*bad_files, *(bad for quality in qualities for bad in quality.left_out)]
    return [bad for k, bad in enumerate(found) if bad not in found[:k]]
