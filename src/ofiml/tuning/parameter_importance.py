"""The importance of each parameter for the tuning score."""

import warnings
from typing import Any

from ofiml.tuning.library import import_optuna

_MIN_TRIALS = 4  # complete trials; with fewer, the forest is not informative


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
