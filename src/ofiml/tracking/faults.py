"""The faults of a store: what MLflow and its libraries raise, as one sentence with cause and remedy."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ofiml.database import FAULTS, REFUSED, explain_fault, find_file, hide_credentials, shorten_reason
from ofiml.errors import StoreError
from ofiml.storage import strip_credentials

_MOVED = "it was moved, replaced or emptied"
_CREDENTIALS = "set those of the server (in MLFLOW_TRACKING_URI, or as MLFLOW_TRACKING_USERNAME and _PASSWORD)"

#: What MLflow and a server say beside what databases do; see `ofiml.database`.
_KNOWN = [
    (r"in maintenance mode", "a folder is no store of this MLflow", "write sqlite:///FILE.db, or a server's address"),
    (r"no such table|Run with id=.* not found|Run '.*' not found|No Experiment with id", _MOVED, "give back the store"),
    (r"error code 40[13]|40[13] (Client|Unauthorized|Forbidden)", "it refuses the credentials", _CREDENTIALS),
    (REFUSED, "it refuses the credentials", _CREDENTIALS),
    *FAULTS,
    (r"error code 5\d\d", "its server has an error", "look into the log of the server"),
    (r"error code 404", "no MLflow server answers at its address", "check the address"),
]


@contextmanager
def translate_faults(uri: str) -> Iterator[None]:
    """Raise StoreError for whatever the store at `uri` raises inside. Mistakes of the program stay as they are."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ModuleNotFoundError) as error:
        raise describe_fault(error, uri) from error


def is_unknown(error: Exception) -> bool:
    """Return whether MlflowException `error` says that the store, which answers, does not have what is asked for."""
    return getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"


def require_file(uri: str) -> None:
    """Raise StoreError if the store is a file that does not exist: SQLite would make an empty one in its place."""
    path = find_file(uri)
    if path is not None and not path.is_file():
        raise StoreError(f"{uri} is no longer there", "move the store back")


def describe_fault(error: Exception, uri: str) -> StoreError:
    """Describe an error of the store at `uri` without the credentials of the uri."""
    text = hide_credentials(" ".join(str(error).split()), uri)
    place = strip_credentials(uri)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        text = "No space left"
    known = explain_fault(text, _KNOWN)
    if known is not None:
        return StoreError(f"{place} cannot be used, because {known[0]}", known[1])
    return StoreError(f"{place} cannot be used ({shorten_reason(text)})", "fix it")
