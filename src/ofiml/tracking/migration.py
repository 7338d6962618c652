"""The schema of an MLflow store in SQLite: an older one is copied, then migrated; one that is newer is refused."""

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

_ALEMBIC = "alembic_version"  # the table that holds the version
_UNVERSIONED = "0"  # a store from before MLflow 1.0, which kept no version
_REVISION = re.compile(r"^(down_)?revision(?:: [^=]+)? = [\"']([0-9a-f]+)[\"']", re.MULTILINE)


def ensure_schema(uri: str) -> None:
    """Bring a SQLite store to the schema of the MLflow that is installed, after a copy; leave any other store alone.

    An older store is copied to `NAME.backup-VERSION.db` beside it and migrated, and one sentence on stderr says so.
    Raises ConfigError for a store that a newer MLflow wrote, for a SQLite file that is not MLflow's, and where the
    migration fails.
    """
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///"))
    if not _outdated(path):
        return
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        version = _outdated(path)  # another process may have migrated it meanwhile
        if version:
            copy = _copy(path, version)
            _migrate(uri, path, copy)
            _report(f"{path} was written by an older MLflow and has been migrated; the original is kept as {copy}.")


def _outdated(path: Path) -> str | None:
    """The version of an older store; None for one that is current, fresh or unreadable, which MLflow itself reports."""
    version = _version(path)
    if version is None:
        return None
    known, head = _revisions()
    if version not in known and version != _UNVERSIONED:
        raise ConfigError(
            f"{path} was written by a newer MLflow (schema {version}; the one here supports up to {head}): "
            "install that MLflow, or choose another store."
        )
    return None if version == head else version


def _version(path: Path) -> str | None:
    """The schema version that a store says it has; None without a file, without tables, or if it is not readable."""
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
def _revisions() -> tuple[set[str], str]:
    """(all schema versions that the installed MLflow knows, its own), read from its migrations, without an import."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "store" / "db_migrations" / "versions"
    found = [match for file in folder.glob("*.py") for match in _REVISION.findall(file.read_text(encoding="utf-8"))]
    known, before = ({name for down, name in found if bool(down) == parent} for parent in (False, True))
    (head,) = known - before
    return known, head


def _copy(path: Path, version: str) -> Path:
    """A copy of the store under a name that no file has yet; it appears whole or not at all."""
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with closing(sqlite3.connect(path)) as store, closing(sqlite3.connect(fresh)) as copy:
            store.backup(copy)
        number = 1
        while True:
            name = path.with_name(f"{path.name}.backup-{version}{'' if number == 1 else f'-{number}'}.db")
            try:
                os.link(fresh, name)  # fails where the name is taken
                return name
            except FileExistsError:
                number += 1
    finally:
        fresh.unlink(missing_ok=True)


def _migrate(uri: str, path: Path, copy: Path) -> None:
    import mlflow.store.db.utils as mlflow_schema
    import sqlalchemy
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException

    engine = sqlalchemy.create_engine(uri)
    try:
        if _version(path) == _UNVERSIONED:
            mlflow_schema._initialize_tables(engine)
        else:
            mlflow_schema._upgrade_db(engine)
    except (sqlalchemy.exc.SQLAlchemyError, CommandError, MlflowException) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{path} was written by an older MLflow and cannot be migrated ({reason}); the original is kept as {copy}: "
            "choose another uri, or read that copy with the older MLflow."
        ) from error
    finally:
        engine.dispose()


def _report(sentence: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(f"ofiml: {sentence}", highlight=False, markup=False, soft_wrap=True)
