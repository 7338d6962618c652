"""Databases that a user names by an address: a first test of each, and their faults in words.

The store of runs (MLflow) and the trials of tuning (Optuna) may lie in one.
"""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from ofiml.errors import StoreError
from ofiml.storage import list_credentials

SQLITE = "sqlite:///"

CONNECT_SECONDS = 10
PATIENCE_SECONDS = 20.0  # that another process may hold the lock of a SQLite file, as MLflow has them

_HEADER = b"SQLite format 3"
_MAX_REASON = 300

#: What a driver says, the cause in our words, and the remedy. The first that fits counts.
FAULTS = [
    (r"database is locked", "another process has locked it", "end that process, or wait for it"),
    (r"readonly database|Read-only file system", "it is read-only, or was moved or replaced", "make it writable"),
    (r"unable to open database", "its file cannot be opened", "check the file and its folder"),
    (r"file is not a database|disk image is malformed|not an error", "it is damaged, or no database", "restore it"),
    (r"disk is full|No space left|Disk quota", "its disk is full", "free some space"),
    (r"No module named 'psycopg'", "the driver psycopg is not installed", "pip install 'ofiml[postgresql]'"),
    (r"No module named '(\w+)'", r"the driver \1 is not installed", r"install \1"),
    (r"database \S+ does not exist", "the server has no database of that name", "create it"),
    (r"permission denied", "its user lacks a right", "give the user the right to create and write tables"),
    (r"too many (clients|connections)|remaining connection slots", "it has no connection left", "allow it more"),
    (r"is (starting up|shutting down|not currently accepting)", "it accepts no connections now", "wait for it"),
    (r"Connection refused", "nothing answers at its address", "start the server"),
    (r"Name or service not known|resolve|nodename nor", "its host is unknown", "check the address"),
    (r"timed? ?out|Timeout", "it does not answer in time", "check that the server runs and can be reached"),
    (
        r"Connection (aborted|reset)|RemoteDisconnected|closed the connection|connection has been closed|"
        r"terminating connection|connection is (closed|lost)",
        "it broke off the connection",
        "check that the server runs",
    ),
]

#: What a database says that refuses a name or a password.
REFUSED = r"password authentication failed|no password supplied|Access denied|role \S+ does not exist"


def find_file(uri: str) -> Path | None:
    """Return the path of a database in SQLite; None for another one."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def probe_file(path: Path) -> None:
    """Raise StoreError or sqlite3.Error for a path at which SQLite cannot write a database. A new one is not made."""
    if not path.parent.is_dir():
        raise StoreError(f"the folder of {path} does not exist", "create it, or choose another uri")
    if path.is_dir():
        raise StoreError(f"{path} is a folder", "name a file in it")
    if not os.access(path.parent, os.W_OK):
        raise StoreError(f"the folder of {path} is read-only", "make it writable, or choose another uri")
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(_HEADER)) not in (b"", _HEADER):
            raise StoreError(f"{path} is not a SQLite file", "choose another uri")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE_SECONDS)) as store:
        store.isolation_level = None
        store.execute("PRAGMA schema_version")
        store.execute("BEGIN IMMEDIATE")  # waits for the lock, and needs the right to write
        store.execute("ROLLBACK")


def explain_fault(text: str, faults: list[tuple[str, str, str]]) -> tuple[str, str] | None:
    """Return (cause, remedy) of the first of `faults` that fits what a driver says; None if none does."""
    for pattern, cause, remedy in faults:
        match = re.search(pattern, text)
        if match:
            return match.expand(cause), match.expand(remedy)
    return None


def hide_credentials(text: str, uri: str) -> str:
    """Replace the password and the query of `uri` wherever they stand in a text, quoted or not."""
    secrets = set(list_credentials(uri))
    forms = secrets | {unquote(secret) for secret in secrets} | {quote(secret, safe="") for secret in secrets}
    for secret in sorted(forms, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def shorten_reason(text: str) -> str:
    """Keep the first part of a message: SQL and addresses follow."""
    return re.split(r" \[SQL: | \(Background on ", text)[0].rstrip(".")[:_MAX_REASON]
