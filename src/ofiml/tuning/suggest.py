"""Suggestion and pruning of trials as functions of earlier trials.

The parameters of a place depend only on the finished trials of earlier generations, the seed and the fold. They do not
depend on the process or on the order of completion.
"""

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ofiml.config import Model as ModelConfig
from ofiml.config import Range, Tuning
from ofiml.tuning.inner import Outcome
from ofiml.tuning.library import import_optuna

if TYPE_CHECKING:
    from optuna.distributions import FloatDistribution, IntDistribution

Space = dict[str, "IntDistribution | FloatDistribution"]  # by parameter name

_STARTUP_TRIALS = 4  # complete trials before they guide suggestions and pruning


def build_distributions(model: ModelConfig) -> Space:
    """Build Optuna's distribution of each parameter in the model's space."""
    kinds = import_optuna().distributions
    types = model.list_numeric_fields()
    return {
        name: kinds.IntDistribution(int(r.low), int(r.high), log=r.log)
        if types[name] is int
        else kinds.FloatDistribution(r.low, r.high, log=r.log)
        for name, r in model.space.items()
    }


class Generation:
    """One generation of places of the fold number `fold`. It depends on the finished trials `before` it, in the order
    of their places.
    """

    def __init__(self, model: ModelConfig, before: list[Any], config: Tuning, seed: int, fold: int) -> None:
        self.model, self.before, self.config, self.seed, self.fold = model, before, config, seed, fold
        self.space = build_distributions(model)

    def suggest(self, place: int) -> dict[str, int | float]:
        """Suggest the parameters of a place; place 0 has those of the config, clipped to the space."""
        if place == 0:
            return {k: _clip(getattr(self.model, k), r) for k, r in self.model.space.items()}
        # A SeedSequence, not a sum: with sums, one seed's search would equal the next seed's, shifted by a place, and
        # folds would share draws.
        state = np.random.SeedSequence([self.seed, self.fold, place]).generate_state(1)
        sampler = import_optuna().samplers.TPESampler(seed=int(state[0]), n_startup_trials=_STARTUP_TRIALS)
        study = import_optuna().create_study(direction="maximize", sampler=sampler)
        study.add_trials(self.before)
        return dict(study.ask(self.space).params)

    def should_prune(self, scores: list[float]) -> bool:
        """Test whether the mean of the scores so far lies below the median of the earlier trials at that step."""
        if self.config.pruning == "off":
            return False
        step = len(scores) - 1
        # Pass this step alone: Optuna uses the best value over all steps, and an easy first fold would hide later ones.
        now = import_optuna().trial.create_trial(
            state=import_optuna().trial.TrialState.RUNNING, intermediate_values={step: float(np.mean(scores))}
        )
        study = import_optuna().create_study(direction="maximize")
        study.add_trials(self.before)
        return bool(import_optuna().pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS).prune(study, now))

    def build_record(self, place: int, params: dict[str, int | float], outcome: Outcome) -> Any:
        """Build the journal's record of a finished trial."""
        return build_frozen_trial(self.space, place, params, outcome)


def build_frozen_trial(space: Space, place: int, params: dict[str, int | float], outcome: Outcome) -> Any:
    """Build Optuna's frozen trial; its intermediate values are the means of the scores so far. Raises ValueError for
    parameters that differ from those of the space or lie outside it.
    """
    trial = import_optuna().trial
    states = {"complete": trial.TrialState.COMPLETE, "pruned": trial.TrialState.PRUNED, "failed": trial.TrialState.FAIL}
    means = {step: float(np.mean(outcome.scores[: step + 1])) for step in range(len(outcome.scores))}
    return trial.create_trial(
        state=states[outcome.state],
        value=outcome.score,
        params=params,
        distributions=space,
        user_attrs={
            "place": place,
            "state": outcome.state,
            "scores": outcome.scores,
            "sha256": _seal(place, outcome.state, outcome.scores, params),
        },
        intermediate_values=means,
    )


def read_trial(trial: Any, space: Space, inner_folds: int) -> Any:
    """Read place, state, scores and parameters of a frozen trial from a journal. Raises ValueError for content that no
    study with this space and this number of inner folds writes, and for one without the hash of its content: a changed
    digit would be another result.
    """
    place, state, scores = (trial.user_attrs.get(key) for key in ("place", "state", "scores"))
    lengths = {"complete": [inner_folds], "pruned": range(1, inner_folds), "failed": range(inner_folds)}
    is_valid = (
        type(place) is int
        and place >= 0
        and isinstance(state, str)
        and state in lengths
        and isinstance(scores, list)
        and all(type(score) is float and math.isfinite(score) for score in scores)
        and len(scores) in lengths[state]
        and all(_is_inside(trial.params.get(name), d) for name, d in space.items())
        and trial.user_attrs.get("sha256") == _seal(place, state, scores, trial.params)
    )
    if not is_valid:
        raise ValueError("no trial of this study")
    return build_frozen_trial(space, place, trial.params, Outcome(state, scores))


def _seal(place: int, state: str, scores: list[float], params: dict[str, int | float]) -> str:
    """Hash a trial and its result."""
    return hashlib.sha256(json.dumps([place, state, scores, sorted(params.items())]).encode()).hexdigest()


def _is_inside(value: Any, distribution: Any) -> bool:
    is_integer = isinstance(distribution, import_optuna().distributions.IntDistribution)
    return type(value) is (int if is_integer else float) and distribution.low <= value <= distribution.high


def _clip(value: int | float, r: Range) -> int | float:
    return type(value)(min(max(value, r.low), r.high))
