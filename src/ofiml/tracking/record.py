"""From a config to a study that is run, written and logged: what `run` and `reproduce` share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ofiml.config import Config
from ofiml.errors import ConfigError
from ofiml.reporting.files import write_study
from ofiml.study import run as experiment
from ofiml.study.run import Study
from ofiml.ui.progress import Stages


@dataclass(frozen=True, slots=True)
class Record:
    """A study, the folder of its files, and its MLflow run; None with tracking off."""

    study: Study
    folder: Path
    run_id: str | None


def record(config: Config, folder: Path, tags: dict[str, str] | None = None) -> Record:
    """Run the study, write its files into `folder` and, with tracking on, log it as one MLflow run, which is there
    from the beginning: a study that fails, or is killed, was tried all the same.
    """
    if folder.exists() and any((folder / name).exists() for name in ("report.json", "figures", "models")):
        raise ConfigError(f"{folder} already contains a study: choose another hydra.run.dir, or leave it out.")
    if not config.tracking.enabled:
        return Record(_run(config, folder, lambda _: None)[0], folder, None)
    from ofiml.tracking.log import log_folds, log_study
    from ofiml.tracking.store import open_run, open_store

    with open_run(config, open_store(config.tracking), tags or {}) as run_id:
        study, written = _run(config, folder, lambda folds: log_folds(config.tracking.uri, run_id, folds))
        log_study(study, folder, written, run_id, tags or {})
    return Record(study, folder, run_id)


def _run(config: Config, folder: Path, tell: Callable[[int], None]) -> tuple[Study, list[Path]]:
    with Stages() as stages:
        study = experiment.run(config, stages, tell)
    folder.mkdir(parents=True, exist_ok=True)
    return study, write_study(study, folder)
