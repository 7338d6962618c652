"""Log a study to its MLflow run: tags, metrics, dataset, files and the model of the last fold."""

import json
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ofiml import provenance
from ofiml.reporting.finding import judge_study
from ofiml.reporting.verdict import write_note
from ofiml.study.report import Report
from ofiml.study.run import Study
from ofiml.tracking.metric_names import FOLDS, SECONDS_LOGGING
from ofiml.tracking.metrics import list_metrics
from ofiml.tracking.names import join_symbols, name_run
from ofiml.tracking.plugins import list_plugin_versions
from ofiml.tracking.store import connect
from ofiml.ui.progress import Stages

_MAX_BATCH = 1000  # metrics per request
_MAX_TAG_LENGTH = 8000  # MLflow cuts longer ones


def log_folds(uri: str, run_id: str, folds: int) -> None:
    """Log the number of folds of an open run.

    A killed run has no count of its trials. `comparison.trials` then multiplies the planned trials by this number,
    which does not always follow from the config.
    """
    connect(uri).set_tag(run_id, FOLDS, str(folds))  # as a metric it would be the first on the page of two runs


def log_study(
    study: Study,
    folder: Path,
    written: list[Path],
    run_id: str,
    tags: dict[str, str],
    stages: Stages,
) -> None:
    """Log the study, and the files `written` under `folder`, to an open run, and end the run.

    The time that this takes is the metric `seconds_logging`: the report is written before.
    """
    start = time.perf_counter()
    with stages.start_stage("logging", 3 + len(written)) as bar:
        symbols = sorted({s.symbol for s in study.report.dataset.sessions})
        client = connect(study.config.tracking.uri)
        client.update_run(run_id, name=name_run(study.config, symbols))
        names = [path.relative_to(folder).as_posix() for path in written]
        _log_tags(client, run_id, study, _describe_verdict(study, symbols, names) | tags)
        _log_dataset(client, run_id, study)
        bar.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model_id = _log_model(client, run_id, study)
        bar.step()
        _log_metrics(client, run_id, study.report, model_id)
        bar.step()
        for path in written:
            inside = path.parent.relative_to(folder).as_posix()
            client.log_artifact(run_id, str(path), None if inside == "." else inside)
            bar.step()
    client.log_metric(run_id, SECONDS_LOGGING, round(time.perf_counter() - start, 3))
    client.set_terminated(run_id)


def _describe_verdict(study: Study, symbols: Sequence[str], files: list[str]) -> dict[str, str]:
    """Return the verdict as tags: columns and filters of MLflow's table, and the description of the run."""
    judged = judge_study(study.report, study.config.model.of_quantile)
    return {
        "symbol": join_symbols(symbols),
        "finding": judged.finding,
        "survives": judged.survives,
        "mlflow.note.content": write_note(study, files, _MAX_TAG_LENGTH),
    }


def _log_tags(client: Any, run_id: str, study: Study, tags: dict[str, str]) -> None:
    """Log provenance and digests as tags, beside `tags`."""
    from mlflow.entities import RunTag

    config = study.config
    commit, diff = provenance.read_git_state()
    strategy = config.strategy.name if config.backtest.enabled else None
    plugins = list_plugin_versions(config.model, config.dataset.name, config.features, strategy)
    versions = plugins | provenance.list_versions()
    backtest = study.report.performance
    described = {
        **tags,
        "dataset.digest": study.report.dataset.digest,
        "predictions.sha256": study.report.predictions.sha256,
        **({} if backtest is None else {"backtest.currency": backtest.currency}),  # of all metrics of money
        "git.commit": commit,
        "git.dirty": str(bool(diff)).lower(),
        **{f"version.{k}": v for k, v in versions.items()},
        "mlflow.source.git.commit": commit,
    }
    client.log_batch(run_id, tags=[RunTag(k, v) for k, v in described.items()])


def _log_metrics(client: Any, run_id: str, report: Report, model_id: str | None) -> None:
    """Log every defined metric, stamped with the start of the run. Those of the whole run are the model's, too."""
    from mlflow.entities import Metric

    start = int(client.get_run(run_id).info.start_time)
    metrics = [
        Metric(m.name, m.value, start, m.step, model_id=None if m.step else model_id)
        for m in list_metrics(report)
        if m.value == m.value
    ]
    for first in range(0, len(metrics), _MAX_BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + _MAX_BATCH])


def _log_dataset(client: Any, run_id: str, study: Study) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset, config = study.report.dataset, study.config
    digest = dataset.digest[:32]  # MLflow allows 36 characters; the tag dataset.digest has all 64
    source = Dataset(config.dataset.label, digest, source_type="ofiml", source=json.dumps(dataset.sources))
    client.log_inputs(run_id, [DatasetInput(source, [InputTag("mlflow.data.context", config.split.name)])])


def _log_model(client: Any, run_id: str, study: Study) -> str | None:
    """Log the model of the last fold in MLflow's format, with signature and input example, and return its id; None for
    a model that MLflow cannot read. It is LightGBM's text or skops, never a pickle.

    These are the steps of `mlflow.lightgbm.log_model`, without a copy of each metric of the run, one query each.
    """
    import pandas as pd
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model, infer_signature

    pipeline = study.pipelines[-1]
    native = pipeline.model.native()
    if native is None:
        return None
    example = pd.DataFrame(study.example, columns=pipeline.feature_names)
    signature = infer_signature(example, pipeline.model.predict(study.example))
    logged = client.create_logged_model(
        client.get_run(run_id).info.experiment_id,
        name=f"{study.config.model.name}-{study.config.ofi.name}",
        source_run_id=run_id,
    )
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    description = Model(
        artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id, model_id=logged.model_id
    )
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        _save_model(native, path, mlflow_model=description, signature=signature, input_example=example)
        client.log_model_artifacts(logged.model_id, path)
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id)


def _save_model(native: Any, path: str, **described: Any) -> None:
    """Save a Booster as LightGBM's text, any other model by skops."""
    import mlflow

    packages = provenance.list_versions()
    if type(native).__name__ == "Booster":
        requirements = [f"lightgbm=={packages['lightgbm']}"]
        mlflow.lightgbm.save_model(native, path, pip_requirements=requirements, **described)
    else:
        requirements = [f"scikit-learn=={packages['scikit-learn']}"]
        mlflow.sklearn.save_model(
            native,
            path,
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=["numpy.dtype"],  # the imputer's; loading a dtype runs no code
            **described,
        )
