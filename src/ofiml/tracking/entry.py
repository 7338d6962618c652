"""What the store gets of a finished study, kept in the run folder until the store has it.

The folder `unlogged` in a run folder has it: entry.json, and the model in MLflow's format. The entry appears when the
study is complete, and the folder disappears when the store has all of it, so that a fault of the store, or a kill
meanwhile, loses nothing. Without an entry it is what a run left that was killed before.
"""

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import filelock

from ofiml import provenance
from ofiml.atomic import write_text_atomically
from ofiml.errors import ConfigError, StoreError
from ofiml.reporting.finding import judge_study
from ofiml.reporting.summary import explain_failure
from ofiml.reporting.verdict import write_note
from ofiml.storage import strip_credentials
from ofiml.study.json_border import read_json, write_json
from ofiml.study.run import Study
from ofiml.tracking.metric_names import FOLDS
from ofiml.tracking.metrics import LoggedMetric, list_metrics
from ofiml.tracking.names import join_symbols, name_run
from ofiml.tracking.parent import PARENT
from ofiml.tracking.plugins import list_plugin_versions
from ofiml.tracking.store import Opening, OpenRun, is_run_id

UNLOGGED, MODEL_FOLDER, LOCK = "unlogged", "model", ".lock"

_NAME = "entry.json"
_FORMAT = 1
_MAX_TAG_LENGTH = 8000  # MLflow cuts longer ones


@dataclass(frozen=True, slots=True)
class InputData:
    """The dataset of a run: its name, digest (32 digits) and sources (JSON), and what it was used for."""

    name: str
    digest: str
    source: str
    context: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The run that was opened for the study, where, and all that the store gets, beside the `files` of the run folder.

    `uri` has no credentials. `started` and `ended` are in ms since 1970, UTC. `model` names the logged model, None
    without one. `name` is the final one, while `opening` has the one from the start. `failure` says why the member of a
    sweep counts as failed, although its study is complete; None if it does not.
    """

    format: int
    run_id: str
    uri: str
    experiment: str
    started: int
    ended: int
    opening: Opening
    name: str
    tags: dict[str, str]
    metrics: list[LoggedMetric]
    data: InputData
    files: list[str]
    model: str | None
    failure: str | None = None


def make_entry(study: Study, folder: Path, written: list[Path], run: OpenRun, opening: Opening) -> Entry:
    """Make the entry of a study whose files `written` are in `folder`. The tags of the opening win over others."""
    config, dataset = study.config, study.report.dataset
    symbols = sorted({s.symbol for s in dataset.sessions})
    names = [path.relative_to(folder).as_posix() for path in written]
    native = study.pipelines[-1].model.native()
    return Entry(
        format=_FORMAT,
        run_id=run.run_id,
        uri=strip_credentials(config.tracking.uri),
        experiment=config.tracking.experiment_name,
        started=run.started,
        ended=round(time.time() * 1000),
        opening=opening,
        name=name_run(config, symbols),
        tags=_describe_verdict(study, symbols, names) | _describe_provenance(study),
        metrics=[m for m in list_metrics(study.report) if math.isfinite(m.value)],
        # MLflow allows a digest of 36 characters; the tag dataset.digest has all 64.
        data=InputData(config.dataset.label, dataset.digest[:32], json.dumps(dataset.sources), config.split.name),
        files=names,
        model=None if native is None else f"{config.model.name}-{config.ofi.name}",
        failure=explain_failure(study.report) if PARENT in opening.tags else None,
    )


def _describe_verdict(study: Study, symbols: Sequence[str], files: list[str]) -> dict[str, str]:
    """Return the verdict as tags: columns and filters of MLflow's table, and the description of the run."""
    judged = judge_study(study.report, study.config.model.of_quantile)
    return {
        "symbol": join_symbols(symbols),
        "finding": judged.finding,
        "survives": judged.survives,
        "mlflow.note.content": write_note(study, files, _MAX_TAG_LENGTH),
    }


def _describe_provenance(study: Study) -> dict[str, str]:
    """Return provenance, digests and the number of folds as tags."""
    config = study.config
    commit, diff = provenance.read_git_state()
    strategy = config.strategy.name if config.backtest.enabled else None
    plugins = list_plugin_versions(config.model, config.dataset.name, config.features, strategy)
    versions = plugins | provenance.list_versions()
    backtest = study.report.performance
    return {
        "dataset.digest": study.report.dataset.digest,
        "predictions.sha256": study.report.predictions.sha256,
        **({} if backtest is None else {"backtest.currency": backtest.currency}),  # of all metrics of money
        FOLDS: str(len(study.report.folds)),
        "git.commit": commit,
        "git.dirty": str(bool(diff)).lower(),
        **{f"version.{k}": v for k, v in versions.items()},
        "mlflow.source.git.commit": commit,
    }


def name_model_folder(folder: Path) -> Path:
    """Return where the model of the run in `folder` lies in MLflow's format until the store has it."""
    return folder / UNLOGGED / MODEL_FOLDER


def write_entry(entry: Entry, folder: Path) -> None:
    """Write the entry into the run folder, whole or not at all, after all that it names."""
    path = folder / UNLOGGED / _NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, write_json(entry))


def read_entry(folder: Path) -> Entry | None:
    """Read the entry of a run folder; None if there is none, since the store has it.

    Raises ConfigError for a text that no study writes, and for a file outside of the folder.
    """
    path = folder / UNLOGGED / _NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text.") from error
    entry = read_json(Entry, text, str(path))
    if entry.format != _FORMAT:
        raise ConfigError(f"{path} has format {entry.format}; this version of ofiml reads {_FORMAT}.")
    if not is_run_id(entry.run_id):
        raise ConfigError(f"{path} has no valid id of a run.")
    for name in entry.files:
        _check_inside(folder, name)
    return entry


def delete_entry(folder: Path) -> None:
    """Delete what was kept of a run: the store has it."""
    (folder / UNLOGGED / _NAME).unlink(missing_ok=True)  # first, as it counts
    shutil.rmtree(folder / UNLOGGED, ignore_errors=True)


def has_entry(folder: Path) -> bool:
    """Return whether a run folder has an entry, so that its study is complete and the store may lack it."""
    return (folder / UNLOGGED / _NAME).is_file()


def find_entries(folder: Path) -> list[Path]:
    """Find the run folders with an entry: the folder itself, else those right below it, as a sweep has them."""
    if has_entry(folder):
        return [folder]
    return list_members(folder, f"{UNLOGGED}/{_NAME}")


def list_members(folder: Path, name: str) -> list[Path]:
    """List the folders right below one that have a file of this name, as those of a sweep's members, by number."""
    return sorted((place for place in folder.glob("*/") if (place / name).is_file()), key=_sort_number)


def _sort_number(folder: Path) -> tuple[int, str]:
    return (int(folder.name) if folder.name.isdecimal() else 0, folder.name)


@contextmanager
def lock_entry(folder: Path) -> Iterator[None]:
    """Let one process at a time write and log what is kept of the run in `folder`. Raises StoreError if another does.

    The lock lies in `unlogged` and goes with it, when there is nothing left to log: deleting one that is locked would
    void the lock.
    """
    (folder / UNLOGGED).mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / UNLOGGED / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise StoreError(f"Another process logs the run in {folder} now", "wait for it") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def keep_unlogged(folder: Path) -> Iterator[None]:
    """Hold the lock while a run writes and logs what the store gets; an error before the entry leaves nothing of it."""
    delete_abandoned(folder)
    with lock_entry(folder):
        try:
            yield
        finally:
            if not has_entry(folder):
                shutil.rmtree(folder / UNLOGGED, ignore_errors=True)


def is_abandoned(folder: Path) -> bool:
    """Return whether a run folder has the folder `unlogged` without an entry, and no process works on it: its run was
    killed before its study was complete.
    """
    place = folder / UNLOGGED
    if has_entry(folder) or place.is_symlink() or not place.is_dir():
        return False
    with suppress(StoreError), lock_entry(folder):
        return not has_entry(folder)
    return False


def delete_abandoned(folder: Path) -> bool:
    """Delete what a killed run kept of a study that it did not complete, and return whether there was any."""
    abandoned = is_abandoned(folder)
    if abandoned:
        shutil.rmtree(folder / UNLOGGED, ignore_errors=True)
    return abandoned


def _check_inside(folder: Path, name: str) -> None:
    """Raise ConfigError for a name that leads out of the folder, as only a stranger would write one."""
    parts = PurePosixPath(name).parts
    place = folder / name
    outside = not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name
    if outside or not place.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{folder}: {name!r} is not a file of this run folder.")
    if not place.is_file():
        raise ConfigError(f"{place} does not exist any more: run the study again.")
