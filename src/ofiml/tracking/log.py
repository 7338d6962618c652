"""Log a finished study to its MLflow run: name, tags, metrics, dataset, files and the model of the last fold.

Each step can be repeated: a run that has a part of it is completed, and nothing is there twice.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ofiml import provenance
from ofiml.atomic import name_file, write_text_atomically
from ofiml.reporting.files import REPORT_PAGE
from ofiml.study.run import Study
from ofiml.tracking.entry import UNLOGGED, Entry, delete_entry, name_model_folder
from ofiml.tracking.metric_names import FOLDS, SECONDS_LOGGING
from ofiml.tracking.read import RUN_ID_FILE
from ofiml.tracking.store import open_client

_MAX_BATCH = 1000  # metrics per request


def log_folds(uri: str, run_id: str, folds: int) -> None:
    """Log the number of folds of an open run. Raises StoreError if the store fails.

    A killed run has no count of its trials. `comparison.trials` then multiplies the planned trials by this number,
    which does not always follow from the config.
    """
    with open_client(uri) as client:
        client.set_tag(run_id, FOLDS, str(folds))  # as a metric it would be the first on the page of two runs


def count_steps(entry: Entry) -> int:
    """Return how often `log_entry` steps."""
    return 3 + len(entry.files)


def log_entry(
    entry: Entry, run_id: str, folder: Path, uri: str, step: Callable[[], None], ended: int | None = None
) -> None:
    """Log the entry of the run in `folder` to the run `run_id`, and end that as FINISHED, or FAILED by its failure.

    `step` follows each part. `ended` is the end of the run in ms since 1970, UTC, if that is not now.

    The time that this takes is the metric `seconds_logging`: the report is written before. Raises StoreError if the
    store fails; the run then has a part, and the same call completes it.
    """
    start = time.perf_counter()
    with open_client(uri) as client:
        run = client.get_run(run_id)
        client.update_run(run_id, name=entry.name)
        _log_tags(client, run_id, entry.tags | entry.opening.tags)
        _log_dataset(client, run, entry)
        step()
        model_id = _log_model(client, run, entry, name_model_folder(folder))
        step()
        _log_metrics(client, run, entry, model_id)
        step()
        for name in entry.files:
            inside = Path(name).parent.as_posix()
            path = _name_new_run(entry, run_id, folder) if name == REPORT_PAGE else folder / name
            client.log_artifact(run_id, str(path), None if inside == "." else inside)
            step()
        client.log_metric(run_id, SECONDS_LOGGING, round(time.perf_counter() - start, 3))
        if entry.failure is not None:
            client.set_tag(run_id, "error", entry.failure)
        elif "error" in run.data.tags:  # an earlier attempt
            client.delete_tag(run_id, "error")
        client.set_terminated(run_id, "FINISHED" if entry.failure is None else "FAILED", ended)


def _name_new_run(entry: Entry, run_id: str, folder: Path) -> Path:
    """Return the path of report.html; of a copy that names `run_id`, if that is not the run that was opened first.

    The folder keeps the first id until the store has all: a third store would not find it otherwise.
    """
    page, copy = folder / REPORT_PAGE, folder / UNLOGGED / REPORT_PAGE
    copy.unlink(missing_ok=True)
    if run_id == entry.run_id:
        return page
    write_text_atomically(copy, page.read_bytes().decode().replace(entry.run_id, run_id))
    return copy


def keep_run_id(folder: Path, run_id: str) -> None:
    """Write the id of a run that the store has wholly into its folder and its report, and delete the entry."""
    page = folder / UNLOGGED / REPORT_PAGE
    if page.is_file():
        page.replace(folder / REPORT_PAGE)
    write_text_atomically(folder / RUN_ID_FILE, f"{run_id}\n")
    delete_entry(folder)


def _log_tags(client: Any, run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])


def _log_metrics(client: Any, run: Any, entry: Entry, model_id: str | None) -> None:
    """Log every metric, stamped with the start of the run. Those of the whole run are the model's, too."""
    from mlflow.entities import Metric

    start = int(run.info.start_time)
    metrics = [
        Metric(m.name, m.value, start, m.step, model_id=None if m.step else model_id, run_id=run.info.run_id)
        for m in entry.metrics
    ]
    for first in range(0, len(metrics), _MAX_BATCH):
        client.log_batch(run.info.run_id, metrics=metrics[first : first + _MAX_BATCH])


def _log_dataset(client: Any, run: Any, entry: Entry) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if run.inputs.dataset_inputs:
        return
    data = entry.data
    source = Dataset(data.name, data.digest, source_type="ofiml", source=data.source)
    client.log_inputs(run.info.run_id, [DatasetInput(source, [InputTag("mlflow.data.context", data.context)])])


def _log_model(client: Any, run: Any, entry: Entry, saved: Path) -> str | None:
    """Log the model that `save_model` saved, and return its id; None for a study without one.

    These are the steps of `mlflow.lightgbm.log_model`, without a copy of each metric of the run, one query each.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    if entry.model is None:
        return None
    experiment, run_id = run.info.experiment_id, run.info.run_id
    known = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    logged = known[0] if known else client.create_logged_model(experiment, name=entry.model, source_run_id=run_id)
    if logged.status == LoggedModelStatus.READY:
        return str(logged.model_id)
    if not run.outputs.model_outputs:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    description = Model.load(str(saved))
    description.artifact_path, description.run_id = logged.artifact_location, run_id
    description.model_id = description.model_uuid = logged.model_id
    description.save(str(saved / "MLmodel"))
    client.log_model_artifacts(logged.model_id, str(saved))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id)


def save_model(study: Study, folder: Path) -> None:
    """Save the model of the last fold in MLflow's format, with signature and input example; nothing for a model that
    MLflow cannot read. It is LightGBM's text or skops, never a pickle.
    """
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    pipeline = study.pipelines[-1]
    native = pipeline.model.native()
    if native is None:
        return
    packages = provenance.list_versions()
    with name_file(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = pd.DataFrame(study.example, columns=pipeline.feature_names)
        signature = infer_signature(example, pipeline.model.predict(study.example))
        if type(native).__name__ == "Booster":
            requirements = [f"lightgbm=={packages['lightgbm']}"]
            mlflow.lightgbm.save_model(
                native, str(folder), pip_requirements=requirements, signature=signature, input_example=example
            )
        else:
            requirements = [f"scikit-learn=={packages['scikit-learn']}"]
            mlflow.sklearn.save_model(
                native,
                str(folder),
                pip_requirements=requirements,
                signature=signature,
                input_example=example,
                serialization_format="skops",
                skops_trusted_types=["numpy.dtype"],  # the imputer's; loading a dtype runs no code
            )
