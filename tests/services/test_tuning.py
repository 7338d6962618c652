"""Tuning in a database of PostgreSQL, the one in which MLflow keeps its runs, with the bits of a journal."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ofiml.errors import ConfigError, DataError
from ofiml.tuning import check_storage, database
from ofiml.tuning.server import SCHEMA
from tests.parallel.runs import QUICK, TINY, complete, read_report, start, without_place
from tests.services.conftest import HOST, PASSWORD, find_port
from tests.test_credentials import find_secrets
from tests.tuning.searches import SHARED_TRIALS, check_claims, rows, share_search, tuned, watch_trials

STUDY = [text for text in QUICK if text != "tracking=off"]


@pytest.fixture
def connection(postgresql):
    """An open connection to the database, as its owner."""
    import psycopg

    with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as opened:
        yield opened


@pytest.fixture
def fresh(postgresql, connection):
    """The address, without any trials in the database."""
    connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return postgresql.replace("+psycopg", "")


@pytest.fixture
def train():
    return rows()


def count_trials(connection):
    return connection.execute(f"SELECT count(*) FROM {SCHEMA}.trials").fetchone()[0]


def test_a_study_tunes_in_the_database_of_its_runs(fresh, connection, expected, tmp_path):
    """Store and trials in one database, from the environment: the bits of journals, and no password in a file or a row.

    The same command then finds every trial there. Two schemas keep MLflow's tables and Optuna's apart.
    """
    store = {"MLFLOW_TRACKING_URI": fresh.replace("postgresql", "postgresql+psycopg"), "OFIML_TUNING_STORAGE": fresh}
    for k in range(2):
        (tmp_path / str(k)).mkdir()
        code, out, err = complete(start(tmp_path / str(k), *STUDY, "tracking.experiment=tuned", **store))
        assert code == 0, out + err
        (tmp_path / str(k) / "said").write_text(out + err)
        report = read_report(tmp_path / str(k))
        assert report["predictions"]["sha256"].startswith(TINY)
        assert without_place(report) == expected
        if k == 0:
            trials = count_trials(connection)
        assert count_trials(connection) == trials == sum(len(fold["trials"]) for fold in report["tuning"])
    (config,) = tmp_path.glob("0/outputs/**/config.yaml")
    assert f"storage: postgresql://{fresh.rpartition('@')[2]}\n" in config.read_text()
    assert not list(tmp_path.rglob("journal"))
    tables = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE tablename = 'alembic_version'")
    assert sorted(tables.fetchall()) == [(SCHEMA, "alembic_version"), ("public", "alembic_version")]
    names = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', %s)", [SCHEMA]
    )
    rows_of_all = [str(connection.execute(f'SELECT * FROM {schema}."{name}"').fetchall()) for schema, name in names]
    (tmp_path / "rows").write_text("\n".join(rows_of_all))
    assert "tuned" in (tmp_path / "rows").read_text()
    assert find_secrets(tmp_path, {"password": PASSWORD}) == []


def test_a_sweep_of_submitit_leaves_no_password_behind(fresh, tmp_path):
    """Its jobs are files, which have the name of the variable and not its value."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    line = ("-m", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10", "model=ridge,lasso", "threads=1")
    code, out, err = complete(start(tmp_path, *line, *QUICK, OFIML_TUNING_STORAGE=fresh))
    assert code == 0, out + err
    assert len(list(tmp_path.glob("outputs/sweeps/*/*/*/report.json"))) == 2
    assert list(tmp_path.glob("outputs/sweeps/*/*/.submitit"))
    assert find_secrets(tmp_path, {"password": PASSWORD}) == []


def test_the_trials_are_those_of_a_journal(configure, train, fresh, tmp_path):
    journal = tuned(configure, train, tmp_path, trials=6, name="lgbm")
    assert tuned(configure, train, fresh, trials=6, name="lgbm", threads=4) == journal
    assert tuned(configure, train, fresh, trials=6, name="lgbm") == journal


def test_two_that_make_the_tables_at_once_do_not_fail(fresh):
    line = "import sys; from ofiml.tuning.database import open_database\nwith open_database(sys.argv[1]): pass"
    processes = [subprocess.Popen([sys.executable, "-c", line, fresh], stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        assert process.communicate()[1] == b""
        assert process.returncode == 0


@pytest.mark.long
def test_processes_share_a_search_and_one_may_be_killed(configure, train, fresh, connection, tmp_path):
    """The server releases the lock of the killed one, whose place another process then runs."""
    share_search(tmp_path, fresh)
    assert count_trials(connection) == SHARED_TRIALS
    together = tuned(configure, train, fresh, trials=SHARED_TRIALS)
    assert together == tuned(configure, train, tmp_path / "journal", trials=SHARED_TRIALS)


def test_a_place_is_run_by_one_process_at_a_time(configure, fresh):
    check_claims(configure, fresh)


def end_sessions(connection):
    """Ends all other sessions, as a server that starts again does, and returns how many there were."""
    ended = connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ofiml' AND pid <> pg_backend_pid() "
        "AND application_name = 'ofiml'"
    )
    return len(ended.fetchall())


def test_sessions_that_end_are_opened_again(configure, train, fresh, connection, tmp_path, monkeypatch):
    ended, journal = [], tuned(configure, train, tmp_path)
    watch_trials(monkeypatch, lambda _: ended.append(end_sessions(connection)))
    assert tuned(configure, train, fresh) == journal
    assert len(ended) == 10
    assert all(ended)


def test_a_lost_server_ends_the_search_and_keeps_its_trials(configure, train, fresh, connection, tmp_path, monkeypatch):
    import psycopg

    journal = tuned(configure, train, tmp_path)
    monkeypatch.setattr(database, "_SECONDS_OF_LOSS", 1.0)

    def lose(number):
        if number == 6:
            admin.execute("ALTER DATABASE ofiml ALLOW_CONNECTIONS false")
            end_sessions(connection)

    watch_trials(monkeypatch, lose)
    with psycopg.connect(f"{fresh.removesuffix('ofiml')}postgres", autocommit=True) as admin:
        try:
            with pytest.raises(DataError, match=r"/ofiml was lost, because it accepts no connections now: ") as raised:
                tuned(configure, train, fresh)
        finally:
            admin.execute("ALTER DATABASE ofiml ALLOW_CONNECTIONS true")
    assert str(raised.value).startswith("tuning.storage=postgresql://127.0.0.1")
    assert PASSWORD not in str(raised.value)
    assert count_trials(connection) == 5
    assert tuned(configure, train, fresh) == journal


def test_what_cannot_be_used_is_one_sentence_without_credentials(configure, fresh, connection):
    def refuse(address, words):
        with pytest.raises(ConfigError, match=words) as raised:
            check_storage(replace(configure().tuning, storage=address), configure().model)
        assert str(raised.value).startswith("tuning.storage=postgresql://")
        assert "\n" not in str(raised.value)
        assert PASSWORD not in str(raised.value)
        assert "wrong-word" not in str(raised.value)

    refuse(fresh.replace(PASSWORD, "wrong-word"), "it refuses the credentials: set them in OFIML_TUNING_STORAGE")
    refuse(f"{fresh.removesuffix('ofiml')}absent", "the server has no database of that name: create it")
    refuse(
        f"postgresql://ofiml:{PASSWORD}@{HOST}:{find_port()}/ofiml", "nothing answers at its address: start the server"
    )
    refuse(f"postgresql://ofiml:{PASSWORD}@no.invalid/ofiml", "its host is unknown: check the address")
    connection.execute("DROP ROLE IF EXISTS guest")
    connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    guest = fresh.replace("ofiml:", "guest:")
    refuse(guest, rf"may not create the schema {SCHEMA}: let its owner run CREATE SCHEMA {SCHEMA} AUTHORIZATION")
    connection.execute(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION guest")
    check_storage(replace(configure().tuning, storage=guest), configure().model)
    connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    connection.execute("DROP ROLE guest")


def test_the_command_of_the_sentence_upgrades_the_tables_of_an_earlier_optuna(configure, train, fresh, connection):
    first = tuned(configure, train, fresh)
    head = connection.execute(f"SELECT version_num FROM {SCHEMA}.alembic_version").fetchone()
    connection.execute(f"UPDATE {SCHEMA}.alembic_version SET version_num = 'v3.0.0.d'")
    with pytest.raises(ConfigError, match="earlier Optuna") as raised:
        tuned(configure, train, fresh)
    line = str(raised.value).partition("then run ")[2].partition(";")[0]
    assert PASSWORD not in line
    program, *arguments = line.replace("'", "").split()
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        env={**os.environ, "PGUSER": "ofiml", "PGPASSWORD": PASSWORD},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert connection.execute(f"SELECT version_num FROM {SCHEMA}.alembic_version").fetchone() == head
    assert tuned(configure, train, fresh) == first
