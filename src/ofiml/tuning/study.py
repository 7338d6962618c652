"""The tuning study of one fold, from its train rows to the best parameters.

The name of the study is a hash of everything that its trials depend on. A restarted run therefore finds the trials that
a killed run finished, and a changed run does not.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ofiml._typing import TaskType, TrialState
from ofiml.config import Model as ModelConfig
from ofiml.config import Ofi, Split, Tuning
from ofiml.config.model import KINDS
from ofiml.errors import DataError, locate_error
from ofiml.models.registry import build_model
from ofiml.parallel import Workers, run_pieces
from ofiml.provenance import identify_code
from ofiml.tuning.inner import InnerFold, TrainRows, build_inner_folds, evaluate
from ofiml.tuning.parameter_importance import recall_importance
from ofiml.tuning.places import open_slots
from ofiml.tuning.slots import Slots
from ofiml.tuning.suggest import Generation, build_distributions


@dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial: its parameters, its state, and the scores of the inner folds that it completed. `score` is their mean,
    None unless the trial is complete.
    """

    params: dict[str, int | float]
    state: TrialState
    score: float | None
    scores: list[float]


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The model config with the best parameters, all trials, and the importance of each parameter: its share of the
    score's variance, None where it is not defined.
    """

    model: ModelConfig
    trials: list[TrialResult]
    importance: dict[str, float] | None


def tune(
    train: TrainRows,
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
) -> TuningResult:
    """Find the best of `config.trials` parameter sets in `model.space`. The first set is the config's own; the trials
    depend only on the rows, the settings, `seed` and the number `fold`.

    Processes that tune on the same rows with the same settings share one study, and continue that of a killed run.
    `step` is called once per trial. Raises DataError if no trial is complete, or if the place of the trials is lost.
    """
    inner = build_inner_folds(train, ofi, split.embargo_ns, config.inner_folds)
    key = _hash_inputs(train, ofi, model, split, config, task, (seed, fold))
    step_count, guard = 0, threading.Lock()

    def report_finished(count: int) -> None:
        nonlocal step_count
        with guard:
            for _ in range(step_count, count):
                step()
            step_count = max(step_count, count)

    with open_slots(config, key, build_distributions(model)) as slots:

        def work(_: int) -> None:
            _run_trials(slots, inner, model, config, task, seed, fold, report_finished)

        run_pieces(work, range(threads), Workers(threads))  # threads, which share the rows
        trials = [trial for place, trial in slots.read_finished().items() if place < config.trials]
        complete = [t for t in trials if t.user_attrs["state"] == "complete"]
        if not complete:
            failure = f"all {config.trials} tuning trials failed"
            _raise_first_failure(model.with_params(trials[0].params), inner, task, seed, failure)
            raise DataError(f"{failure}: no score is finite. Give more data, or use tuning=off.")
        importance = recall_importance(slots, trials, seed)
    best = max(complete, key=lambda t: t.value)  # the earliest of equal trials
    return TuningResult(
        model=model.with_params(best.params),
        trials=[TrialResult(t.params, t.user_attrs["state"], t.value, t.user_attrs["scores"]) for t in trials],
        importance=importance,
    )


def _raise_first_failure(model: ModelConfig, inner: list[InnerFold], task: TaskType, seed: int, failure: str) -> None:
    """Raise the DataError of the first inner fold on which the model cannot be fitted, if there is one."""
    for index, fold in enumerate(inner):
        with locate_error(f"{failure}; inner fold {index} of tuning.inner_folds"):
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
    """Run places, generation by generation, until this and other processes have finished all of them."""
    while True:
        finished = slots.read_finished()
        places = [place for place in range(config.trials) if place not in finished]
        report_finished(config.trials - len(places))
        if not places:
            return
        first = places[0] - places[0] % config.generation
        before = [trial for place, trial in finished.items() if place < first]
        generation = Generation(model, before, config, seed, fold)
        for place in (p for p in places if p < first + config.generation):
            with slots.claim(place) as is_claimed:
                if not is_claimed:
                    continue
                params = generation.suggest(place)
                outcome = evaluate(
                    model.with_params(params), inner, task=task, seed=seed, should_prune=generation.should_prune
                )
                slots.add(generation.build_record(place, params, outcome))
                break
        else:  # other processes run the remaining places of this generation
            time.sleep(slots.poll_seconds)


def _hash_inputs(
    train: TrainRows, ofi: Ofi, model: ModelConfig, split: Split, config: Tuning, task: TaskType, seeds: tuple[int, int]
) -> str:
    digest = hashlib.sha256()
    rows = train.rows
    for array in (train.flow, train.others, train.y, rows.first_used, rows.label_start, rows.label_end):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    settings = (config.inner_folds, config.generation, config.pruning)
    code = identify_code("lightgbm", "numpy", "optuna", "scikit-learn", "scipy")
    code = [*code, *filter(None, map(KINDS.source_digest, KINDS.list_installed()))]
    digest.update(
        repr((ofi, model, split.embargo_ns, settings, task, seeds, train.dead_band, train.columns, code)).encode()
    )
    return digest.hexdigest()[:32]
