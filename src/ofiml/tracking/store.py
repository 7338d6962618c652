"""The MLflow side of the record, and the only room that knows MLflow."""

import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from ofiml import provenance
from ofiml.config import Config, Tracking, without_credentials
from ofiml.errors import ConfigError, DataError
from ofiml.reporting import controls as above
from ofiml.reporting.files import resolved
from ofiml.reporting.verdict import inputs, markdown
from ofiml.study.run import Study
from ofiml.tracking.migration import ensure_schema

FOLDS = "folds"  # metric: how many the split made
_PARAM_LIMIT = 6000
_ERROR_LIMIT = 1000
_MOST_BYTES = 1 << 30  # of a file that is fetched
_BATCH = 1000
_MODEL = re.compile(r"models/fold_[0-9]{2}(_[0-9]{2})?(_features|_calibration|_flat)?\.(json|txt)")
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def _client(uri: str) -> Any:
    import mlflow

    ensure_schema(uri)
    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(tracking_uri=uri)


def open_store(tracking: Tracking) -> str:
    """Id of the experiment, made if it is not there. Called before the study, so that a wrong uri costs no work.

    A fresh SQLite store is set up under a lock: processes that do so at once crash. Raises ConfigError if the store
    does not answer.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    lock = Path(tempfile.gettempdir()) / "ofiml-mlflow.lock"
    if tracking.uri.startswith("sqlite:///"):
        path = Path(tracking.uri.removeprefix("sqlite:///"))
        lock = path.with_name(path.name + ".lock")
        if not path.parent.is_dir():
            raise ConfigError(f"tracking.uri: the folder of {path} does not exist; make it, or give another uri.")
        if path.exists() and not _is_sqlite(path):
            raise ConfigError(f"tracking.uri: {path} is not a SQLite file; give another uri.")
        ensure_schema(tracking.uri)  # before the lock, which it takes itself
    try:
        with filelock.FileLock(lock):
            client = _client(tracking.uri)
            found = client.get_experiment_by_name(tracking.experiment)
            return str(found.experiment_id if found else client.create_experiment(tracking.experiment))
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        uri = without_credentials(tracking.uri)
        raise ConfigError(f"tracking.uri={uri} does not answer ({reason}): mend it, or use tracking=off.") from error


def _is_sqlite(path: Path) -> bool:
    """Whether the file begins as SQLite's do, or is empty, as a fresh store is."""
    with path.open("rb") as file:
        return file.read(15) in (b"", b"SQLite format 3")


@contextmanager
def opened(config: Config, experiment_id: str, tags: dict[str, str]) -> Iterator[str]:
    """The id of a run that is running, with its params, and ends as what happens inside does: FAILED or KILLED, with
    the sentence as its tag `error`, where an error goes on. `log` ends it as finished.
    """
    from mlflow.entities import Param, RunTag
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    client = _client(config.tracking.uri)
    run_id = str(client.create_run(experiment_id, run_name=_name(config)).info.run_id)
    try:
        params = [Param(k, v[:_PARAM_LIMIT]) for k, v in _flat_params(resolved(config)).items()]
        client.log_batch(run_id, params=params, tags=[RunTag(k, v) for k, v in (_of(config) | tags).items()])
        yield run_id
    except BaseException as error:
        told = str(error) if isinstance(error, ConfigError | DataError) else type(error).__name__
        with suppress(MlflowException, SQLAlchemyError, OSError):  # the first error is the one to tell
            client.set_tag(run_id, "error", told[:_ERROR_LIMIT])
            client.set_terminated(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def log_folds(config: Config, run_id: str, folds: int) -> None:
    """Logs how many folds a run that is `opened` has, each of which may be tuned: a run that is killed has no count of
    its trials, and its config may not say the folds.
    """
    _client(config.tracking.uri).log_metric(run_id, FOLDS, folds)


def log(study: Study, folder: Path, written: list[Path], run_id: str, tags: dict[str, str]) -> None:
    """Logs the study and the files it has `written` under `folder` to a run that is `opened`, and ends it."""
    symbols = "-".join(sorted({s["symbol"] for s in study.report.dataset["sessions"]}))
    client = _client(study.config.tracking.uri)
    client.update_run(run_id, name=f"{_name(study.config)}-{symbols}")
    _fill(client, run_id, study, folder, written, tags)


def _name(config: Config) -> str:
    kind = "" if config.target.kind == "forecast" else f"-{config.target.kind}"
    return f"{config.model.name}-{inputs(config).replace(' ', '')}{kind}-{_span(config)}-{config.dataset.label}"


def _of(config: Config) -> dict[str, str]:
    """What is known of a run before its study begins."""
    return {
        "kind": config.target.kind,
        "dataset": config.dataset.label,
        "ofi": config.ofi.name,
        "features": config.features.name,
        "model": config.model.name,
        "horizon": _span(config),
        "mlflow.source.name": "ofiml",
        "mlflow.source.type": "LOCAL",
    }


def _fill(client: Any, run_id: str, study: Study, folder: Path, written: list[Path], tags: dict[str, str]) -> None:
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag

    config, report = study.config, study.report
    commit, diff = provenance.git_state()
    now = int(client.get_run(run_id).info.start_time)
    described = {
        "dataset.digest": report.dataset["digest"],
        "predictions.sha256": report.predictions["sha256"],
        "git.commit": commit,
        "git.dirty": str(bool(diff)).lower(),
        **{f"version.{k}": v for k, v in provenance.versions().items()},
        "mlflow.note.content": markdown(study),
        "mlflow.source.git.commit": commit,
        **tags,
    }
    client.log_batch(run_id, tags=[RunTag(k, v) for k, v in described.items()])
    metrics = [Metric(k, v, now, step) for k, v, step in _metrics(study) if v == v]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
    digest = report.dataset["digest"][:32]  # MLflow holds 36 characters; the tag has all
    source = Dataset(config.dataset.label, digest, source_type="ofiml", source=json.dumps(report.dataset["sources"]))
    client.log_inputs(run_id, [DatasetInput(source, [InputTag("mlflow.data.context", config.split.name)])])
    for path in written:
        inside = path.parent.relative_to(folder).as_posix()
        client.log_artifact(run_id, str(path), None if inside == "." else inside)
    if diff:
        client.log_text(run_id, diff, "git.diff")
    with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _log_model(study)


def logged(run_id: str, uri: str, folder: Path, *, models: bool = False) -> tuple[Path, Path]:
    """Fetches (config.yaml, report.json) of a logged run into `folder`; with `models` also predictions.parquet and what
    lies in models, under their own names.

    Raises ConfigError for what is not a run id, or a run that is not there or holds no study.
    """
    from mlflow.exceptions import MlflowException

    if _RUN_ID.fullmatch(run_id) is None:
        raise ConfigError(f"{run_id!r} is not an MLflow run id: 32 hexadecimal digits, as the run printed at its end.")
    client = _client(uri)
    try:
        names = {item.path for item in client.list_artifacts(run_id)}
        if not {"config.yaml", "report.json"} <= names:
            raise ConfigError(f"Run {run_id} holds no config.yaml and report.json: it is not a finished ofiml study.")
        wanted = ["config.yaml", "report.json"]
        if models:
            listed = [item.path for item in client.list_artifacts(run_id, "models")]
            wanted += ["predictions.parquet", *(path for path in listed if _MODEL.fullmatch(path))]
        paths = [Path(client.download_artifacts(run_id, name, str(folder))) for name in wanted]
    except MlflowException as error:
        raise ConfigError(f"Run {run_id} cannot be read from {without_credentials(uri)}: {error.message}") from error
    return paths[0], paths[1]


@dataclass(frozen=True, slots=True)
class Listed:
    """What MLflow says of a run, as its writer, who may be anyone, put it there."""

    run_id: str
    name: str
    status: str
    deleted: bool
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]


def listed(experiment: str, uri: str) -> list[Listed]:
    """All runs of the experiment, the first first: finished, failed, running, killed and deleted ones.

    Raises ConfigError where there is no such store or experiment.
    """
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise ConfigError(f"There is no store at {uri}: say with --uri where the runs were logged.")
    client = _client(uri)
    try:
        found = client.get_experiment_by_name(experiment)
        if found is None:
            raise ConfigError(f"There is no experiment {experiment!r} in {without_credentials(uri)}.")
        runs, token = [], None
        while True:
            some = client.search_runs([found.experiment_id], "", ViewType.ALL, 1000, ["attributes.start_time"], token)
            runs += some
            token = some.token
            if not token:
                break
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ConfigError(f"{without_credentials(uri)} cannot be read: {str(error).splitlines()[0]}") from error
    return [
        Listed(
            str(run.info.run_id),
            str(run.info.run_name),
            str(run.info.status),
            run.info.lifecycle_stage == "deleted",
            dict(run.data.params),
            dict(run.data.tags),
            dict(run.data.metrics),
        )
        for run in runs
    ]


def fetched(run_id: str, uri: str, folder: Path, names: list[str]) -> dict[str, Path]:
    """Those of the files `names` that the run holds at its top, fetched into `folder`. Raises ConfigError for one of
    more than 1 GiB, or where the store does not give it.
    """
    from mlflow.exceptions import MlflowException

    client = _client(uri)
    try:
        held = {item.path: item.file_size for item in client.list_artifacts(run_id) if not item.is_dir}
        for name in names:
            if (held.get(name) or 0) > _MOST_BYTES:
                raise ConfigError(f"The {name} of run {run_id} is larger than {_MOST_BYTES >> 30} GiB.")
        return {n: Path(client.download_artifacts(run_id, n, str(folder))) for n in names if n in held}
    except (MlflowException, OSError) as error:
        raise ConfigError(f"The files of run {run_id} cannot be read: {str(error).splitlines()[0]}") from error


def _span(config: Config) -> str:
    return config.horizon.label if config.target.kind == "forecast" else config.bars.label


def _flat_params(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {
            k2: v2 for k, v in value.items() for k2, v2 in _flat_params(v, f"{path}.{k}" if path else str(k)).items()
        }
    return {path: str(value)}


def _metrics(study: Study) -> list[tuple[str, float, int]]:
    """(name, value, step) of all numbers worth comparing; the step of a fold's metric is the fold."""
    report = study.report
    out: list[tuple[str, float, int]] = []
    for name, m in report.metrics["pooled"].items():
        out += [
            (f"pooled/{name}", m["value"], 0),
            (f"pooled/{name}_low", m["low"], 0),
            (f"pooled/{name}_high", m["high"], 0),
        ]
    hac = report.metrics["hac"]
    out += [("hac/slope", hac["slope"]["value"], 0)]
    out += [(f"hac/{of}_{k}", hac[of][k], 0) for of in ("ic", "slope") for k in ("t", "p")]
    out += [
        (f"symbol/{one['symbol']}/{k}", one[k], 0) for one in report.metrics.get("symbols", []) for k in ("ic", "q")
    ]
    for f in report.metrics["folds"]:
        out += [(f"fold/{k}", v, f["fold"]) for k, v in f.items() if k not in ("fold", "rows")]
    for p in report.metrics.get("paths", []):
        out += [(f"path/{k}", v, p["path"]) for k, v in p.items() if k not in ("path", "rows")]
    if report.impact:
        out.append(("impact/r2_window_mean", report.impact["r2_window_mean"], 0))
        out += [("impact/r2_window", v, i) for i, v in enumerate(report.impact["r2_windows"])]
    if report.backtest:
        out += [(f"backtest/{k}", float(v), 0) for k, v in report.backtest.items() if isinstance(v, int | float)]
        for p in report.backtest.get("paths", []):
            out += [(f"path/backtest/{k}", float(v), p["path"]) for k, v in p.items() if k != "path"]
        for name, over in report.backtest.get("spread", {}).items():
            out += [(f"paths/{name}_{k}", v, 0) for k, v in over.items()]
    out.append(("tuning/trials", float(sum(len(tuned["trials"]) for tuned in report.tuning)), 0))
    for tuned in report.tuning:
        out += [(f"tuned/{k}", float(v), tuned["fold"]) for k, v in tuned["best"].items()]
        for state in ("complete", "pruned", "failed"):
            count = sum(trial["state"] == state for trial in tuned["trials"])
            out.append((f"tuning/{state}", float(count), tuned["fold"]))
    if report.seeds:
        out += [(f"seed/{k}", v, i) for i, r in enumerate(report.seeds["runs"]) for k, v in r.items() if k != "seed"]
        out += [(f"seeds/{k}_{what}", v, 0) for k, m in report.seeds["measures"].items() for what, v in m.items()]
    out += [(f"oracle/{k}", float(v), 0) for k, v in report.metrics.get("oracle", {}).items()]
    out += above.metrics(report.controls)
    for fate in ("dropped", "kept"):
        out += [(f"dataset/{fate}/{cause}", float(v), 0) for cause, v in report.dataset[fate].items()]
    for part in report.strata:
        name = re.sub(r"[^\w. -]", "_", part["stratum"])
        out += [(f"strata/{part['kind']}/{name}/ic", part["ic"], 0)] * (part["kind"] not in ("fold", "session"))
    for horizon in report.decay or []:
        out.append((f"decay/{horizon['multiple']:g}", horizon["ic"], 0))
    for event, curve in (report.reliability or {}).items():
        out += [(f"reliability/{event}/{k}", float(v), 0) for k, v in curve.items() if k not in ("rows", "curve")]
    found = report.explained
    out += [(f"family/{f['family']}/share", f["share"], 0) for f in found["families"]]
    if found["permutation"]:
        out.append(("permutation/agreement", found["permutation"]["agreement"], 0))
        out += [(f"permutation/{e['feature']}/drop_r2", e["drop_r2"], 0) for e in found["permutation"]["features"]]
    out.append(("importance/stability", report.importance_stability, 0))
    out += [(f"seconds/{k}", v, 0) for k, v in report.runtime["seconds"].items()]
    out += [("dataset/events", float(report.dataset["events"]), 0), ("dataset/rows", float(report.rows["used"]), 0)]
    return out


def _log_model(study: Study) -> None:
    """The last fold's model in MLflow's own format: LightGBM's text or skops, never a pickle."""
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    pipeline = study.pipelines[-1]
    native = pipeline.model.native()
    if native is None:
        return
    example = pd.DataFrame(study.example, columns=pipeline.feature_names)
    signature = infer_signature(example, pipeline.model.predict(study.example))
    packages = provenance.versions()
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
            skops_trusted_types=["numpy.dtype"],  # the imputer's; a dtype runs nothing
        )
