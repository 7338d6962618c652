"""The faults of a store: what MLflow and its libraries raise, as one sentence with cause and remedy."""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from ofiml.errors import StoreError
from ofiml.storage import list_credentials, strip_credentials

SQLITE = "sqlite:///"

_MAX_REASON = 300
_MOVED = "it was moved, replaced or emptied"
_CREDENTIALS = "set those of the server (in MLFLOW_TRACKING_URI, or as MLFLOW_TRACKING_USERNAME and _PASSWORD)"

#: What a library says, the cause in our words, and the remedy. The first that fits counts.
_KNOWN = [
    (r"database is locked", "another process has locked it", "end that process, or wait for it"),
    (r"readonly database|Read-only file system", "it is read-only, or was moved or replaced", "make it writable"),
    (r"unable to open database", "its file cannot be opened", "check the file and its folder"),
    (r"no such table|Run with id=.* not found|Run '.*' not found|No Experiment with id", _MOVED, "give back the store"),
    (r"file is not a database|disk image is malformed|not an error", "it is damaged, or no database", "restore it"),
    (r"disk is full|No space left|Disk quota", "its disk is full", "free some space"),
    (r"No module named '(\w+)'", r"the driver \1 is not installed", r"install \1"),
    (r"error code 40[13]|40[13] (Client|Unauthorized|Forbidden)", "it refuses the credentials", _CREDENTIALS),
    (r"password authentication failed|no password supplied|Access denied", "it refuses the credentials", _CREDENTIALS),
    (r"Connection refused", "nothing answers at its address", "start the server"),
    (r"Name or service not known|resolve|nodename nor", "its host is unknown", "check the address"),
    (r"timed? ?out|Timeout", "it does not answer in time", "check that the server runs and can be reached"),
    (r"Connection (aborted|reset)|RemoteDisconnected", "it broke off the connection", "check that the server runs"),
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


def find_file(uri: str) -> Path | None:
    """Return the path of a store in SQLite; None for another store."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def describe_fault(error: Exception, uri: str) -> StoreError:
    """Describe an error of the store at `uri` without the credentials of the uri."""
    text = hide_credentials(" ".join(str(error).split()), uri)
    place = strip_credentials(uri)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        text = "No space left"
    for pattern, cause, remedy in _KNOWN:
        match = re.search(pattern, text)
        if match:
            return StoreError(f"{place} cannot be used, because {match.expand(cause)}", match.expand(remedy))
    return StoreError(f"{place} cannot be used ({_shorten(text)})", "fix it")


def hide_credentials(text: str, uri: str) -> str:
    """Replace the password and the query of `uri` wherever they stand in a text, quoted or not."""
    secrets = set(list_credentials(uri))
    forms = secrets | {unquote(secret) for secret in secrets} | {quote(secret, safe="") for secret in secrets}
    for secret in sorted(forms, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _shorten(text: str) -> str:
    """Keep the first part of a message: SQL and addresses follow."""
    return re.split(r" \[SQL: | \(Background on ", text)[0].rstrip(".")[:_MAX_REASON]
