"""Log a study to its MLflow run: tags, metrics, dataset, files and the model of the last fold."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ofiml import provenance
from ofiml.reporting.finding import judge_study
from ofiml.reporting.verdict import write_note
from ofiml.study.report import Report
from ofiml.study.run import Study
from ofiml.tracking.metric_names import FOLDS
from ofiml.tracking.metrics import list_metrics
from ofiml.tracking.names import join_symbols, name_run
from ofiml.tracking.plugins import list_plugin_versions
from ofiml.tracking.store import connect

_MAX_BATCH = 1000  # metrics per request
_MAX_TAG_LENGTH = 8000  # MLflow cuts longer ones


def log_folds(uri: str, run_id: str, folds: int) -> None:
    """Log the number of folds of an open run.

    A killed run has no count of its trials. `comparison.trials` then multiplies the planned trials by this number,
    which does not always follow from the config.
    """
    connect(uri).set_tag(run_id, FOLDS, str(folds))  # as a metric it would be the first on the page of two runs


def log_study(
    study: Study, folder: Path, written: list[Path], run_id: str, tags: dict[str, str], overrides: Sequence[str]
) -> None:
    """Log the study, and the files `written` under `folder`, to an open run, and end the run."""
    symbols = sorted({s.symbol for s in study.report.dataset.sessions})
    client = connect(study.config.tracking.uri)
    client.update_run(run_id, name=name_run(study.config, overrides, symbols))
    names = [path.relative_to(folder).as_posix() for path in written]
    _log_tags(client, run_id, study, _describe_verdict(study, symbols, names) | tags)
    _log_metrics(client, run_id, study.report)
    _log_dataset(client, run_id, study)
    for path in written:
        inside = path.parent.relative_to(folder).as_posix()
        client.log_artifact(run_id, str(path), None if inside == "." else inside)
    import mlflow

    with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _log_model(study)


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


def _log_metrics(client: Any, run_id: str, report: Report) -> None:
    """Log every defined metric, stamped with the start of the run."""
    from mlflow.entities import Metric

    start = int(client.get_run(run_id).info.start_time)
    metrics = [Metric(m.name, m.value, start, m.step) for m in list_metrics(report) if m.value == m.value]
    for first in range(0, len(metrics), _MAX_BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + _MAX_BATCH])


def _log_dataset(client: Any, run_id: str, study: Study) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset, config = study.report.dataset, study.config
    digest = dataset.digest[:32]  # MLflow allows 36 characters; the tag dataset.digest has all 64
    source = Dataset(config.dataset.label, digest, source_type="ofiml", source=json.dumps(dataset.sources))
    client.log_inputs(run_id, [DatasetInput(source, [InputTag("mlflow.data.context", config.split.name)])])


def _log_model(study: Study) -> None:
    """Log the model of the last fold in MLflow's format: LightGBM's text or skops, never a pickle."""
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    pipeline = study.pipelines[-1]
    native = pipeline.model.native()
    if native is None:
        return
    example = pd.DataFrame(study.example, columns=pipeline.feature_names)
    signature = infer_signature(example, pipeline.model.predict(study.example))
    packages = provenance.list_versions()
    name = f"{study.config.model.name}-{study.config.ofi.name}"
    if type(native).__name__ == "Booster":
        requirements = [f"lightgbm=={packages['lightgbm']}"]
        mlflow.lightgbm.log_model(native, name=name, signature=signature, pip_requirements=requirements)
    else:
        requirements = [f"scikit-learn=={packages['scikit-learn']}"]
        mlflow.sklearn.log_model(
            native,
            name=name,
            signature=signature,
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=["numpy.dtype"],  # the imputer's; loading a dtype runs no code
        )
