"""Read runs from the MLflow store: all runs of an experiment, or the files of one run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ofiml.config.renamed import rename_params
from ofiml.database import find_file, hide_credentials
from ofiml.errors import ConfigError, StoreError
from ofiml.storage import strip_credentials
from ofiml.tracking.bundle import MODEL, is_packed, unpack_run
from ofiml.tracking.faults import is_unknown, translate_faults
from ofiml.tracking.metric_names import rename_metrics
from ofiml.tracking.processes import mark_dead_runs
from ofiml.tracking.store import connect, is_run_id

DEFAULT_EXPERIMENT = "0"  # MLflow's own, which has no runs of a study
RUN_ID_FILE = "run_id"  # in the output folder of a logged study

_MAX_BYTES = 1 << 30  # of one file


Part = Literal["report", "predictions", "models", "all"]
"""What is needed of a run: its config and report, also its predictions, also its models, or all that repeats it."""


def fetch_run(run_id: str, uri: str, folder: Path, part: Part = "report") -> tuple[Path, Path]:
    """Fetch the `part` of a logged run into `folder`, and return the paths of its config and report.

    Raises ConfigError for text that is not a run id, for a run that does not exist or is not a finished study, and for
    a store that does not exist.
    """
    from mlflow.exceptions import MlflowException

    if not is_run_id(run_id):
        raise ConfigError(f"{run_id!r} is not the id of an MLflow run, which has 32 hexadecimal digits.")
    _require_store(uri)
    with translate_faults(uri):
        client = connect(uri)
        try:
            return _download_parts(client, run_id, folder, part)
        except MlflowException as error:
            if not is_unknown(error):
                raise
            reason = hide_credentials(error.message, uri)
            raise ConfigError(f"Run {run_id} cannot be read from {strip_credentials(uri)}: {reason}") from error


def _download_parts(client: Any, run_id: str, folder: Path, part: Part) -> tuple[Path, Path]:
    """Download the files of `part`; see `fetch_run`."""
    names = {item.path for item in client.list_artifacts(run_id)}
    if not {"config.yaml", "report.json"} <= names:
        raise ConfigError(f"Run {run_id} has no config.yaml and report.json: it is not a finished ofiml study.")
    wanted = ["config.yaml", "report.json"]
    if part != "report":
        wanted.append("predictions.parquet")
    if part == "all":
        wanted += sorted(name for name in names if is_packed(name) and name not in wanted)
    if part in ("models", "all"):
        listed = [item.path for item in client.list_artifacts(run_id, "models")]
        wanted += [path for path in listed if MODEL.fullmatch(path)]
        (folder / "models").mkdir()
    paths = [Path(client.download_artifacts(run_id, name, str((folder / name).parent))) for name in wanted]
    return paths[0], paths[1]


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The fetched files of a run, in a folder of their own."""

    run_id: str
    folder: Path

    @property
    def config(self) -> Path:
        """The path of the config."""
        return self.folder / "config.yaml"

    @property
    def report(self) -> Path:
        """The path of the report."""
        return self.folder / "report.json"

    @property
    def predictions(self) -> Path:
        """The path of the predictions."""
        return self.folder / "predictions.parquet"


@contextmanager
def open_run_files(run: str | Path, uri: str, part: Part) -> Iterator[RunFiles]:
    """Fetch the `part` of a run while the context lasts: of the store by its id, or out of the zip file at a path.

    Raises ConfigError where `fetch_run` or `unpack_run` does.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if isinstance(run, Path):
            yield RunFiles(unpack_run(run, folder), folder)
        else:
            fetch_run(run, uri, folder, part)
            yield RunFiles(run, folder)


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as MLflow lists it. Its texts and numbers may come from a stranger.

    `folder` has the files of a run that is in no store.
    """

    run_id: str
    name: str
    status: str
    deleted: bool
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    started: int = 0  # ms since 1970, UTC
    experiment: str = ""
    folder: Path | None = None

    @property
    def is_finished_study(self) -> bool:
        """Whether the run has all files and tags of a study."""
        return self.status == "FINISHED" and not self.deleted and "dataset.digest" in self.tags


def list_runs(experiment: str | None, uri: str) -> list[ListedRun]:
    """List all runs of the experiment by start: finished, failed, running, killed and deleted ones.

    Runs that lost their process are marked as killed before. None lists the runs of every experiment. Raises
    ConfigError if the store or the experiment does not exist, or cannot be read.
    """
    _require_store(uri)
    with translate_faults(uri):
        client = connect(uri)
        names = {known.experiment_id: str(known.name) for known in client.search_experiments()}
        runs = _search_runs(client, experiment, uri, list(names))
    return [
        ListedRun(
            str(run.info.run_id),
            str(run.info.run_name),
            str(run.info.status),
            run.info.lifecycle_stage == "deleted",
            rename_params(run.data.params),
            dict(run.data.tags),
            rename_metrics(run.data.metrics),
            int(run.info.start_time or 0),
            names.get(run.info.experiment_id, ""),
        )
        for run in runs
    ]


def list_experiments(uri: str) -> list[str]:
    """List the names of the experiments of the store, without MLflow's empty `Default`, from the newest on.

    Raises ConfigError if the store does not exist, or cannot be read.
    """
    _require_store(uri)
    with translate_faults(uri):
        known = connect(uri).search_experiments(order_by=["creation_time DESC"])
    return [str(one.name) for one in known if one.experiment_id != DEFAULT_EXPERIMENT]


def _require_store(uri: str) -> None:
    """Raise StoreError for a file that does not exist: SQLite would make an empty one."""
    path = find_file(uri)
    if path is not None and not path.is_file():
        raise StoreError(f"There is no store at {uri}", "name the store of the runs with --uri")


def _search_runs(client: Any, experiment: str | None, uri: str, experiment_ids: list[str]) -> list[Any]:
    """Search the runs of the experiment, or of `experiment_ids` without one."""
    from mlflow.entities import ViewType

    if experiment is not None:
        known = client.get_experiment_by_name(experiment)
        if known is None:
            raise ConfigError(f"There is no experiment {experiment!r} in {strip_credentials(uri)}.")
        experiment_ids = [known.experiment_id]
    mark_dead_runs(client, experiment_ids)
    runs, token = [], None
    while True:
        page = client.search_runs(experiment_ids, "", ViewType.ALL, 1000, ["attributes.start_time"], token)
        runs += page
        token = page.token
        if not token:
            return runs


def fetch_files(run_id: str, uri: str, folder: Path, names: list[str]) -> dict[str, Path]:
    """Fetch the files `names` of a run into `folder` and return their paths by name, without those that do not exist.

    Raises ConfigError for a file of more than 1 GiB, and if the store does not return a file.
    """
    with translate_faults(uri):
        client = connect(uri)
        sizes = {item.path: item.file_size for item in client.list_artifacts(run_id) if not item.is_dir}
        for name in names:
            if (sizes.get(name) or 0) > _MAX_BYTES:
                raise ConfigError(f"The {name} of run {run_id} is larger than {_MAX_BYTES >> 30} GiB.")
        return {n: Path(client.download_artifacts(run_id, n, str(folder))) for n in names if n in sizes}
