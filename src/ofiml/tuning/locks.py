"""Locks by name that end with the process that has them: those of files beside a SQLite database, those of the
sessions of a server otherwise.
"""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ofiml.tuning.server import build_engine_arguments
from ofiml.tuning.slots import lock_file

if TYPE_CHECKING:
    from sqlalchemy import URL


class Locks(Protocol):
    """Locks by name, which all users of a database share."""

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Lock a name for the duration of the context; false if another process or thread has locked it."""
        ...


def build_locks(url: "URL") -> Locks:
    """Build the locks of the database at `url`."""
    if url.get_backend_name() == "sqlite":
        return FileLocks(Path(f"{url.database}.locks"))
    return SessionLocks(url)


class FileLocks:
    """Locks of files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Lock a name for the duration of the context; see `Locks`."""
        path = self.folder / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(path) as is_locked:
            yield is_locked


class SessionLocks:
    """Locks of sessions of PostgreSQL or MySQL: the server releases them when the connection ends, however it ends.

    A lock that was lost with its connection lets another process run the same place: the same trial, twice.
    """

    def __init__(self, url: "URL") -> None:
        import sqlalchemy

        self._is_postgresql = url.get_backend_name() == "postgresql"
        arguments = build_engine_arguments(url)
        # A connection for each lock, which ends with it.
        self._engine = sqlalchemy.create_engine(
            url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT", **arguments
        )

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Lock a name for the duration of the context; see `Locks`."""
        import sqlalchemy

        digest = hashlib.sha256(f"ofiml tuning {name}".encode()).digest()
        statement, key = (
            ("SELECT pg_try_advisory_lock(:key)", int.from_bytes(digest[:8], signed=True))
            if self._is_postgresql
            else ("SELECT GET_LOCK(:key, 0)", f"ofiml-{digest.hex()[:40]}")
        )
        connection = self._engine.connect()
        try:
            yield bool(connection.scalar(sqlalchemy.text(statement), {"key": key}))
        finally:
            with suppress(sqlalchemy.exc.SQLAlchemyError):  # it is closed already, and the lock released
                connection.close()
