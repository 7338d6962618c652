"""The ways in which a run ends without a verdict: a wrong config, wrong data, or a study that knows the future."""

from collections.abc import Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """The config cannot describe a study; raised before any work. One sentence that names the remedy."""


class DataError(ValueError):
    """The data cannot be used; names file, row, column and value where they exist, and the remedy."""


class OneWayError(DataError):
    """The labels of a direction go one way only. Names no remedy: who knows how they were made adds it."""


class LeakError(DataError):
    """The study knows the future, or trains on what it tests: its numbers are no result. Says where."""


class Terminated(KeyboardInterrupt):
    """The run was asked to end, by SIGTERM."""


@contextmanager
def locate_error(where: str) -> Iterator[None]:
    """Says of a DataError where it happened."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{where}: {error}") from error
