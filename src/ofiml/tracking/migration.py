"""The schema of an MLflow store in SQLite: a new store appears whole, an older one is migrated, a newer one refused."""

import os
import re
import sqlite3
import uuid
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import filelock

from ofiml.errors import ConfigError

_ALEMBIC = "alembic_version"  # the table with the version
_UNVERSIONED = "0"  # the store of an MLflow before 1.0, which has no version
_REVISION = re.compile(r"^(down_)?revision(?:: [^=]+)? = [\"']([0-9a-f]+)[\"']", re.MULTILINE)


def ensure_schema(uri: str) -> None:
    """Migrate an older SQLite store to the schema of the installed MLflow; leave every other store as it is.

    The store is first copied to `NAME.backup-VERSION.db` beside it; one sentence on stderr reports both. Raises
    ConfigError for a store of a newer MLflow, for a SQLite file that is not an MLflow store, and if the migration
    fails.
    """
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///"))
    if not _find_old_version(path):
        return
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        version = _find_old_version(path)  # another process may have migrated it meanwhile
        if version:
            copy = _copy_store(path, version)
            _migrate(uri, path, copy)
            _print_sentence(
                f"{path} was written by an older MLflow and has been migrated; the original is kept as {copy}."
            )


def _find_old_version(path: Path) -> str | None:
    """Return the version of an older store; None for a current or fresh one, and for a file that MLflow will refuse."""
    version = _read_version(path)
    if version is None:
        return None
    known, head = _list_revisions()
    if version not in known and version != _UNVERSIONED:
        raise ConfigError(
            f"{path} was written by a newer MLflow (schema {version}; the one here supports up to {head}): "
            "install that MLflow, or choose another store."
        )
    return None if version == head else version


def _read_version(path: Path) -> str | None:
    """Read the schema version of a store; None if there is no file, no table, or no readable database."""
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as store:
            tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = store.execute("SELECT version_num FROM alembic_version").fetchall() if _ALEMBIC in tables else []
    except sqlite3.DatabaseError:
        return None
    if rows:
        return str(rows[0][0])
    if tables - {_ALEMBIC} and "experiments" not in tables:
        raise ConfigError(f"{path} is a SQLite file, but not an MLflow store: choose another uri.")
    return _UNVERSIONED if tables - {_ALEMBIC} else None


@cache
def _list_revisions() -> tuple[set[str], str]:
    """Return (all schema versions, the latest) of the installed MLflow, read from its migrations without an import."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "store" / "db_migrations" / "versions"
    revisions = [match for file in folder.glob("*.py") for match in _REVISION.findall(file.read_text(encoding="utf-8"))]
    known, before = ({name for down, name in revisions if bool(down) == parent} for parent in (False, True))
    (head,) = known - before
    return known, head


def make_store(path: Path) -> None:
    """Make an empty store. A process that is killed meanwhile leaves no store, instead of half of one.

    The caller holds the lock of the store.
    """
    import mlflow.store.db.utils as mlflow_schema
    import sqlalchemy

    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    engine = sqlalchemy.create_engine(f"sqlite:///{temporary}")
    try:
        mlflow_schema._initialize_tables(engine)
        engine.dispose()
        temporary.replace(path)
    finally:
        engine.dispose()
        temporary.unlink(missing_ok=True)


def _copy_store(path: Path, version: str) -> Path:
    """Copy the store to a new file, which appears whole or not at all, and return its path."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with closing(sqlite3.connect(path)) as store, closing(sqlite3.connect(temporary)) as copy:
            store.backup(copy)
        number = 1
        while True:
            name = path.with_name(f"{path.name}.backup-{version}{'' if number == 1 else f'-{number}'}.db")
            try:
                os.link(temporary, name)  # fails if the name exists
                return name
            except FileExistsError:
                number += 1
    finally:
        temporary.unlink(missing_ok=True)


def _migrate(uri: str, path: Path, copy: Path) -> None:
    import mlflow.store.db.utils as mlflow_schema
    import sqlalchemy
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException

    engine = sqlalchemy.create_engine(uri)
    try:
        if _read_version(path) == _UNVERSIONED:
            mlflow_schema._initialize_tables(engine)
        else:
            mlflow_schema._upgrade_db(engine)
    except (sqlalchemy.exc.SQLAlchemyError, CommandError, MlflowException) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{path} was written by an older MLflow and cannot be migrated ({reason}). The original is kept as {copy}: "
            "choose another uri, or open that copy with the older MLflow."
        ) from error
    finally:
        engine.dispose()


def _print_sentence(sentence: str) -> None:
    from ofiml.ui.lines import open_console

    open_console(stderr=True).print(f"ofiml: {sentence}", soft_wrap=True)
