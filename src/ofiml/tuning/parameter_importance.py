"""How much the tuning score depends on each parameter."""

import warnings
from typing import Any

from ofiml.tuning.library import optuna

_FEWEST = 4  # complete trials: a forest of fewer says nothing


def measure_parameter_importance(trials: list[Any], seed: int) -> dict[str, float] | None:
    """Measure each parameter's share of the score's variance over the complete trials, by fANOVA; they sum to 1.

    None where there is nothing to share out: too few complete trials, all of one score, or no parameter that varies.
    Source: Hutter, Hoos and Leyton-Brown (2014), "An Efficient Approach for Assessing Hyperparameter Importance", as
    Optuna has it.
    """
    library = optuna()
    complete = [t for t in trials if t.state == library.trial.TrialState.COMPLETE]
    if len(complete) < _FEWEST or len({t.value for t in complete}) == 1:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
        study = library.create_study(direction="maximize")
        study.add_trials(complete)
        try:
            shares = library.importance.FanovaImportanceEvaluator(seed=seed).evaluate(study)
        except RuntimeError:  # no tree of the forest found any variance
            return None
    whole = sum(shares.values())
    return {name: float(shares[name] / whole) for name in complete[0].params} if whole > 0 else None
