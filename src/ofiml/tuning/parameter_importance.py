"""The importance of each parameter for the tuning score."""

import hashlib
import json
import warnings
from collections.abc import Collection
from typing import Any

from ofiml.tuning.library import import_optuna
from ofiml.tuning.slots import Slots

_MIN_TRIALS = 4  # complete trials; with fewer, the forest is not informative


def recall_importance(slots: Slots, trials: list[Any], seed: int) -> dict[str, float] | None:
    """Return what `measure_parameter_importance` returns: from the note of the study, if that is of these trials, else
    measured and noted there. The forest takes as long as several fits, and a repeated run has the same trials.
    """
    source = _hash([seed, [t.user_attrs["sha256"] for t in trials]])
    note = slots.read_note()
    if _is_note(note, source, trials[0].params.keys()):
        shares: dict[str, float] | None = note["shares"]
        return shares
    measured = measure_parameter_importance(trials, seed)
    slots.write_note({"source": source, "shares": measured, "sha256": _hash([source, measured])})
    return measured


def _is_note(note: Any, source: str, names: Collection[str]) -> bool:
    """Return whether a value, perhaps a stranger's, is the note on the trials with the hash `source`."""
    if not isinstance(note, dict) or note.keys() != {"source", "shares", "sha256"} or note["source"] != source:
        return False
    shares = note["shares"]
    if shares is not None and not (
        isinstance(shares, dict) and shares.keys() == set(names) and all(map(_is_share, shares.values()))
    ):
        return False
    return bool(note["sha256"] == _hash([source, shares]))


def _is_share(value: Any) -> bool:
    return type(value) is float and 0 <= value <= 1


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def measure_parameter_importance(trials: list[Any], seed: int) -> dict[str, float] | None:
    """Measure each parameter's share of the variance of the score over the complete trials by fANOVA (Hutter, Hoos &
    Leyton-Brown 2014, in Optuna's implementation). Shares sum to 1.

    None with fewer than 4 complete trials, with equal scores, or if no parameter varies.
    """
    library = import_optuna()
    complete = [t for t in trials if t.state == library.trial.TrialState.COMPLETE]
    if len(complete) < _MIN_TRIALS or len({t.value for t in complete}) == 1:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
        study = library.create_study(direction="maximize")
        study.add_trials(complete)
        try:
            shares = library.importance.FanovaImportanceEvaluator(seed=seed).evaluate(study)
        except RuntimeError:  # the forest has no variance to explain
            return None
    total = sum(shares.values())
    return {name: float(shares[name] / total) for name in complete[0].params} if total > 0 else None
