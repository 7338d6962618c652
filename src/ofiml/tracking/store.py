"""The MLflow store, and the run of a study, which is open from the start of the study."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock

from ofiml.config import Config, Tracking, resolve_config
from ofiml.errors import ConfigError, DataError
from ofiml.storage import strip_credentials
from ofiml.tracking.migration import ensure_schema, make_store
from ofiml.tracking.names import describe_run, join_overrides, name_run
from ofiml.tracking.params import OVERRIDES, flatten_params, shorten_params
from ofiml.tracking.views import prepare_views

_MAX_ERROR_LENGTH = 1000


def connect(uri: str) -> Any:
    """Return a client of the store, and make the store the default of MLflow's functions."""
    import mlflow

    ensure_schema(uri)
    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(tracking_uri=uri)


def open_store(tracking: Tracking) -> str:
    """Open the experiment with its views, creating it if necessary, and return its id. So a wrong uri fails early.

    A fresh SQLite store is set up under a lock, because processes that do so at the same time crash. Raises ConfigError
    if the store does not answer, or is not an MLflow store.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    lock, path = Path(tempfile.gettempdir()) / "ofiml-mlflow.lock", None
    if tracking.uri.startswith("sqlite:///"):
        path = Path(tracking.uri.removeprefix("sqlite:///"))
        lock = path.with_name(path.name + ".lock")
        if not path.parent.is_dir():
            raise ConfigError(f"tracking.uri: the folder of {path} does not exist; create it, or choose another uri.")
        if path.exists() and not _is_sqlite(path):
            raise ConfigError(f"tracking.uri: {path} is not a SQLite file; choose another uri.")
        ensure_schema(tracking.uri)  # before the lock, which this call takes itself
    try:
        with filelock.FileLock(lock):
            if path is not None and not path.exists():
                make_store(path)
            client = connect(tracking.uri)
            known = client.get_experiment_by_name(tracking.experiment_name)
            if known is None:
                known = client.get_experiment(client.create_experiment(tracking.experiment_name))
            prepare_views(client, known)
            return str(known.experiment_id)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        uri = strip_credentials(tracking.uri)
        raise ConfigError(f"tracking.uri={uri} does not answer ({reason}): fix it, or use tracking=off.") from error


def _is_sqlite(path: Path) -> bool:
    """Return whether the file has the header of SQLite, or is empty, as a fresh store is."""
    with path.open("rb") as file:
        return file.read(15) in (b"", b"SQLite format 3")


@contextmanager
def open_run(config: Config, experiment_id: str, tags: dict[str, str], overrides: Sequence[str]) -> Iterator[str]:
    """Open a run with its name, params and tags, and yield its id. `overrides` are those of the command line.

    If an error leaves the block, the run ends as FAILED, or as KILLED if interrupted, with the sentence as its tag
    `error`. Otherwise `log_study` ends it as FINISHED.
    """
    from mlflow.entities import Param, RunTag
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    client = connect(config.tracking.uri)
    run_id = str(client.create_run(experiment_id, run_name=name_run(config, overrides)).info.run_id)
    try:
        named = {OVERRIDES: join_overrides(overrides)} | flatten_params(resolve_config(config))
        params, long = shorten_params(named)
        described = describe_run(config, overrides) | tags
        client.log_batch(
            run_id,
            params=[Param(name, text) for name, text in params.items()],
            tags=[RunTag(name, text) for name, text in described.items()],
        )
        if long:
            client.log_dict(run_id, long, "long_params.json")
        yield run_id
    except BaseException as error:
        sentence = str(error) if isinstance(error, ConfigError | DataError) else type(error).__name__
        with suppress(MlflowException, SQLAlchemyError, OSError):  # report the first error
            client.set_tag(run_id, "error", sentence[:_MAX_ERROR_LENGTH])
            client.set_terminated(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
