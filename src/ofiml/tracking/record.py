"""Run a study, write its files and log it, for `ofiml run` and `ofiml reproduce`."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from ofiml.atomic import write_text_atomically
from ofiml.config import Config, Tracking
from ofiml.errors import ConfigError, StoreError
from ofiml.parallel import load_blas
from ofiml.reporting.files import write_study
from ofiml.reporting.verdict import write_page
from ofiml.study import run as experiment
from ofiml.study.run import Study
from ofiml.tuning.library import import_optuna
from ofiml.ui.progress import OnStage, Stages


@dataclass(frozen=True, slots=True)
class Record:
    """A study, the folder of its files, and the id of its MLflow run (None with tracking off, or if it is not logged).

    `unlogged` is the reason why the store does not have the study, or not all of it, with the remedy, as a sentence;
    empty if nothing is missing.
    """

    study: Study
    folder: Path
    run_id: str | None
    unlogged: str = ""


def load_libraries(tracking: Tracking, *, tunes: bool) -> None:
    """Load the libraries that a study with this tracking uses, and Optuna for one that `tunes`.

    That takes longer than a small study, which would load them when it uses them.
    """
    load_blas()
    if tunes:
        import_optuna()
    if tracking.enabled:
        from ofiml.tracking.store import load_mlflow

        load_mlflow(tracking.uri)


def record_study(
    config: Config,
    folder: Path,
    tags: dict[str, str] | None = None,
    overrides: Sequence[str] = (),
    on_stage: OnStage | None = None,
) -> Record:
    """Run the study, write its files into `folder` and, with tracking on, log it as one MLflow run.

    `overrides` are those of the command line, for the run's tag. The file `run_id` then names the run.
    The run is opened before the study starts, so that a study that fails or is killed counts as a trial. A store that
    fails after that costs no result: `unlogged` of the record tells it. With `on_stage` the progress is not printed,
    but that function is called with it, see `Stages`. Raises ConfigError if the folder already contains a study, and
    StoreError before any computing if the store cannot be used.
    """
    from ofiml.tracking.entry import has_entry

    if has_entry(folder) or any((folder / name).exists() for name in ("report.json", "figures", "models")):
        raise ConfigError(f"{folder} already contains a study: choose another hydra.run.dir, or leave it out.")
    with Stages(on_stage=on_stage) as stages:
        if not config.tracking.enabled:
            return Record(_run_and_write(config, folder, stages, lambda _: None, None, lambda _: None)[0], folder, None)
        return _record_tracked(config, folder, tags or {}, overrides, stages)


def _record_tracked(
    config: Config, folder: Path, tags: dict[str, str], overrides: Sequence[str], stages: Stages
) -> Record:
    from ofiml.tracking.entry import keep_unlogged, make_entry, name_model_folder, write_entry
    from ofiml.tracking.log import count_steps, keep_run_id, log_entry, log_folds, save_model
    from ofiml.tracking.store import describe_opening, open_run, open_store
    from ofiml.tracking.sync import describe_unlogged

    uri, opening = config.tracking.uri, describe_opening(config, tags, overrides)
    with open_run(uri, open_store(config.tracking), opening) as run, ExitStack() as kept:

        def report_folds(folds: int) -> None:
            with suppress(StoreError):  # what is missing at the end is reported there
                log_folds(uri, run.run_id, folds)

        def keep_model(study: Study) -> None:
            start, place = time.perf_counter(), name_model_folder(folder)
            kept.enter_context(keep_unlogged(folder))
            with stages.start_stage("model", 1) as bar:  # takes longer than all of the logging, whose pace it is not
                save_model(study, place)
                bar.step()
            study.report.runtime.add_stage("model", time.perf_counter() - start)

        study, written = _run_and_write(config, folder, stages, report_folds, run.run_id, keep_model)
        entry = make_entry(study, folder, written, run, opening)
        write_entry(entry, folder)
        try:
            with stages.start_stage("logging", count_steps(entry)) as bar:
                log_entry(entry, run.run_id, folder, uri, bar.step)
        except StoreError as error:
            return Record(study, folder, None, describe_unlogged(folder, error))
        keep_run_id(folder, run.run_id)
    return Record(study, folder, run.run_id)


def _run_and_write(
    config: Config,
    folder: Path,
    stages: Stages,
    report_folds: Callable[[int], None],
    run_id: str | None,
    keep_model: Callable[[Study], None],
) -> tuple[Study, list[Path]]:
    """Run the study and write its files; `keep_model` comes before them, so that the report has its time."""
    study = experiment.run(config, stages, report_folds)
    folder.mkdir(parents=True, exist_ok=True)
    keep_model(study)
    verdict = folder / "verdict.md"
    write_text_atomically(verdict, write_page(study))
    return study, [*write_study(study, folder, stages, run_id), verdict]
