"""Tuning inside a fold: Optuna on purged inner folds of the train rows, resumable to the bit.

The journal's name is a hash of all that the result depends on, so a killed run finds its finished trials, and a changed
one does not. Each trial's sampler is seeded by its place among the finished trials, so that a resumed study
suggests what an uninterrupted one would have.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ofiml import evaluation, models, ofi, splits
from ofiml.config import Model as ModelConfig
from ofiml.config import Ofi, Range, Tuning, WalkForward
from ofiml.errors import ConfigError, DataError
from ofiml.evaluation.metrics import log_loss, r2
from ofiml.models.registry import build
from ofiml.ofi.reduce import reducer
from ofiml.splits.inner import Inner
from ofiml.splits.walk_forward import Intervals

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Train:
    """A fold's train rows: flow (n, levels), other features (n, k), labels (n,) and their intervals."""

    flow: Float
    others: Float
    y: Float
    rows: Intervals


@dataclass(frozen=True, slots=True)
class Tuned:
    """The model config with the best parameters, and each trial's parameters and inner scores."""

    model: ModelConfig
    trials: list[dict[str, Any]]


def tune(
    train: Train,
    ofi: Ofi,
    model: ModelConfig,
    split: WalkForward,
    config: Tuning,
    *,
    form: str,
    seed: int,
    step: Callable[[], None],
) -> Tuned:
    """The best of `config.trials` parameter sets in `model.space`, the first being the config's own.

    A trial's score is the mean over purged inner folds of the R² against the inner train mean (for a direction, minus
    the log loss); a trial whose score is not a number fails and ends nothing. `step` is called once a trial.
    Raises DataError if every trial failed.
    """
    import optuna
    from filelock import FileLock
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    inner = _inner_folds(train, ofi, split, config.inner_folds)
    types = {f.name: f.type for f in fields(model)}
    space: dict[str, BaseDistribution] = {}
    for name, r in model.space.items():
        if types[name] is int:
            space[name] = IntDistribution(int(r.low), int(r.high), log=r.log)
        else:
            space[name] = FloatDistribution(r.low, r.high, log=r.log)

    folder = Path(config.storage)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"tuning.storage={config.storage} cannot be a folder: {error.strerror}.") from error
    key = _key(train, ofi, model, split, config.inner_folds, form, seed)
    with FileLock(folder / f"{key}.lock"), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        journal = folder / f"{key}.journal"
        _cut_torn_line(journal)
        storage = JournalStorage(JournalFileBackend(str(journal)))
        study = optuna.create_study(storage=storage, study_name=key, direction="maximize", load_if_exists=True)
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)  # left by a run that was killed
        done = (TrialState.COMPLETE, TrialState.PRUNED)
        finished = len(study.get_trials(states=done))
        for _ in range(min(finished, config.trials)):
            step()
        for number in range(finished, config.trials):
            study.sampler = optuna.samplers.TPESampler(seed=seed + number, n_startup_trials=5)
            if number == 0 and not study.get_trials(states=(TrialState.WAITING,)):
                study.enqueue_trial({k: _clipped(getattr(model, k), r) for k, r in model.space.items()})
            trial = study.ask(space)
            try:
                scores = _scores(replace(model, **trial.params), inner, form, seed)
            except DataError:  # an inner fold whose labels leave nothing to learn
                scores = [float("nan")]
            trial.set_user_attr("scores", scores)
            score = float(np.mean(scores))
            # A pruned trial keeps its place, so that a resumed study counts as an uninterrupted one does.
            study.tell(trial, score) if np.isfinite(score) else study.tell(trial, state=TrialState.PRUNED)
            step()
        first = study.get_trials(states=done)[: config.trials]

    ended = [t for t in first if t.state == TrialState.COMPLETE and t.value is not None]
    if not ended:
        raise DataError(f"All {config.trials} tuning trials failed on this fold: give more data, or tuning=off.")
    best = max(ended, key=lambda t: t.value)  # the earliest of equals
    trials = [{"params": t.params, "score": t.value, "scores": t.user_attrs.get("scores")} for t in first]
    return Tuned(replace(model, **best.params), trials)


def _cut_torn_line(journal: Path) -> None:
    """A machine that stops in the middle of a write leaves half a line, which no one could read past."""
    content = journal.read_bytes() if journal.exists() else b""
    if content and not content.endswith(b"\n"):
        journal.write_bytes(content[: content.rfind(b"\n") + 1])


def _clipped(value: int | float, r: Range) -> int | float:
    return type(value)(min(max(value, r.low), r.high))


Held = tuple[Float, Float, Inner, Float, Float]


def _inner_folds(train: Train, config: Ofi, split: WalkForward, folds: int) -> list[Held]:
    """(x, y, rows) of train and (x, y) of validation per inner fold; the reduction learns on the inner train rows."""
    inner, rows = [], Inner(train.rows, split.embargo_ns)
    for fold in rows.folds(folds, key="tuning.inner_folds"):
        fitted = reducer(config, train.flow.shape[1]).fit(train.flow[fold.train], train.y[fold.train])
        x = [np.hstack([fitted.transform(train.flow[rows]), train.others[rows]]) for rows in (fold.train, fold.test)]
        inner.append((x[0], train.y[fold.train], rows.take(fold.train), x[1], train.y[fold.test]))
    return inner


def _scores(model: ModelConfig, inner: list[Held], form: str, seed: int) -> list[float]:
    scores = []
    for x, y, rows, x_test, y_test in inner:
        y_hat = build(model, form=form, seed=seed).fit(x, y, rows).predict(x_test)
        if form == "direction":
            scores.append(-log_loss(y_test, y_hat))
        else:
            scores.append(r2(y_test, y_hat, np.full(len(y_test), y.mean())))
    return scores


def _key(train: Train, config: Ofi, model: ModelConfig, split: WalkForward, folds: int, form: str, seed: int) -> str:
    digest = hashlib.sha256()
    rows = train.rows
    for array in (train.flow, train.others, train.y, rows.first_used, rows.label_start, rows.label_end):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    versions = [metadata.version(p) for p in ("lightgbm", "optuna", "scikit-learn", "numpy")]
    digest.update(repr((config, model, split.embargo_ns, folds, form, seed, versions)).encode())
    for package in (evaluation, models, ofi, splits):
        for source in sorted(Path(package.__path__[0]).glob("*.py")):
            digest.update(source.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:32]
