"""Trials in a database: those of a journal to the bit, whoever works on it, and one sentence for whatever fails.

Here the database is a file of SQLite; tests/services does the same with PostgreSQL.
"""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from ofiml.config import load, resolve_config
from ofiml.config.load import require_no_credential
from ofiml.errors import ConfigError, DataError
from ofiml.overrides.composition import compose
from ofiml.tuning import check_storage, database
from ofiml.tuning.server import SCHEMA, build_engine_arguments, read_url
from tests.conftest import command_line
from tests.tuning.searches import check_claims, settled, tuned, watch_trials

SECRET = "s3cr{et}"


@pytest.fixture
def address(tmp_path):
    return f"sqlite:///{tmp_path / 'trials.db'}"


def write(tmp_path, statement, *values):
    with closing(sqlite3.connect(tmp_path / "trials.db")) as store, store:
        assert store.execute(statement, values).rowcount, "something was changed"


def read(tmp_path, query):
    with closing(sqlite3.connect(tmp_path / "trials.db")) as store:
        return store.execute(query).fetchall()


# --- the same trials -------------------------------------------------------------------------------------------------


def test_a_database_has_the_trials_of_a_journal(configure, train, tmp_path, address):
    journal = tuned(configure, train, tmp_path / "journal", name="lgbm")
    assert tuned(configure, train, address, name="lgbm") == journal
    assert tuned(configure, train, f"sqlite:///{tmp_path / 'o{th}er.db'}", name="lgbm", threads=4) == journal
    (folder,) = (tmp_path / "journal").iterdir()
    assert read(tmp_path, "SELECT study_name FROM studies") == [(folder.name,)]


def test_studies_of_one_database_keep_apart(configure, train, tmp_path, address):
    for seed in (7, 8, 7):
        assert tuned(configure, train, address, seed=seed) == tuned(configure, train, tmp_path / "journal", seed=seed)
    assert read(tmp_path, "SELECT count(*) FROM studies") == [(2,)]
    assert read(tmp_path, "SELECT count(*) FROM trials") == [(20,)]


def test_a_place_is_run_by_one_process_at_a_time(configure, address):
    check_claims(configure, address)


# --- faults before any computing -------------------------------------------------------------------------------------


def put_text(path):
    path.write_text("somebody's notes\n" * 9)


def put_damaged(path):
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("CREATE TABLE studies (x TEXT)")
        store.executemany("INSERT INTO studies VALUES (?)", [["x" * 5000]] * 9)
    content = bytearray(path.read_bytes())
    content[100:2000] = b"\xff" * 1900
    path.write_bytes(content)


def put_runs(path):
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        store.execute("CREATE TABLE experiments (x TEXT)")


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (put_text, "trials.db is not a SQLite file: choose another uri"),
        (put_damaged, "because it is damaged, or no database: restore it"),
        (put_runs, "has the tables of another program, such as MLflow"),
        (lambda path: path.mkdir(), "trials.db is a folder: name a file in it"),
        (lambda path: path.parent.rmdir(), "does not exist: create it"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(configure, tmp_path, put, words):
    path = tmp_path / "deep" / "trials.db"
    path.parent.mkdir()
    put(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigError, match=words) as raised:
        check_storage(settled(configure(), f"sqlite:///{path}", 8), configure().model)
    assert str(raised.value).startswith(f"tuning.storage=sqlite:///{path} ")
    assert "\n" not in str(raised.value)
    assert before is None or path.read_bytes() == before, "nothing is added to what is another's"


def test_tables_of_another_version_are_named_with_the_remedy(configure, train, tmp_path, address):
    first = tuned(configure, train, address)
    (head,) = read(tmp_path, "SELECT version_num FROM alembic_version")[0]
    write(tmp_path, "UPDATE alembic_version SET version_num = ?", "v99")
    with pytest.raises(ConfigError, match=r"written by a later Optuna \(v99\), or by another program: update Optuna"):
        tuned(configure, train, address)
    write(tmp_path, "UPDATE alembic_version SET version_num = ?", "v3.0.0.d")
    with pytest.raises(ConfigError, match="earlier Optuna, with other tables") as raised:
        tuned(configure, train, address)
    line = str(raised.value).partition("then run ")[2].partition(";")[0]
    assert line == f"optuna storage upgrade --storage '{address}'"
    from optuna.storages import RDBStorage

    RDBStorage(address, skip_compatibility_check=True).upgrade()  # what the command does
    assert read(tmp_path, "SELECT version_num FROM alembic_version") == [(head,)]
    assert tuned(configure, train, address) == first


def test_without_tuning_no_database_is_opened(configure, address, tmp_path):
    for config in (configure("tuning=off"), configure("model=zero")):
        check_storage(replace(config.tuning, storage=address), config.model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sweep", [[], ["-m", "model=ridge,lasso"]])
def test_an_unreachable_database_ends_a_run_before_any_computing(tmp_path, monkeypatch, address, sweep):
    monkeypatch.setenv("OFIML_TUNING_STORAGE", f"{address.replace('trials', 'no/trials')}")
    done = command_line(tmp_path, *sweep, "debug=tiny", "tracking=off")
    assert done.returncode == 2
    assert [line[:33] for line in done.stderr.splitlines()] == ["ofiml: tuning.storage=sqlite:////"], "one sentence"
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("report.json"))
    assert not (tmp_path / ".ofiml" / "features").exists(), "no session was read"


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "mysql+pymysql", "mysql"])
def test_a_driver_that_is_missing_is_named(configure, scheme):
    address = f"{scheme}://me:{SECRET}@127.0.0.1:9/x"
    with pytest.raises(ConfigError) as raised:
        check_storage(settled(configure(), address, 8), configure().model)
    assert str(raised.value).startswith(f"tuning.storage={scheme}://127.0.0.1:9/x cannot be used, because")
    assert SECRET not in str(raised.value)


# --- faults in the middle --------------------------------------------------------------------------------------------


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """Another connection locks the database before the trial of a number; its function gives (connection, calls)."""
    monkeypatch.setattr("ofiml.tuning.server.PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr("optuna.storages._rdb.storage.random.random", lambda: 0.001)  # between its attempts
    with closing(sqlite3.connect(tmp_path / "trials.db", isolation_level=None)) as other:
        yield lambda at: (
            other,
            watch_trials(monkeypatch, lambda number: other.execute("BEGIN EXCLUSIVE") if number == at else None),
        )


def test_a_database_that_is_lost_ends_the_search_and_keeps_its_trials(
    configure, train, tmp_path, address, lock, monkeypatch
):
    whole = tuned(configure, train, tmp_path / "journal")
    monkeypatch.setattr(database, "_SECONDS_OF_LOSS", 0.05)
    monkeypatch.setattr(database, "_RETRY_SECONDS", 0.01)
    other, calls = lock(6)
    with pytest.raises(
        DataError, match=r"was lost, because another process has locked it: .*run the same command again"
    ):
        tuned(configure, train, address)
    other.execute("ROLLBACK")
    assert read(tmp_path, "SELECT count(*) FROM trials") == [(5,)]
    assert tuned(configure, train, address) == whole
    assert len(calls) == 6 + 5, "five were kept"


def test_a_short_loss_is_waited_for(configure, train, tmp_path, address, lock, monkeypatch):
    whole, waits = tuned(configure, train, tmp_path / "journal"), []
    other, _ = lock(3)

    def sleep(seconds):
        waits.append(seconds)
        other.execute("ROLLBACK")

    monkeypatch.setattr(database.time, "sleep", lambda seconds: None if seconds < 0.1 else sleep(seconds))
    assert tuned(configure, train, address) == whole
    assert waits == [database._RETRY_SECONDS]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trial_params SET param_value = param_value * 1.0000001 WHERE param_id = 3",
        "UPDATE trial_user_attributes SET value_json = '7' WHERE key = 'place' AND trial_id = 2",
        "UPDATE trial_user_attributes SET value_json = 'x' WHERE key = 'place' AND trial_id = 2",
        "UPDATE trial_user_attributes SET value_json = '[0.5, 0.5, 0.5]' WHERE key = 'scores' AND trial_id = 2",
        "UPDATE trials SET state = 'SPLENDID' WHERE trial_id = 2",
        "UPDATE trial_params SET distribution_json = '{}' WHERE param_id = 1",
        "DELETE FROM trial_params WHERE param_id = 2",
    ],
)
def test_an_altered_row_ends_in_a_sentence(configure, train, tmp_path, address, statement):
    tuned(configure, train, address)
    write(tmp_path, statement)
    with pytest.raises(DataError, match=r"Study \w{32} in tuning.storage=sqlite:///.* is damaged or belongs") as raised:
        tuned(configure, train, address)
    assert "\n" not in str(raised.value)


# --- addresses -------------------------------------------------------------------------------------------------------


def test_an_address_of_the_environment_keeps_its_credentials_to_itself(monkeypatch):
    address = f"postgresql://me:{SECRET}@host:5432/runs?sslpassword={SECRET}"
    monkeypatch.setenv("OFIML_TUNING_STORAGE", address)
    config = load(compose(["tracking=off"]))
    assert config.tuning.storage == address
    assert resolve_config(config)["tuning"]["storage"] == "postgresql://host:5432/runs"
    assert SECRET not in repr(config)
    with pytest.raises(ConfigError, match=r"tuning\.storage contains a credential: set OFIML_TUNING_STORAGE instead"):
        require_no_credential("tuning.storage", address)


@pytest.mark.parametrize(
    "storage",
    [
        "s3://bucket/x",
        "http://me:s3cret@host/x",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql+pg8000://host/x",
        "x://",
    ],
)
def test_what_is_no_database_is_refused(configure, storage):
    with pytest.raises(ConfigError, match="of no database that tuning can use: name a folder, or write") as raised:
        replace(configure().tuning, storage=storage)
    assert "s3cret" not in str(raised.value)


def test_postgresql_has_a_schema_of_its_own_and_a_driver():
    url = read_url("postgresql://me@host/runs?options=-csearch_path%3Dmine%20-cjit%3Doff")
    assert url.drivername == "postgresql+psycopg"
    options = build_engine_arguments(url)["connect_args"]["options"].split(" -c")
    assert options[0] == "-csearch_path=mine"
    assert options[1:3] == ["jit=off", f" search_path={SCHEMA}"], "the last one counts"
    assert read_url("postgresql+psycopg2://host/x").drivername == "postgresql+psycopg2"
    with pytest.raises(ConfigError, match="is not the address of a database") as raised:
        read_url(f"postgresql://me:{SECRET}@host:port/x")
    assert SECRET not in str(raised.value)
