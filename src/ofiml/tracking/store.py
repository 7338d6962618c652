"""The MLflow store, and the run of a study, which is open from the start of the study."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock

from ofiml.config import ActivityBars, Config, Horizon, Target, TimeBars, Tracking, resolve_config, strip_credentials
from ofiml.config.renamed import INSTRUMENTS
from ofiml.errors import ConfigError, DataError
from ofiml.reporting.verdict import name_inputs
from ofiml.tracking.migration import ensure_schema, make_store

_MAX_PARAM_LENGTH = 6000
_MAX_ERROR_LENGTH = 1000


def connect(uri: str) -> Any:
    """Return a client of the store, and make the store the default of MLflow's functions."""
    import mlflow

    ensure_schema(uri)
    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(tracking_uri=uri)


def open_store(tracking: Tracking) -> str:
    """Open the experiment, creating it if necessary, and return its id. A wrong uri thus fails before any work.

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
            known = client.get_experiment_by_name(tracking.experiment)
            return str(known.experiment_id if known else client.create_experiment(tracking.experiment))
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        uri = strip_credentials(tracking.uri)
        raise ConfigError(f"tracking.uri={uri} does not answer ({reason}): fix it, or use tracking=off.") from error


def _is_sqlite(path: Path) -> bool:
    """Return whether the file has the header of SQLite, or is empty, as a fresh store is."""
    with path.open("rb") as file:
        return file.read(15) in (b"", b"SQLite format 3")


@contextmanager
def open_run(config: Config, experiment_id: str, tags: dict[str, str]) -> Iterator[str]:
    """Open a run with its params and yield its id.

    If an error leaves the block, the run ends as FAILED, or as KILLED if interrupted, with the sentence as its tag
    `error`. Otherwise `log_study` ends it as FINISHED.
    """
    from mlflow.entities import Param, RunTag
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    client = connect(config.tracking.uri)
    run_id = str(client.create_run(experiment_id, run_name=name_run(config)).info.run_id)
    try:
        params = [Param(k, v[:_MAX_PARAM_LENGTH]) for k, v in _flatten_params(resolve_config(config)).items()]
        client.log_batch(run_id, params=params, tags=[RunTag(k, v) for k, v in (_describe(config) | tags).items()])
        yield run_id
    except BaseException as error:
        sentence = str(error) if isinstance(error, ConfigError | DataError) else type(error).__name__
        with suppress(MlflowException, SQLAlchemyError, OSError):  # report the first error
            client.set_tag(run_id, "error", sentence[:_MAX_ERROR_LENGTH])
            client.set_terminated(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def name_run(config: Config) -> str:
    """Name a run by its model, inputs, span and data."""
    kind = "" if config.target.kind == "forecast" else f"-{config.target.kind}"
    inputs = name_inputs(config.ofi, config.features).replace(" ", "")
    span = _name_span(config.target, config.horizon, config.bars)
    return f"{config.model.name}-{inputs}{kind}-{span}-{config.dataset.label}"


def _describe(config: Config) -> dict[str, str]:
    """Return the tags of a run that are known before its study begins."""
    return {
        "kind": config.target.kind,
        "dataset": config.dataset.label,
        "ofi": config.ofi.name,
        "features": config.features.name,
        "model": config.model.name,
        "horizon": _name_span(config.target, config.horizon, config.bars),
        "mlflow.source.name": "ofiml",
        "mlflow.source.type": "LOCAL",
    }


def _name_span(target: Target, horizon: Horizon, bars: TimeBars | ActivityBars) -> str:
    """Name the span of a label: the horizon of a forecast, the bar of an impact."""
    return horizon.label if target.kind == "forecast" else bars.label


def _flatten_params(value: object, path: str = "") -> dict[str, str]:
    """Map the path of each leaf of nested mappings to its value as text.

    Instruments are one JSON text: MLflow refuses keys with the wildcards of their patterns.
    """
    if path == INSTRUMENTS:
        return {path: json.dumps(value, sort_keys=True)}
    if isinstance(value, dict) and value:
        leaves: dict[str, str] = {}
        for key, part in value.items():
            leaves |= _flatten_params(part, f"{path}.{key}" if path else str(key))
        return leaves
    return {path: str(value)}
