"""One fold's study, from its train rows to the best parameters.

The study's name is a hash of all that its trials depend on, so that a killed run finds those that it finished, and a
changed one does not.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from ofiml._typing import TaskType, TrialState
from ofiml.config import Model as ModelConfig
from ofiml.config import Ofi, Split, Tuning
from ofiml.config.model import KINDS
from ofiml.errors import DataError, locate_error
from ofiml.models.registry import build_model
from ofiml.provenance import code_identity
from ofiml.tuning.inner import InnerFold, Train, build_inner_folds, evaluate
from ofiml.tuning.parameter_importance import measure_parameter_importance
from ofiml.tuning.slots import Slots
from ofiml.tuning.suggest import Generation, space_distributions

_POLL = 0.05  # seconds between two looks at what others are at


@dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial's parameters, what became of it, and the scores of the inner folds that it got through; `score` is their
    mean, None unless the trial is complete.
    """

    params: dict[str, int | float]
    state: TrialState
    score: float | None
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Tuned:
    """The model config with the best parameters, each trial, and each parameter's share of the score's variance (None
    where there is none to share out).
    """

    model: ModelConfig
    trials: list[TrialResult]
    importance: dict[str, float] | None


def tune(
    train: Train,
    ofi: Ofi,
    model: ModelConfig,
    split: Split,
    config: Tuning,
    *,
    task: TaskType,
    seed: int,
    fold: int,
    step: Callable[[], None],
    threads: int = 1,
) -> Tuned:
    """Find the best of `config.trials` parameter sets in `model.space`, the first being the config's own; the trials
    follow from the rows, `seed` and the number `fold`.

    Processes that tune on the same rows with the same settings share one study, and resume the trials of killed runs.
    `step` is called once a trial. Raises DataError if no trial is complete.
    """
    inner = build_inner_folds(train, ofi, split.embargo_ns, config.inner_folds)
    key = _key(train, ofi, model, split, config, task, (seed, fold))
    slots = Slots(Path(config.storage) / key, config.generation, space_distributions(model), config.inner_folds)
    reported, guard = 0, threading.Lock()

    def report_finished(finished: int) -> None:
        nonlocal reported
        with guard:
            for _ in range(reported, finished):
                step()
            reported = max(reported, finished)

    def work() -> None:
        _run_trials(slots, inner, model, config, task, seed, fold, report_finished)

    joblib.Parallel(n_jobs=threads, prefer="threads")(joblib.delayed(work)() for _ in range(threads))
    trials = [trial for place, trial in slots.finished().items() if place < config.trials]
    complete = [t for t in trials if t.user_attrs["state"] == "complete"]
    if not complete:
        failed = f"all {config.trials} tuning trials failed"
        _raise_first_failure(model.with_params(trials[0].params), inner, task, seed, failed)
        raise DataError(f"{failed}: no score is finite. Give more data, or use tuning=off.")
    best = max(complete, key=lambda t: t.value)  # the earliest of equals
    return Tuned(
        model=model.with_params(best.params),
        trials=[TrialResult(t.params, t.user_attrs["state"], t.value, t.user_attrs["scores"]) for t in trials],
        importance=measure_parameter_importance(trials, seed),
    )


def _raise_first_failure(model: ModelConfig, inner: list[InnerFold], task: TaskType, seed: int, failed: str) -> None:
    """Raise the DataError of the first inner fold on which the model cannot be fitted, if there is one."""
    for index, fold in enumerate(inner):
        with locate_error(f"{failed}; inner fold {index} of tuning.inner_folds"):
            build_model(model, task=task, seed=seed, features=fold.names).fit(fold.x, fold.y, fold.rows)


def _run_trials(
    slots: Slots,
    inner: list[InnerFold],
    model: ModelConfig,
    config: Tuning,
    task: TaskType,
    seed: int,
    fold: int,
    report_finished: Callable[[int], None],
) -> None:
    """Run places, one generation after the other, until all are finished by this or other processes."""
    while True:
        finished = slots.finished()
        places = [place for place in range(config.trials) if place not in finished]
        report_finished(config.trials - len(places))
        if not places:
            return
        first = places[0] - places[0] % config.generation
        before = [trial for place, trial in finished.items() if place < first]
        generation = Generation(model, before, config, seed, fold)
        for place in (p for p in places if p < first + config.generation):
            with slots.claim(place) as ours:
                if not ours:
                    continue
                params = generation.suggest(place)
                outcome = evaluate(
                    model.with_params(params), inner, task=task, seed=seed, should_prune=generation.should_prune
                )
                slots.add(generation.finished(place, params, outcome))
                break
        else:  # others are at all that is left of this generation
            time.sleep(_POLL)


def _key(
    train: Train, ofi: Ofi, model: ModelConfig, split: Split, config: Tuning, task: TaskType, seeds: tuple[int, int]
) -> str:
    digest = hashlib.sha256()
    rows = train.rows
    for array in (train.flow, train.others, train.y, rows.first_used, rows.label_start, rows.label_end):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    settings = (config.inner_folds, config.generation, config.pruning)
    made = code_identity("lightgbm", "numpy", "optuna", "scikit-learn", "scipy")
    made = [*made, *filter(None, map(KINDS.source_digest, KINDS.list_installed()))]
    digest.update(
        repr((ofi, model, split.embargo_ns, settings, task, seeds, train.dead_band, train.columns, made)).encode()
    )
    return digest.hexdigest()[:32]
