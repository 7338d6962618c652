"""The runs in a store on PostgreSQL, behind an MLflow server that keeps their files, or opened by runs."""

import pytest

from tests.parallel.runs import QUICK, TINY, complete, read_report, start, without_place
from tests.services.conftest import HOST, PASSWORD, find_port, service, wait_for_port
from tests.test_credentials import find_secrets

STUDY = [text for text in QUICK if text != "tracking=off"]


@pytest.fixture(scope="module")
def server(postgresql, tmp_path_factory):
    """The address of an MLflow server whose store is the database."""
    folder, port = tmp_path_factory.mktemp("mlflow"), find_port()
    line = ("-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1")
    environment = {
        "MLFLOW_BACKEND_STORE_URI": postgresql,
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with service(folder, "mlflow", *line, "--serve-artifacts", **environment) as (process, log):
        wait_for_port(port, process, log)
        yield f"http://{HOST}:{port}", folder / "artifacts"


def test_a_run_is_logged_with_its_files_and_read_back(server, postgresql, tmp_path):
    uri, artifacts = server
    code, out, err = complete(start(tmp_path, *STUDY, f"tracking.uri={uri}"))
    assert code == 0, out + err
    assert read_report(tmp_path)["predictions"]["sha256"].startswith(TINY)
    assert list(artifacts.rglob("report.json"))
    import mlflow

    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run.info.status == "FINISHED"
    from ofiml.tracking.read import open_run_files

    with open_run_files(run.info.run_id, uri, "predictions") as files:
        assert files.report.read_bytes() == next(tmp_path.glob("outputs/**/report.json")).read_bytes()
    assert find_secrets(artifacts, {"password": PASSWORD}) == []
    assert find_secrets(tmp_path, {"password": PASSWORD}) == []


def test_a_tuned_run_opens_the_database_itself(postgresql, expected, tmp_path):
    """With the bits of a run without a store. Neither files nor rows have the password of its address.

    Journals stay in a folder unless the environment says otherwise (test_tuning.py).
    """
    import sqlalchemy

    code, out, err = complete(start(tmp_path, *STUDY, "tracking.experiment=direct", MLFLOW_TRACKING_URI=postgresql))
    assert code == 0, out + err
    (tmp_path / "said").write_text(out + err)
    assert without_place(read_report(tmp_path)) == expected
    assert list((tmp_path / ".ofiml" / "tuning").glob("*/journal"))
    engine = sqlalchemy.create_engine(postgresql)
    with engine.connect() as connection:
        tables = sqlalchemy.inspect(connection).get_table_names()
        rows = [str(connection.execute(sqlalchemy.text(f'SELECT * FROM "{name}"')).all()) for name in tables]
    engine.dispose()
    assert "direct" in "".join(rows)
    (tmp_path / "rows").write_text("\n".join(rows))
    assert find_secrets(tmp_path, {"password": PASSWORD}) == []
    code, out, err = complete(start(tmp_path, *STUDY, "tracking=off", f"tuning.storage={postgresql}"))
    assert code == 2, out + err
    assert "tuning.storage contains a credential: set OFIML_TUNING_STORAGE instead" in err
    assert PASSWORD not in out + err
