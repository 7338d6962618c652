"""The MLflow store, and the run of a study, which is open from the start of the study."""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from ofiml.config import Config, Tracking, resolve_config
from ofiml.database import find_file
from ofiml.errors import ConfigError, DataError, StoreError
from ofiml.storage import strip_credentials
from ofiml.tracking.faults import require_file, translate_faults
from ofiml.tracking.migration import ensure_schema, make_store
from ofiml.tracking.names import describe_run, join_overrides, name_run
from ofiml.tracking.params import OVERRIDES, flatten_params, shorten_params
from ofiml.tracking.probe import is_database, probe_store
from ofiml.tracking.processes import describe_process, mark_dead_runs
from ofiml.tracking.views import prepare_views

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MAX_ERROR_LENGTH = 1000
_LOCK_SECONDS = 300.0  # for other processes that open the store: a busy machine takes a minute to set one up


def is_run_id(text: str) -> bool:
    """Return whether a text, perhaps a stranger's, is the id of a run: 32 hexadecimal digits."""
    return _RUN_ID.fullmatch(text) is not None


def load_mlflow(uri: str) -> None:
    """Load MLflow with what it needs for the store, which takes longer than a small study."""
    import mlflow

    if is_database(uri):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def connect(uri: str) -> Any:
    """Return a client of the store, and make the store the default of MLflow's functions."""
    import mlflow

    ensure_schema(uri)
    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(tracking_uri=uri)


@contextmanager
def open_client(uri: str) -> Iterator[Any]:
    """Give a client of a store that exists. Inside, whatever the store raises becomes a StoreError."""
    require_file(uri)
    with translate_faults(uri):
        yield connect(uri)


def make_own_store(folder: Path, experiment: str) -> Tracking:
    """Make a store in a folder, with an experiment whose files lie in the folder, too.

    The files of other SQLite stores lie in the working folder.
    """
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    connect(uri).create_experiment(experiment, artifact_location=(folder / "artifacts").absolute().as_uri())
    return Tracking(enabled=True, uri=uri, experiment=experiment)


def open_store(tracking: Tracking) -> str:
    """Open the experiment with its views, creating it if necessary, and return its id. So a wrong uri fails early.

    Runs of the experiment that lost their process are marked as killed.

    A fresh SQLite store is set up under a lock, because processes that do so at the same time crash. Raises StoreError
    if the store does not answer, cannot be written, or is not an MLflow store.
    """
    uri = tracking.uri
    try:
        probe_store(uri)
        return _open_experiment(tracking)
    except StoreError as error:
        place = strip_credentials(uri)
        cause = error.cause.removeprefix(f"{place} ")
        raise StoreError(f"tracking.uri={place} {cause}", f"{error.remedy}, or use tracking=off") from error


def _open_experiment(tracking: Tracking) -> str:
    path = find_file(tracking.uri)
    user = os.getuid() if hasattr(os, "getuid") else ""  # another user's file could not be locked
    lock = Path(tempfile.gettempdir()) / f"ofiml-mlflow-{user}.lock"
    if path is not None:
        lock = path.with_name(path.name + ".lock")
        ensure_schema(tracking.uri)  # before the lock, which this call takes itself
    with translate_faults(tracking.uri), filelock.FileLock(lock, timeout=_LOCK_SECONDS):
        if path is not None and not path.exists():
            make_store(path)
        client = connect(tracking.uri)
        known = client.get_experiment_by_name(tracking.experiment_name)
        if known is None:
            known = client.get_experiment(client.create_experiment(tracking.experiment_name))
        prepare_views(client, known)
        mark_dead_runs(client, [known.experiment_id])
        return str(known.experiment_id)


@dataclass(frozen=True, slots=True)
class OpenRun:
    """An open run of the store: its id, and its start in ms since 1970, UTC."""

    run_id: str
    started: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What a run has from its start: its name, params (those that MLflow cuts whole in `long_params`) and tags."""

    name: str
    params: dict[str, str]
    long_params: dict[str, str]
    tags: dict[str, str]


def describe_opening(config: Config, tags: dict[str, str], overrides: Sequence[str]) -> Opening:
    """Describe a run at its start. `overrides` are those of the command line."""
    named = {OVERRIDES: join_overrides(overrides)} | flatten_params(resolve_config(config))
    params, long = shorten_params(named)
    return Opening(name_run(config), params, long, describe_run(config, overrides) | tags)


@contextmanager
def open_run(uri: str, experiment_id: str, opening: Opening) -> Iterator[OpenRun]:
    """Open a run with its name, params and tags, and yield it.

    If an error leaves the block, the run ends as FAILED, or as KILLED if interrupted, with the sentence as its tag
    `error`. Otherwise `log_entry` ends it as FINISHED. Raises StoreError if the store cannot be written.
    """
    with translate_faults(uri):
        client = connect(uri)
        # With its tags at once: a run that is killed next is known for what it is, such as the member of a sweep.
        info = client.create_run(experiment_id, run_name=opening.name, tags=opening.tags | describe_process()).info
    run = OpenRun(str(info.run_id), int(info.start_time))
    try:
        with translate_faults(uri):
            log_opening(client, run.run_id, opening)
        yield run
    except BaseException as error:
        sentence = str(error) if isinstance(error, ConfigError | DataError) else type(error).__name__
        with suppress(StoreError), translate_faults(uri):  # report the first error
            client.set_tag(run.run_id, "error", sentence[:_MAX_ERROR_LENGTH])
            client.set_terminated(run.run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def log_opening(client: Any, run_id: str, opening: Opening) -> None:
    """Log the params and tags that a run has from its start."""
    from mlflow.entities import Param, RunTag

    client.log_batch(
        run_id,
        params=[Param(name, text) for name, text in opening.params.items()],
        tags=[RunTag(name, text) for name, text in opening.tags.items()],
    )
    if opening.long_params:
        client.log_dict(run_id, opening.long_params, "long_params.json")
