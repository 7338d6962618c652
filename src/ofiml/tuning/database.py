"""A database that keeps trials: of SQLite, PostgreSQL or MySQL, opened by Optuna.

The study of a fold has its hash as its name, as a journal's folder has. A trial is written in one transaction, so a
place is either finished or not.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from ofiml.database import FAULTS, REFUSED, explain_fault, find_file, hide_credentials, probe_file, shorten_reason
from ofiml.errors import ConfigError, DataError, StoreError
from ofiml.storage import strip_credentials
from ofiml.tuning.library import import_optuna
from ofiml.tuning.locks import Locks, build_locks
from ofiml.tuning.server import SCHEMA, build_engine_arguments, create_schema, open_engine, read_url
from ofiml.tuning.slots import NOTE, UNREADABLE, read_places
from ofiml.tuning.suggest import Space

Result = TypeVar("Result")

_FAULTS = [
    (
        REFUSED,
        "it refuses the credentials",
        "set them in OFIML_TUNING_STORAGE, or where its driver looks for them, as in PGPASSWORD",
    ),
    (
        r"permission denied for database",
        f"its user may not create the schema {SCHEMA}",
        f"let its owner run CREATE SCHEMA {SCHEMA} AUTHORIZATION and the name of that user",
    ),
    (
        r"unsupported startup parameter",
        "a pooler answers, whose connections are no sessions and hold no locks",
        "give the address of the server itself",
    ),
    *FAULTS,
]

_SECONDS_OF_LOSS = 30.0  # in which a server that starts again is waited for
_SECONDS_OF_SETUP = 60.0  # in which another process that makes the tables is waited for
_RETRY_SECONDS = 1.0


class Database:
    """An open database: Optuna's `storage`, the `locks`, and the address as `shown`, without credentials."""

    def __init__(self, address: str) -> None:
        self.address, self.shown = address, f"tuning.storage={strip_credentials(address)}"
        self.url = read_url(address)
        self.locks: Locks = build_locks(self.url)
        self.storage: Any = None

    def set_up(self) -> None:
        """Open the tables, and make them if there are none. Two processes that make them at once would both fail."""
        path = find_file(self.address)
        if path is not None:
            probe_file(path)
        create_schema(self.url)
        end = time.monotonic() + _SECONDS_OF_SETUP
        while True:
            with self.locks.lock("setup") as is_locked:
                if is_locked or time.monotonic() > end:  # whoever takes that long is stopped, or dead
                    self._require_own_tables()
                    self.storage = self._open_storage()
                    self._require_this_version()
                    return
            time.sleep(_RETRY_SECONDS / 10)

    def close(self) -> None:
        """Close all connections."""
        if self.storage is not None:
            self.storage.engine.dispose()

    def persist(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the database, again if its server went away for a while.

        Raises DataError if it stays away, or refuses.
        """
        from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

        end = time.monotonic() + _SECONDS_OF_LOSS
        while True:
            try:
                return work()
            except (SQLAlchemyError, import_optuna().exceptions.StorageInternalError) as error:
                fault = error if isinstance(error, SQLAlchemyError) else error.__cause__ or error
                if not isinstance(fault, InterfaceError | OperationalError) or time.monotonic() > end:
                    cause, remedy = explain(fault, self.address)
                    raise DataError(
                        f"{self.shown} was lost, because {cause}: {remedy}, then run the same command again. It keeps "
                        "the trials that are finished."
                    ) from error
            time.sleep(_RETRY_SECONDS)

    def _open_storage(self) -> Any:
        # Optuna logs a connection that was lost before it fails.
        logging.getLogger("optuna.storages._rdb.storage").setLevel(logging.ERROR)
        return import_optuna().storages.RDBStorage(
            self.url.render_as_string(hide_password=False),  # with { and } quoted: Optuna reads it as a template
            engine_kwargs=build_engine_arguments(self.url),
            skip_compatibility_check=True,
        )

    def _require_own_tables(self) -> None:
        """Raise ConfigError before Optuna adds its tables to the database of another program."""
        import sqlalchemy

        with open_engine(self.url) as engine:
            names = set(sqlalchemy.inspect(engine).get_table_names())
        if "alembic_version" in names and "studies" not in names:
            raise ConfigError(
                f"{self.shown} has the tables of another program, such as MLflow: Optuna's cannot lie beside them. "
                "Name another file or database; in PostgreSQL they may share one."
            )

    def _require_this_version(self) -> None:
        """Raise ConfigError for the tables of another version of Optuna."""
        version = self.storage.get_current_version()
        if version == self.storage.get_head_version():
            return
        if version not in self.storage.get_all_versions():
            raise ConfigError(
                f"{self.shown} was written by a later Optuna ({version:.40}), or by another program: update Optuna, or "
                "name another database."
            )
        address = strip_credentials(self.url.render_as_string(hide_password=False))
        options = f"?options=-csearch_path%3D{SCHEMA}" if self.url.get_backend_name() == "postgresql" else ""
        raise ConfigError(
            f"{self.shown} was written by an earlier Optuna, with other tables ({version}): make a copy of it, then "
            f"run optuna storage upgrade --storage '{address}{options}'; or name another database."
        )


@contextmanager
def open_database(address: str) -> Iterator[Database]:
    """Open the database at an address, and close it. Raises ConfigError, in one sentence, if it cannot be used."""
    with _explain_opening(address):
        database = Database(address)
    try:
        with _explain_opening(address):
            database.set_up()
        yield database
    finally:
        database.close()


@contextmanager
def _explain_opening(address: str) -> Iterator[None]:
    """Raise ConfigError for whatever a driver, SQLAlchemy or Optuna raises inside."""
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    shown = f"tuning.storage={strip_credentials(address)}"
    try:
        yield
    except StoreError as error:
        raise ConfigError(f"{shown} cannot be used, because {error.cause}: {error.remedy}.") from error
    except (
        SQLAlchemyError,
        CommandError,
        sqlite3.Error,
        OSError,
        ImportError,
        import_optuna().exceptions.StorageInternalError,
    ) as error:
        cause, remedy = explain(error, address)
        raise ConfigError(f"{shown} cannot be used, because {cause}: {remedy}.") from error


def explain(error: BaseException, address: str) -> tuple[str, str]:
    """Explain an error of the database at `address` as (cause, remedy), without its credentials."""
    fault = error.__cause__ if isinstance(error, import_optuna().exceptions.StorageInternalError) else error
    text = hide_credentials(" ".join(str(fault or error).split()), address)
    reason = shorten_reason(text) or type(error).__name__
    return explain_fault(text, _FAULTS) or (f"of an error ({reason})", "see to it, or name a folder")


class DatabaseSlots:
    """The places of the study named `key` in a database; see `Slots`."""

    poll_seconds = 0.5  # each look is a query of a server that many processes share

    def __init__(self, database: Database, key: str, max_parallel: int, space: Space, inner_folds: int) -> None:
        self.database, self.key, self.max_parallel = database, key, max_parallel
        self.space, self.inner_folds = space, inner_folds
        self._study = self._read(self._open_study)

    @contextmanager
    def claim(self, place: int) -> Iterator[bool]:
        """Claim a place for the duration of the context; see `Slots`."""
        # Places that are never run at the same time share a lock.
        name, locks = f"{self.key}/slot_{place % self.max_parallel}", self.database.locks
        with ExitStack() as stack:
            is_locked = self.database.persist(lambda: stack.enter_context(locks.lock(name)))
            yield is_locked and place not in self.read_finished()

    def read_finished(self) -> dict[int, Any]:
        """Read Optuna's frozen trial of each finished place, in order. Raises DataError for other content."""
        return self._read(lambda: read_places(self._study, self.space, self.inner_folds))

    def add(self, trial: Any) -> None:
        """Write a finished trial. If the server's answer is lost, it may be written twice, and the first one counts."""
        self.database.persist(lambda: self._study.add_trial(trial))

    def read_note(self) -> Any:
        """Read the note of the study; None if it has none."""
        return self._read(lambda: self._study.user_attrs).get(NOTE)

    def write_note(self, note: Any) -> None:
        """Write the note of the study in place of an earlier one."""
        self.database.persist(lambda: self._study.set_user_attr(NOTE, note))

    def _open_study(self) -> Any:
        return import_optuna().create_study(
            storage=self.database.storage, study_name=self.key, direction="maximize", load_if_exists=True
        )

    def _read(self, work: Callable[[], Result]) -> Result:
        """Read, and raise DataError for a study that has other content than its own."""
        try:
            return self.database.persist(work)
        except DataError:
            raise
        except UNREADABLE as error:
            raise DataError(
                f"Study {self.key} in {self.database.shown} is damaged or belongs to another program: delete it "
                "(docs/tuning.md) to run the trials again."
            ) from error
