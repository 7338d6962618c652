"""The MLflow run that is the parent of a sweep's runs. Every function raises StoreError if the store fails."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ofiml.config import Tracking
from ofiml.tracking.faults import is_unknown
from ofiml.tracking.names import join_symbols
from ofiml.tracking.processes import describe_process
from ofiml.tracking.store import open_client, open_store

SWEEP = "sweep"  # the tag `kind` of a parent, which is no study and no trial
PARENT = "mlflow.parentRunId"  # MLflow's own tag: the UI nests a run under the one that it names


def open_parent(tracking: Tracking, name: str, tags: dict[str, str]) -> str:
    """Open the parent run of a sweep and return its id."""
    experiment = open_store(tracking)
    described = {"kind": SWEEP, "mlflow.source.name": "ofiml", "mlflow.source.type": "LOCAL", **tags}
    with open_client(tracking.uri) as client:
        run = client.create_run(experiment, run_name=name, tags=described | describe_process())
        return str(run.info.run_id)


def reopen_parent(tracking: Tracking, run_id: str) -> bool:
    """Set the parent run to running again, in this process. Return whether the store still has it."""
    from mlflow.exceptions import MlflowException

    with open_client(tracking.uri) as client:
        try:
            for name, text in describe_process().items():  # first: what runs is judged by its process
                client.set_tag(run_id, name, text)
            client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if is_unknown(error):
                return False
            raise
        return True


def close_parent(tracking: Tracking, run_id: str, status: str, metrics: dict[str, float], page: str) -> None:
    """End the parent run as FINISHED, FAILED or KILLED, with its metrics, the symbols of its children and its page."""
    with open_client(tracking.uri) as client:
        experiment = client.get_run(run_id).info.experiment_id
        symbols = [run.data.tags.get("symbol", "") for run in _list_children(client, experiment, run_id)]
        if any(symbols):
            client.set_tag(run_id, "symbol", join_symbols({one for text in symbols for one in text.split(", ") if one}))
        for name, value in metrics.items():
            client.log_metric(run_id, name, value)
        client.set_tag(run_id, "mlflow.note.content", page)
        client.set_terminated(run_id, status)


def log_files(tracking: Tracking, run_id: str, paths: Iterable[Path]) -> None:
    """Log files to a run, each under its name."""
    with open_client(tracking.uri) as client:
        for path in paths:
            client.log_artifact(run_id, str(path))


def end_open_children(tracking: Tracking, parent: str, status: str, reason: str) -> int:
    """End the children that still count as running, because their processes are gone, and return their number."""
    count = 0
    with open_client(tracking.uri) as client:
        experiment = client.get_run(parent).info.experiment_id
        for run in _list_children(client, experiment, parent):
            if run.info.status == "RUNNING":
                client.set_tag(run.info.run_id, "error", reason)
                client.set_terminated(run.info.run_id, status)
                count += 1
    return count


def is_finished(tracking: Tracking, run_id: str) -> bool:
    """Return whether the store has the run, and it ended well."""
    return find_status(tracking, run_id) == "FINISHED"


def find_status(tracking: Tracking, run_id: str) -> str | None:
    """Find the status of a run; None if the store does not have it, or it was deleted there."""
    from mlflow.exceptions import MlflowException

    with open_client(tracking.uri) as client:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if is_unknown(error):
                return None
            raise
    return str(run.info.status) if run.info.lifecycle_stage == "active" else None


def _list_children(client: Any, experiment: str, parent: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
