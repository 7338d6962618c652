"""A store that another version of MLflow wrote: an older one is copied and migrated, a newer one refused."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from ofiml.cli.compare import main as compare
from ofiml.config import Tracking
from ofiml.errors import ConfigError
from ofiml.tracking import migration
from ofiml.tracking.migration import ensure_schema
from ofiml.tracking.read import list_runs
from ofiml.tracking.store import open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(a store as MLflow wrote it several migrations ago, with an experiment; its version)."""
    import mlflow.store.db.utils as schema
    import sqlalchemy
    from alembic import command
    from alembic.script import ScriptDirectory

    path = tmp_path_factory.mktemp("old") / "mlflow.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    config = schema._get_alembic_config(str(engine.url))
    earlier = [r.revision for r in ScriptDirectory.from_config(config).walk_revisions()][12]
    schema.InitialBase.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, earlier)
    engine.dispose()
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(
            "INSERT INTO experiments (name, artifact_location, lifecycle_stage) VALUES ('mine', '', 'active')"
        )
    return path, earlier


@pytest.fixture
def old(made, workdir):
    """That store as mlflow.db of the working folder, and its version."""
    shutil.copy(made[0], workdir / "mlflow.db")
    return workdir / "mlflow.db", made[1]


@pytest.mark.slow
def test_a_store_that_is_not_finished_is_none(workdir, monkeypatch):
    """A process that is killed while MLflow makes its tables leaves nothing that looks like a store."""
    import mlflow.store.db.utils as schema

    tracking = Tracking(enabled=True, uri="sqlite:///mlflow.db", experiment="mine")

    def make_half(engine):
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE experiments (name TEXT)")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schema, "_initialize_tables", make_half)
        with pytest.raises(KeyboardInterrupt):
            open_store(tracking)
    assert [path.name for path in workdir.iterdir() if path.suffix != ".lock"] == []
    assert open_store(tracking) == "1"


def version(path):
    with closing(sqlite3.connect(path)) as store:
        return store.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_the_head_is_the_one_that_mlflow_names():
    from mlflow.store.db.utils import _get_latest_schema_revision

    known, head = migration._list_revisions()
    assert head == _get_latest_schema_revision()
    assert len(known) > 60


def test_an_older_store_is_copied_migrated_and_named(old, capsys):
    path, before = old
    assert open_store(Tracking(enabled=True, uri="sqlite:///mlflow.db", experiment="mine")) == "1"
    said = capsys.readouterr().err
    copy = path.with_name(f"mlflow.db.backup-{before}.db")
    assert said.count("\n") == 1
    assert "mlflow.db was written by an older MLflow and has been migrated" in said
    assert copy.name in said
    assert (version(copy), version(path)) == (before, migration._list_revisions()[1])
    with closing(sqlite3.connect(copy)) as one:
        assert one.execute("SELECT name FROM experiments").fetchall() == [("mine",)]
    ensure_schema("sqlite:///mlflow.db")
    assert capsys.readouterr().err == "", "once"


@pytest.mark.slow
def test_reading_does_the_same_and_no_copy_is_overwritten(old, capsys):
    path, before = old
    first = path.with_name(f"mlflow.db.backup-{before}.db")
    first.write_text("another copy")
    assert list_runs("mine", "sqlite:///mlflow.db") == []
    assert first.read_text() == "another copy"
    assert version(path.with_name(f"mlflow.db.backup-{before}-2.db")) == before
    assert not list(path.parent.glob(".mlflow.db.*"))


def test_a_newer_store_is_refused_in_one_sentence(old, capsys):
    path, _ = old
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'f00dfeed0001'")
    content = path.read_bytes()
    with pytest.raises(ConfigError, match="written by a newer MLflow"):
        open_store(Tracking(enabled=True, uri="sqlite:///mlflow.db", experiment="mine"))
    assert compare(["mine"]) == 2
    assert "written by a newer MLflow (schema f00dfeed0001" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_a_migration_that_fails_names_the_copy(old, monkeypatch):
    import mlflow.store.db.utils as schema
    from sqlalchemy.exc import OperationalError

    def fail(engine):
        raise OperationalError("ALTER TABLE", {}, Exception("disk I/O error"))

    _, before = old
    monkeypatch.setattr(schema, "_upgrade_db", fail)
    with pytest.raises(ConfigError, match=f"cannot be migrated .*kept as .*mlflow.db.backup-{before}.db"):
        ensure_schema("sqlite:///mlflow.db")


def test_what_is_not_a_store_of_mlflow_is_left_alone(workdir):
    with closing(sqlite3.connect("other.db")) as other, other:
        other.execute("CREATE TABLE prices (p REAL)")
    before = (workdir / "other.db").read_bytes()
    with pytest.raises(ConfigError, match="not an MLflow store"):
        ensure_schema("sqlite:///other.db")
    assert (workdir / "other.db").read_bytes() == before
    (workdir / "text.db").write_text("no database")
    (workdir / "empty.db").touch()
    for uri in ("sqlite:///absent.db", "sqlite:///text.db", "sqlite:///empty.db", "http://127.0.0.1:5000"):
        ensure_schema(uri)
    assert sorted(p.name for p in workdir.iterdir()) == ["empty.db", "other.db", "text.db"]
