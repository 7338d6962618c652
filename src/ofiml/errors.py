"""Errors that end a run without a verdict: a wrong config, wrong data, or a leak."""

from collections.abc import Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """An error of the config, raised before any work. Its message is one sentence with the remedy."""


class StoreError(ConfigError):
    """An error of a store, which does not answer, or refuses to be read or written. `cause` is a phrase."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}: {remedy}.")
        self.cause, self.remedy = cause, remedy


class DataError(ValueError):
    """An error of the data. Its message names file, row, column and value where they exist, and the remedy."""


class OneWayError(DataError):
    """An error for labels of a direction with one sign only. The caller, which knows the target, adds the remedy."""


class LeakError(DataError):
    """An error for a study that depends on future data or trains on test rows. Its message names the place."""


class Terminated(KeyboardInterrupt):
    """The interrupt of a run by SIGTERM."""


@contextmanager
def locate_error(where: str) -> Iterator[None]:
    """Prefix the message of a DataError with its place, as in `Fold 3: …`."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{where}: {error}") from error
