"""Log a finished study whose store failed, and only once."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofiml.config import Tracking
from ofiml.database import find_file
from ofiml.errors import ConfigError, StoreError
from ofiml.storage import strip_credentials
from ofiml.tracking.entry import Entry, delete_abandoned, find_entries, list_members, lock_entry, read_entry
from ofiml.tracking.faults import is_unknown
from ofiml.tracking.log import keep_run_id, log_entry
from ofiml.tracking.parent import find_status
from ofiml.tracking.read import RUN_ID_FILE
from ofiml.tracking.store import is_run_id, log_opening, open_client, open_store

OPENED_AS = "opened_as"  # the tag of a run whose first store is gone: its id in that one


@dataclass(frozen=True, slots=True)
class Synced:
    """A run folder, its run in the store, and whether it was logged just now (else it was before)."""

    folder: Path
    run_id: str
    now: bool


def describe_unlogged(folder: Path, error: StoreError) -> str:
    """Say in one sentence why the store does not have the study in `folder`, or not all of it, and what to do."""
    place = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return (
        f"The result is complete in {place}, but is not logged, or not wholly: {error.cause}; {error.remedy}, then log "
        f"it with ofiml sync {shlex.quote(str(place))}."
    )


def sync_folder(folder: Path, uri: str | None, default: str) -> Iterator[Synced]:
    """Log the run of a run folder, or those of a sweep's folder, and yield each.

    The store is `uri`; without it the one that the run was opened in, whose credentials come from `default` if that is
    the same store. A server must be named by one of them. A run that the store has in part is completed, one that it
    does not have is opened again, and one that it has is left as it is. What a killed run kept of a study that it did
    not complete is deleted. Raises StoreError if the store cannot be used, or another process logs the run, and
    ConfigError for a folder of another kind.
    """
    abandoned = [one for one in (folder, *folder.glob("*/")) if delete_abandoned(one)]
    folders = find_entries(folder)
    if abandoned and not folders:
        raise ConfigError(
            f"{folder} has nothing to log: the run was killed before its study was complete. Run it again."
        )
    if not folders:
        members = [] if (folder / RUN_ID_FILE).is_file() else list_members(folder, RUN_ID_FILE)
        yield from (_check_logged(one, uri or default) for one in members or [folder])
    for one in folders:
        with lock_entry(one):
            entry = read_entry(one)
            store = uri or _choose_store(one, entry, default)
            yield _check_logged(one, store) if entry is None else _sync(one, entry, store)


def _choose_store(folder: Path, entry: Entry | None, default: str) -> str:
    if entry is None or strip_credentials(default) == entry.uri:
        return default
    if find_file(entry.uri) is None:
        # The folder may come from a stranger, whose server would get the credentials of this environment.
        raise ConfigError(
            f"The run of {folder} was opened in {entry.uri}, not in the store of this environment: if you trust it, "
            "name it with --uri."
        )
    return entry.uri


def _sync(folder: Path, entry: Entry, uri: str) -> Synced:
    path = find_file(uri)
    if path is not None and not path.is_file():
        raise StoreError(f"{uri} is not there", "move the store back, or name another with --uri")
    experiment = open_store(Tracking(enabled=True, uri=uri, experiment=entry.experiment))
    with open_client(uri) as client:
        run = _find_run(client, entry, experiment)
        if run is not None and run.info.lifecycle_stage != "active":
            raise ConfigError(
                f"Run {run.info.run_id} of {folder} was deleted in the store: restore it there, or delete the folder "
                f"unlogged in {folder}."
            )
        finished = run is not None and run.info.status == "FINISHED"
        if not finished:
            run = run or client.create_run(
                experiment, entry.started, {OPENED_AS: entry.run_id}, run_name=entry.opening.name
            )
            log_opening(client, run.info.run_id, entry.opening)
    run_id = str(run.info.run_id)
    if not finished:
        log_entry(entry, run_id, folder, uri, lambda: None, ended=entry.ended)
    keep_run_id(folder, run_id)
    return Synced(folder, run_id, not finished)


def _find_run(client: Any, entry: Entry, experiment: str) -> Any:
    """Find the run that was opened for the study, or its successor in a store that does not know it; None without."""
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(entry.run_id)
    except MlflowException as error:
        if not is_unknown(error):
            raise
    known = client.search_runs([experiment], f"tags.{OPENED_AS} = '{entry.run_id}'", ViewType.ALL, 1)
    return known[0] if known else None


def _check_logged(folder: Path, uri: str) -> Synced:
    """Return the run of a folder that has nothing left to log. Raises ConfigError if the store does not have it."""
    path = folder / RUN_ID_FILE
    if not path.is_file():
        if (folder / "report.json").is_file():
            raise ConfigError(
                f"{folder} has nothing to log: its run had tracking=off, or was killed as it ended. Run it again."
            )
        raise ConfigError(f"{folder} is not the output folder of a finished study, or of a sweep with one.")
    run_id = path.read_text(encoding="utf-8", errors="replace").strip()
    if not is_run_id(run_id):
        raise ConfigError(f"{path} has no valid id of a run.")
    # The member of a sweep without a result is complete, too.
    if find_status(Tracking(enabled=True, uri=uri, experiment="ofiml"), run_id) not in ("FINISHED", "FAILED"):
        raise ConfigError(
            f"{folder} was logged as run {run_id}, but {strip_credentials(uri)} has no such finished run: name its "
            "store by --uri."
        )
    return Synced(folder, run_id, now=False)
