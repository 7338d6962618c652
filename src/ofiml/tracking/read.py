"""Read runs from the MLflow store: all runs of an experiment, or the files of one run."""

import re
from dataclasses import dataclass
from pathlib import Path

from ofiml.config import strip_credentials
from ofiml.config.renamed import rename_params
from ofiml.errors import ConfigError
from ofiml.tracking.store import connect

_MAX_BYTES = 1 << 30  # of one file
_MODEL = re.compile(r"models/fold_[0-9]{2}(_[0-9]{2})?(_features|_calibration|_flat)?\.(json|txt)")
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def fetch_run(run_id: str, uri: str, folder: Path, *, models: bool = False) -> tuple[Path, Path]:
    """Fetch config.yaml and report.json of a logged run into `folder`, and return their paths.

    With `models`, predictions.parquet and the files of the models are fetched too. Raises ConfigError for text that is
    not a run id, and for a run that does not exist or is not a finished study.
    """
    from mlflow.exceptions import MlflowException

    if _RUN_ID.fullmatch(run_id) is None:
        raise ConfigError(
            f"{run_id!r} is not an MLflow run id: give the 32 hexadecimal digits that the run printed at its end."
        )
    client = connect(uri)
    try:
        names = {item.path for item in client.list_artifacts(run_id)}
        if not {"config.yaml", "report.json"} <= names:
            raise ConfigError(f"Run {run_id} has no config.yaml and report.json: it is not a finished ofiml study.")
        wanted = ["config.yaml", "report.json"]
        if models:
            listed = [item.path for item in client.list_artifacts(run_id, "models")]
            wanted += ["predictions.parquet", *(path for path in listed if _MODEL.fullmatch(path))]
        paths = [Path(client.download_artifacts(run_id, name, str(folder))) for name in wanted]
    except MlflowException as error:
        raise ConfigError(f"Run {run_id} cannot be read from {strip_credentials(uri)}: {error.message}") from error
    return paths[0], paths[1]


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as MLflow lists it. Its texts and numbers may come from a stranger."""

    run_id: str
    name: str
    status: str
    deleted: bool
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]


def list_runs(experiment: str, uri: str) -> list[ListedRun]:
    """List all runs of the experiment by start: finished, failed, running, killed and deleted ones.

    Raises ConfigError if the store or the experiment does not exist, or cannot be read.
    """
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise ConfigError(f"There is no store at {uri}: name the store of the runs with --uri.")
    client = connect(uri)
    try:
        known = client.get_experiment_by_name(experiment)
        if known is None:
            raise ConfigError(f"There is no experiment {experiment!r} in {strip_credentials(uri)}.")
        runs, token = [], None
        while True:
            page = client.search_runs([known.experiment_id], "", ViewType.ALL, 1000, ["attributes.start_time"], token)
            runs += page
            token = page.token
            if not token:
                break
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ConfigError(f"{strip_credentials(uri)} cannot be read: {str(error).splitlines()[0]}") from error
    return [
        ListedRun(
            str(run.info.run_id),
            str(run.info.run_name),
            str(run.info.status),
            run.info.lifecycle_stage == "deleted",
            rename_params(run.data.params),
            dict(run.data.tags),
            dict(run.data.metrics),
        )
        for run in runs
    ]


def fetch_files(run_id: str, uri: str, folder: Path, names: list[str]) -> dict[str, Path]:
    """Fetch the files `names` of a run into `folder` and return their paths by name, without those that do not exist.

    Raises ConfigError for a file of more than 1 GiB, and if the store does not return a file.
    """
    from mlflow.exceptions import MlflowException

    client = connect(uri)
    try:
        sizes = {item.path: item.file_size for item in client.list_artifacts(run_id) if not item.is_dir}
        for name in names:
            if (sizes.get(name) or 0) > _MAX_BYTES:
                raise ConfigError(f"The {name} of run {run_id} is larger than {_MAX_BYTES >> 30} GiB.")
        return {n: Path(client.download_artifacts(run_id, n, str(folder))) for n in names if n in sizes}
    except (MlflowException, OSError) as error:
        raise ConfigError(f"The files of run {run_id} cannot be read: {str(error).splitlines()[0]}") from error
