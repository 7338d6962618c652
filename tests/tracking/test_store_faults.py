"""A store that fails: before a study is computed, and in the middle of it."""

import contextlib
import http.server
import os
import sqlite3
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
from sqlalchemy.exc import SQLAlchemyError

from ofiml import database
from ofiml.cli.sync import main as sync
from ofiml.config import Tracking
from ofiml.errors import DataError, StoreError
from ofiml.tracking.entry import delete_abandoned, keep_unlogged
from ofiml.tracking.faults import describe_fault
from ofiml.tracking.parent import PARENT
from ofiml.tracking.processes import PROCESS
from ofiml.tracking.read import fetch_files, fetch_run, list_runs
from ofiml.tracking.record import record_study
from ofiml.tracking.store import connect, open_store
from ofiml.tracking.sync import OPENED_AS
from tests.conftest import command_line, in_process, light

#: Metrics that two runs of one study do not share.
TIMES = ("seconds", "seconds_logging")
TINY = ["debug=tiny", "model=ridge", "report.html=false", "report.figures=[]"]


@contextlib.contextmanager
def locked(path: Path):
    """Inside, another connection has the database to itself."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.2)


# --- before any computing --------------------------------------------------------------------------------------------


@pytest.fixture
def answer():
    """The address of a server that answers every request with this status."""
    servers = []

    def serve(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_):
                """Print nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def refuse(configure, tmp_path, monkeypatch):
    """What a run says that cannot log to a store; it must compute nothing."""
    monkeypatch.setattr("ofiml.study.run.run", lambda *_: pytest.fail("it was computed"))

    def refused(uri):
        config = replace(configure(*TINY), tracking=Tracking(True, uri, "mine"))
        with pytest.raises(StoreError) as raised:
            record_study(config, tmp_path / "out")
        said = str(raised.value)
        assert "s3cret" not in said
        assert said.startswith("tracking.uri=")
        assert said.endswith(", or use tracking=off.")
        assert "\n" not in said
        return said

    return refused


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("ofiml.study.run.run", lambda *_: pytest.fail("it was computed"))
    done = command_line(tmp_path, *TINY, uri="http://me:s3cret@127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr == (
        "ofiml: tracking.uri=http://127.0.0.1:9 cannot be used, because nothing answers at its address: start the "
        "server, or use tracking=off.\n"
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "it refuses the credentials"), (403, "it refuses the credentials"), (404, "no MLflow server answers")],
)
def test_a_server_that_refuses(refuse, monkeypatch, answer, status, words):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert words in refuse(f"http://me:s3cret@{answer(status)}")


def test_folders_that_take_no_store(refuse, tmp_path, monkeypatch):
    assert "does not exist: create it" in refuse(f"sqlite:///{tmp_path}/absent/mlflow.db")
    assert "is a folder: name a file in it" in refuse(f"sqlite:///{tmp_path}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # what root may do says nothing
    assert "is read-only: make it writable" in refuse(f"sqlite:///{tmp_path}/mlflow.db")


def test_files_that_are_no_store(refuse, tmp_path):
    (tmp_path / "notes.db").write_text("notes")
    assert "is not a SQLite file" in refuse(f"sqlite:///{tmp_path}/notes.db")
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    assert "it is damaged, or no database" in refuse(f"sqlite:///{tmp_path}/damaged.db")
    assert (tmp_path / "notes.db").read_text() == "notes"


def test_a_locked_store(refuse, tmp_path, new_store):
    uri = new_store(tmp_path)
    with locked(tmp_path / "mlflow.db"):
        assert "another process has locked it: end that process" in refuse(uri)


def test_databases_without_driver_or_server(refuse):
    said = refuse("postgresql+nodriver://me:s3cret@127.0.0.1:9/db")
    assert "postgresql+nodriver://127.0.0.1:9/db cannot be used" in said
    said = refuse("nosuch://127.0.0.1:9/db")
    assert "cannot be used" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No module named 'psycopg2'", "the driver psycopg2 is not installed: install psycopg2."),
        ('connection failed: FATAL:  password authentication failed for user "me"', "it refuses the credentials"),
        ("connection to server at 127.0.0.1, port 9 failed: Connection refused", "nothing answers at its address"),
        ('could not translate host name "h" to address: Name or service not known', "its host is unknown"),
        ("x s%40cret y s@cret z token=abc", "(x *** y *** z ***)"),
    ],
)
def test_what_drivers_say(text, words):
    said = str(describe_fault(OSError(text), "postgresql://me:s%40cret@h/db?token=abc"))
    assert words in said
    assert said.startswith("postgresql://h/db cannot be used")


# --- in the middle ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(run):
    return run(*TINY)


@pytest.fixture
def record(study, new_store, tmp_path, monkeypatch):
    """Records the study to a store in `tmp_path`; what `happens` comes after its computing: (record, uri)."""

    def recorded(happens=lambda path: None, folder="out", study=study, **tags):
        path = tmp_path / "mlflow.db"
        uri = f"sqlite:///{path}" if path.exists() else new_store(tmp_path)
        tracked = replace(study, config=replace(study.config, tracking=Tracking(True, uri, "mine")))

        def compute(config, stages, report_folds):
            report_folds(len(study.report.folds))
            happens(path)
            return tracked

        monkeypatch.setattr("ofiml.study.run.run", compute)
        return record_study(tracked.config, tmp_path / folder, {"kept": "yes"} | tags, ["model=ridge"]), uri

    return recorded


def list_all(uri, name="mine"):
    client = mlflow.MlflowClient(uri)
    return client.search_runs([client.get_experiment_by_name(name).experiment_id])


def describe(uri, run_id):
    """All that the store has of a run, but for times and ids: two runs of one study agree in it."""
    client = mlflow.MlflowClient(uri)
    run = client.get_run(run_id)

    def walk(place=None):
        for item in client.list_artifacts(run_id, place):
            size = None if item.path == "report.json" else item.file_size  # it has the times of stages
            yield from walk(item.path) if item.is_dir else [(item.path, size)]

    def history(name):
        return sorted((m.value, m.step) for m in client.get_metric_history(run_id, name))

    models = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'")
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "params": run.data.params,
        "tags": {
            k: v for k, v in run.data.tags.items() if k not in (OPENED_AS, PROCESS) and not k.startswith("mlflow.user")
        },
        "metrics": {name: history(name) for name in run.data.metrics if name not in TIMES},
        "data": [(d.dataset.name, d.dataset.digest, [t.value for t in d.tags]) for d in run.inputs.dataset_inputs],
        "files": sorted(walk()),
        "models": [
            (m.name, str(m.status), sorted((x.key, x.value) for x in m.metrics or [] if x.key not in TIMES))
            for m in models
        ],
        "outputs": len(run.outputs.model_outputs),
    }


def log_now(folder, *more):
    done = in_process(lambda: sync([str(folder), *more]))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_store_that_is_locked_at_the_end(record, tmp_path, monkeypatch):
    calm, uri = record(folder="calm")
    assert not calm.unlogged
    assert not (tmp_path / "calm" / "unlogged").exists()
    holds = contextlib.ExitStack()
    monkeypatch.setattr("sqlalchemy.orm.Session.execute", shorten_wait())
    done, _ = record(lambda path: holds.enter_context(locked(path)))
    assert done.run_id is None
    assert "is not logged, or not wholly" in done.unlogged
    assert "another process has locked it" in done.unlogged
    assert f"ofiml sync {tmp_path / 'out'}" in done.unlogged
    assert (tmp_path / "out" / "report.json").is_file()
    assert not (tmp_path / "out" / "run_id").exists()
    holds.close()
    (waiting,) = [r for r in list_all(uri) if r.info.status == "RUNNING"]
    assert f"is now logged as run {waiting.info.run_id}" in log_now(tmp_path / "out")
    assert describe(uri, waiting.info.run_id) == describe(uri, calm.run_id)
    before = describe(uri, waiting.info.run_id)
    assert "was already logged as run" in log_now(tmp_path / "out", "--uri", uri)
    assert describe(uri, waiting.info.run_id) == before
    assert len(list_all(uri)) == 2, "trials are counted once"
    assert (tmp_path / "out" / "run_id").read_text().strip() == waiting.info.run_id


def shorten_wait():
    """Sessions that wait for a lock as long as a test can."""
    import sqlalchemy.orm

    original = sqlalchemy.orm.Session.execute

    def execute(self, statement, *args, **kwargs):
        if "busy_timeout" in str(statement):
            statement = sqlalchemy.text("PRAGMA busy_timeout = 50;")
        return original(self, statement, *args, **kwargs)

    return execute


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 9))
def test_a_store_that_fails_in_the_middle_of_logging(record, tmp_path, monkeypatch, step):
    """Whatever part the store has, the rest comes later, and nothing is there twice."""
    calm, uri = record(folder="calm")
    client = type(connect(uri))
    names = ["update_run", "log_batch", "log_inputs", "create_logged_model", "log_outputs", "log_model_artifacts"]
    name = [*names, "log_artifact", "set_terminated"][step - 1]
    original = getattr(client, name)

    def fail(self, *args, **kwargs):
        if broken:
            original(self, *args, **kwargs)  # it may have arrived
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)

    broken = []
    monkeypatch.setattr(client, name, fail)
    done, _ = record(lambda path: broken.append(True))
    assert "its disk is full" in done.unlogged
    broken.clear()
    words = "was already" if name == "set_terminated" else "is now"
    assert words in log_now(tmp_path / "out")
    (run_id,) = {r.info.run_id for r in list_all(uri)} - {calm.run_id}
    assert describe(uri, run_id) == describe(uri, calm.run_id)


@pytest.mark.slow
def test_a_store_that_is_moved_and_comes_back(record, tmp_path):
    calm, uri = record(folder="calm")
    away = tmp_path / "away.db"
    done, _ = record(lambda path: path.rename(away))
    assert "is no longer there; move the store back" in done.unlogged
    assert not (tmp_path / "mlflow.db").exists(), "no empty store takes its place"
    failed = in_process(lambda: sync([str(tmp_path / "out")]))
    assert failed.returncode == 2
    assert "is not there: move the store back" in failed.stderr
    away.rename(tmp_path / "mlflow.db")
    log_now(tmp_path / "out")
    (run_id,) = {r.info.run_id for r in list_all(uri)} - {calm.run_id}
    assert describe(uri, run_id) == describe(uri, calm.run_id)


@pytest.mark.slow
def test_a_store_that_is_replaced_has_the_run_once(record, tmp_path, new_store):
    calm, _ = record(folder="calm")

    def replace_store(path):
        new_store(tmp_path, "other.db")
        (tmp_path / "other.db").replace(path)

    done, _ = record(replace_store)
    assert "cannot be used, because it" in done.unlogged
    # This process keeps the old file open; one that begins later, as `ofiml sync` does, knows the new one only.
    fresh = f"sqlite:///{tmp_path}/./mlflow.db"
    log_now(tmp_path / "out", "--uri", fresh)
    (run,) = list_all(fresh)
    assert run.data.tags[OPENED_AS] != run.info.run_id
    assert run.info.end_time >= run.info.start_time
    wanted = describe(f"sqlite:///{tmp_path}/mlflow.db", calm.run_id)
    assert describe(fresh, run.info.run_id) == wanted
    assert "was already logged" in log_now(tmp_path / "out", "--uri", fresh)


@pytest.fixture
def undefined(study):
    """The study, as if its predictions did not vary."""
    scores = study.report.metrics
    pooled = scores.pooled | {"ic": replace(scores.pooled["ic"], value=float("nan"))}
    return replace(study, report=replace(study.report, metrics=replace(scores, pooled=pooled)))


def test_a_member_without_a_result_has_failed_whenever_it_is_logged(record, undefined, tmp_path):
    parent = {PARENT: "0" * 32}
    _, uri = record(folder="at_once", study=undefined, **parent)
    away = tmp_path / "away.db"
    done, _ = record(lambda path: path.rename(away), study=undefined, **parent)
    assert done.unlogged
    away.rename(tmp_path / "mlflow.db")
    log_now(tmp_path / "out")
    assert "was already logged as run" in log_now(tmp_path / "out")
    for run in list_all(uri):
        assert run.info.status == "FAILED"
        assert run.data.tags["error"] == "its IC is not a number: the predictions do not vary."
    assert len(list_all(uri)) == 2
    alone, _ = record(folder="alone", study=undefined)
    assert mlflow.get_run(alone.run_id).info.status == "FINISHED", "a single study may have such a result"


def test_the_report_names_the_run_that_the_last_store_has(record, study, tmp_path, new_store, monkeypatch):
    monkeypatch.setattr("ofiml.reporting.files.choose_figures", lambda study: {})
    study = replace(study, config=replace(study.config, report=replace(study.config.report, html=True)))
    away, other = tmp_path / "away.db", new_store(tmp_path, "other.db")
    record(lambda path: path.rename(away), study=study)
    page = tmp_path / "out" / "report.html"
    before = page.read_text()
    log_now(tmp_path / "out", "--uri", other)
    (run,) = list_all(other)
    first = run.data.tags[OPENED_AS]
    assert before.count(first) >= 2
    assert page.read_text() == before.replace(first, run.info.run_id)
    client = mlflow.MlflowClient(other)
    logged = client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))
    assert Path(logged).read_text() == page.read_text()


def test_the_time_left_to_log_is_not_that_of_the_model(record, monkeypatch):
    now, left = [0.0], []

    def save_slowly(study, folder):
        now[0] += 10.0

    monkeypatch.setattr("ofiml.tracking.log.save_model", save_slowly)
    monkeypatch.setattr("ofiml.tracking.log._log_model", lambda *_: None)
    monkeypatch.setattr("ofiml.ui.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(
        "ofiml.ui.progress._Lines.update", lambda _, bar: left.append((bar.name, bar.estimate_seconds_left()))
    )
    record()
    assert ("model", 0.0) in left
    assert {seconds for name, seconds in left if name == "logging"} == {0.0}


def test_a_folder_is_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError) as error:
        list_runs(None, "runs")
    assert str(error.value) == (
        "runs cannot be used, because a folder is no store of this MLflow: write sqlite:///FILE.db, or a server's "
        "address."
    )


@pytest.mark.parametrize("read", [partial(fetch_files, names=["report.json"]), fetch_run])
def test_a_store_that_fails_while_it_is_read(tmp_path, new_store, monkeypatch, read):
    """Whatever library the fault comes from."""
    uri = new_store(tmp_path)
    client = type(connect(uri))
    for error in (sqlite3.OperationalError("database is locked"), SQLAlchemyError("database is locked")):
        monkeypatch.setattr(client, "list_artifacts", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(StoreError, match="another process has locked it"):
            read("0" * 32, uri, tmp_path)
    for error in (sqlite3.OperationalError("database is locked"), SQLAlchemyError("database is locked")):
        monkeypatch.setattr(client, "search_experiments", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(StoreError, match="another process has locked it"):
            list_runs(None, uri)


@pytest.mark.slow
def test_a_read_only_store(record, tmp_path):
    """Permissions do not bind root, so the database itself refuses."""

    def forbid(path):
        with sqlite3.connect(path) as store:
            message = "RAISE(ABORT, 'attempt to write a readonly database')"
            for table in ("tags", "runs"):
                store.execute(f"CREATE TRIGGER no_{table} BEFORE UPDATE ON {table} BEGIN SELECT {message}; END")

    done, _ = record(forbid)
    assert "it is read-only" in done.unlogged


def test_a_run_that_logs_is_left_alone(record, tmp_path, monkeypatch):
    from ofiml.tracking import log

    said = []
    original = log.log_entry

    def look(*args, **kwargs):
        said.append(in_process(lambda: sync([str(tmp_path / "out")])))
        return original(*args, **kwargs)

    monkeypatch.setattr(log, "log_entry", look)
    done, uri = record()
    assert not done.unlogged
    assert said[0].returncode == 2
    assert "Another process logs the run" in said[0].stderr
    assert len(list_all(uri)) == 1


def test_what_a_killed_run_kept_of_half_a_study_goes(record, tmp_path):
    """It was killed between its model and its report: `ofiml sync` and a run in the same folder delete it."""
    kept = tmp_path / "out" / "unlogged" / "model"
    kept.mkdir(parents=True)
    (kept / "MLmodel").touch()
    failed = in_process(lambda: sync([str(tmp_path / "out")]))
    assert failed.returncode == 2
    assert "has nothing to log: the run was killed before its study was complete. Run it again." in failed.stderr
    assert not kept.parent.exists()
    kept.mkdir(parents=True)
    (kept / "MLmodel").touch()
    done, _ = record()
    assert not done.unlogged
    assert not kept.parent.exists()


def test_a_run_that_works_keeps_what_it_has_for_the_store(tmp_path):
    with keep_unlogged(tmp_path):
        (tmp_path / "unlogged" / "model").mkdir()
        assert not delete_abandoned(tmp_path)
        assert (tmp_path / "unlogged" / "model").exists()
    assert not (tmp_path / "unlogged").exists(), "it ended without an entry"


def test_an_error_before_the_report_leaves_nothing_for_the_store(record, tmp_path, monkeypatch):
    def fail(*_):
        assert (tmp_path / "out" / "unlogged").is_dir()
        raise DataError("no figure")

    monkeypatch.setattr("ofiml.tracking.record.write_study", fail)
    with pytest.raises(DataError, match="no figure"):
        record()
    assert not (tmp_path / "out" / "unlogged").exists()


def test_a_run_has_its_tags_from_its_first_moment(record, tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ofiml.tracking.store.log_opening", die)
    with pytest.raises(KeyboardInterrupt):
        record()
    (run,) = list_all(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (run.data.tags["kind"], run.data.tags["kept"]) == ("forecast", "yes")


def test_a_deleted_run_is_not_logged_again(record, tmp_path):
    holds = []
    _, uri = record(lambda path: holds.append(path.rename(tmp_path / "away.db")))
    holds[0].rename(tmp_path / "mlflow.db")
    (run,) = list_all(uri)
    mlflow.MlflowClient(uri).delete_run(run.info.run_id)
    failed = in_process(lambda: sync([str(tmp_path / "out")]))
    assert failed.returncode == 2
    assert "was deleted in the store" in failed.stderr


def test_folders_without_a_run_to_log(tmp_path, new_store):
    failed = in_process(lambda: sync([str(tmp_path)]))
    assert failed.returncode == 2
    assert "is not the output folder of a finished study" in failed.stderr
    (tmp_path / "report.json").write_text("{}")
    assert "tracking=off" in in_process(lambda: sync([str(tmp_path)])).stderr
    (tmp_path / "run_id").write_text("../../x")
    assert "no valid id" in in_process(lambda: sync([str(tmp_path)])).stderr
    (tmp_path / "run_id").write_text("0" * 32)
    failed = in_process(lambda: sync([str(tmp_path), "--uri", new_store(tmp_path)]))
    assert failed.returncode == 2
    assert "has no such finished run" in failed.stderr


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"verdict.md"', '"../secret"', "is not a file of this run folder"),
        ('"verdict.md"', '"/etc/passwd"', "is not a file of this run folder"),
        ('"verdict.md"', '"link"', "is not a file of this run folder"),
        ('"verdict.md"', '"gone"', "does not exist any more"),
        ('"run_id": "', '"run_id": "\' or 1', "no valid id of a run"),
        ('"format": 1', '"format": 2', "has format 2"),
        ('"format": 1', '"format": 1, "_target_": "os.system"', "_target_ is not written by a study"),
        ("{", "", "is not JSON"),
        ('"uri": "sqlite:', '"uri": "http:', "if you trust it, name it with --uri"),
    ],
)
def test_a_forged_entry_is_refused(record, tmp_path, before, after, words):
    away = tmp_path / "away.db"
    record(lambda path: path.rename(away))
    away.rename(tmp_path / "mlflow.db")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "out" / "link").symlink_to(tmp_path / "secret")
    path = tmp_path / "out" / "unlogged" / "entry.json"
    path.write_text(path.read_text().replace(before, after, 1))
    failed = in_process(lambda: sync([str(tmp_path / "out")]))
    assert failed.returncode == 2
    assert words in failed.stderr


def test_the_command_says_it_and_ends_with_a_code_of_its_own(tmp_path, new_store, monkeypatch):
    uri = new_store(tmp_path)
    monkeypatch.setattr("ofiml.tracking.log.log_entry", fail_store)
    done = command_line(tmp_path, "debug=tiny", "model=zero", "evaluation.controls=false", uri=uri)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "then log it with ofiml sync outputs/" in done.stderr
    assert "not a result" in done.stdout, "the verdict is printed"
    with light(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        (folder,) = tmp_path.glob("outputs/*/*/")
        monkeypatch.undo()
        assert "is now logged" in log_now(folder)
    (run,) = list_all(uri, "ofiml-debug")
    assert run.info.status == "FINISHED"


def fail_store(*_, **__):
    raise StoreError("it is gone", "bring it back")


def test_opening_again_leaves_a_good_store_alone(tmp_path, new_store):
    tracking = Tracking(True, new_store(tmp_path), "mine")
    assert open_store(tracking) == open_store(tracking)
