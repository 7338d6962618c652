"""Ask a store whether it can be read and written, once and within seconds. MLflow itself asks for minutes."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ofiml.errors import StoreError
from ofiml.tracking.faults import find_file, translate_faults

_PATIENCE = 20.0  # seconds that another process may hold the lock of a database, as MLflow has them
_CONNECT_SECONDS = 10
_HEADER = b"SQLite format 3"


def probe_store(uri: str) -> None:
    """Raise StoreError for a database that cannot be opened or written. A server is asked by MLflow itself."""
    path = find_file(uri)
    if path is not None:
        with translate_faults(uri):
            _probe_file(path)
    elif "://" in uri and not uri.startswith(("http:", "https:", "file:")):
        with translate_faults(uri):
            _probe_database(uri)


def _probe_file(path: Path) -> None:
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
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)) as store:
        store.isolation_level = None
        store.execute("PRAGMA schema_version")
        store.execute("BEGIN IMMEDIATE")  # waits for the lock, and needs the right to write
        store.execute("ROLLBACK")


def _probe_database(uri: str) -> None:
    import sqlalchemy

    waits = uri.startswith(("postgresql", "mysql"))
    arguments = {"connect_timeout": _CONNECT_SECONDS} if waits else {}
    engine = sqlalchemy.create_engine(uri, connect_args=arguments)
    try:
        engine.connect().close()
    finally:
        engine.dispose()
