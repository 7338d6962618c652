"""From a config to a study that is run, written and logged: what `run` and `reproduce` share."""

import time
from dataclasses import dataclass
from pathlib import Path

from ofiml import experiment
from ofiml.config import Config
from ofiml.errors import ConfigError
from ofiml.experiment import Study
from ofiml.progress import Stages
from ofiml.tracking import outputs


@dataclass(frozen=True, slots=True)
class Record:
    study: Study
    folder: Path
    run_id: str | None


def record(config: Config, folder: Path, tags: dict[str, str] | None = None) -> Record:
    """Runs the study, writes its files into `folder` and, with tracking on, logs it as one MLflow run."""
    if folder.exists() and any((folder / name).exists() for name in ("report.json", "figures", "models")):
        raise ConfigError(f"{folder} holds a study already: give another hydra.run.dir, or leave it out.")
    started = time.time_ns() // 1_000_000
    experiment_id = None
    if config.tracking.enabled:
        from ofiml.tracking.mlflow_log import open_store

        experiment_id = open_store(config.tracking)
    with Stages() as stages:
        study = experiment.run(config, stages)
    folder.mkdir(parents=True, exist_ok=True)
    written = outputs.write(study, folder)
    run_id = None
    if experiment_id is not None:
        from ofiml.tracking.mlflow_log import log

        run_id = log(study, folder, written, experiment_id, started, tags)
    return Record(study, folder, run_id)
