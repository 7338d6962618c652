"""Run a study, write its files and log it, for `ofiml run` and `ofiml reproduce`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ofiml.config import Config
from ofiml.data.cache import write_text_atomically
from ofiml.errors import ConfigError
from ofiml.reporting.files import write_study
from ofiml.reporting.verdict import write_page
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
    config: Config,
    folder: Path,
    tags: dict[str, str] | None = None,
    overrides: Sequence[str] = (),
    on_stage: OnStage | None = None,
) -> Record:
    """Run the study, write its files into `folder` and, with tracking on, log it as one MLflow run.

    `overrides` are those of the command line, for the run's tag. The file `run_id` then names the run.
    The run is opened before the study starts, so that a study that fails or is killed counts as a trial. With
    `on_stage` the progress is not printed, but that function is called with it, see `Stages`. Raises ConfigError if the
    folder already contains a study.
    """
    if folder.exists() and any((folder / name).exists() for name in ("report.json", "figures", "models")):
        raise ConfigError(f"{folder} already contains a study: choose another hydra.run.dir, or leave it out.")
    with Stages(on_stage=on_stage) as stages:
        if not config.tracking.enabled:
            return Record(_run_and_write(config, folder, stages, lambda _: None, None)[0], folder, None)
        from ofiml.tracking.log import log_folds, log_study
        from ofiml.tracking.read import RUN_ID_FILE
        from ofiml.tracking.store import open_run, open_store

        with open_run(config, open_store(config.tracking), tags or {}, overrides) as run_id:
            study, written = _run_and_write(
                config, folder, stages, lambda folds: log_folds(config.tracking.uri, run_id, folds), run_id
            )
            log_study(study, folder, written, run_id, tags or {}, stages)
        write_text_atomically(folder / RUN_ID_FILE, f"{run_id}\n")
        return Record(study, folder, run_id)


def _run_and_write(
    config: Config, folder: Path, stages: Stages, report_folds: Callable[[int], None], run_id: str | None
) -> tuple[Study, list[Path]]:
    study = experiment.run(config, stages, report_folds)
    folder.mkdir(parents=True, exist_ok=True)
    verdict = folder / "verdict.md"
    write_text_atomically(verdict, write_page(study))
    return study, [*write_study(study, folder, stages, run_id), verdict]
