"""The runs in a store on PostgreSQL, behind an MLflow server that keeps their files, and the tuning in the same one."""

import pytest

from tests.parallel.runs import QUICK, TINY, complete, read_report, start
from tests.services.conftest import HOST, find_port, service, wait_for_port


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
    line = [text for text in QUICK if text != "tracking=off"]
    code, out, err = complete(start(tmp_path, *line, f"tracking.uri={uri}"))
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
    for path in [*artifacts.rglob("*"), *(tmp_path / "outputs").rglob("*")]:
        assert path.is_dir() or b"hunter-two" not in path.read_bytes(), path
