"""Errors that end a run without a verdict: a wrong config, wrong data, or a leak."""

from collections.abc import Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """The config cannot describe a study; raised before any work. One sentence that names the remedy."""


class DataError(ValueError):
    """The data cannot be used; names file, row, column and value where they exist, and the remedy."""


class OneWayError(DataError):
    """The labels of a direction have one sign only. The caller, which knows how they were made, adds the remedy."""


class LeakError(DataError):
    """The study depends on future data, or trains on test rows: its numbers are not valid. Names the place."""


class Terminated(KeyboardInterrupt):
    """The run was terminated by SIGTERM."""


@contextmanager
def locate_error(where: str) -> Iterator[None]:
    """Prefix the message of a DataError with its place, as in `Fold 3: …`."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{where}: {error}") from error
