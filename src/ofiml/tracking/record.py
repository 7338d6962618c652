"""Run a study, write its files and log it, for `ofiml run` and `ofiml reproduce`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ofiml.config import Config
from ofiml.errors import ConfigError
from ofiml.reporting.files import write_study
from ofiml.study import run as experiment
from ofiml.study.run import Study
from ofiml.ui.progress import OnStage, Stages


@dataclass(frozen=True, slots=True)
class Record:
    """A study, the folder of its files, and the id of its MLflow run (None with tracking off)."""

    study: Study
    folder: Path
    run_id: str | None


def record_study(
    config: Config, folder: Path, tags: dict[str, str] | None = None, on_stage: OnStage | None = None
) -> Record:
    """Run the study, write its files into `folder` and, with tracking on, log it as one MLflow run.

    The run is opened before the study starts, so that a study that fails or is killed counts as a trial. Raises
    ConfigError if the folder already contains a study. `on_stage` is told of progress, which is then not shown.
    """
    if folder.exists() and any((folder / name).exists() for name in ("report.json", "figures", "models")):
        raise ConfigError(f"{folder} already contains a study: choose another hydra.run.dir, or leave it out.")
    if not config.tracking.enabled:
        return Record(_run_and_write(config, folder, lambda _: None, on_stage, None)[0], folder, None)
    from ofiml.tracking.log import log_folds, log_study
    from ofiml.tracking.store import open_run, open_store

    with open_run(config, open_store(config.tracking), tags or {}) as run_id:
        study, written = _run_and_write(
            config, folder, lambda folds: log_folds(config.tracking.uri, run_id, folds), on_stage, run_id
        )
        log_study(study, folder, written, run_id, tags or {})
    return Record(study, folder, run_id)


def _run_and_write(
    config: Config, folder: Path, report_folds: Callable[[int], None], on_stage: OnStage | None, run_id: str | None
) -> tuple[Study, list[Path]]:
    with Stages(on_stage=on_stage) as stages:
        study = experiment.run(config, stages, report_folds)
    folder.mkdir(parents=True, exist_ok=True)
    return study, write_study(study, folder, run_id)
