"""Suggest and prune trials as a function of the trials before: a place's parameters follow from the
finished trials of earlier generations, the study's seed and the fold alone, whatever the process and the order of
completion.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ofiml.config import Model as ModelConfig
from ofiml.config import Range, Tuning
from ofiml.tuning.inner import Outcome
from ofiml.tuning.library import optuna

if TYPE_CHECKING:
    from optuna.distributions import FloatDistribution, IntDistribution

Space = dict[str, "IntDistribution | FloatDistribution"]  # by parameter

_STARTUP = 4  # complete trials before any is suggested by what they say, or given up for it


def space_distributions(model: ModelConfig) -> Space:
    """Build Optuna's distribution of each parameter in the model's space."""
    kinds = optuna().distributions
    types = model.list_numeric_fields()
    return {
        name: kinds.IntDistribution(int(r.low), int(r.high), log=r.log)
        if types[name] is int
        else kinds.FloatDistribution(r.low, r.high, log=r.log)
        for name, r in model.space.items()
    }


class Generation:
    """The places of one generation of the fold number `fold`, which know the finished trials `before` it, in the order
    of their places.
    """

    def __init__(self, model: ModelConfig, before: list[Any], config: Tuning, seed: int, fold: int) -> None:
        self.model, self.before, self.config, self.seed, self.fold = model, before, config, seed, fold
        self.space = space_distributions(model)

    def suggest(self, place: int) -> dict[str, int | float]:
        """Suggest the place's parameters; the first place has the config's own."""
        if place == 0:
            return {k: _clipped(getattr(self.model, k), r) for k, r in self.model.space.items()}
        # Of sums of them, the search of a seed would be that of the next one, a place later, and every fold's the same.
        drawn = np.random.SeedSequence([self.seed, self.fold, place]).generate_state(1)
        sampler = optuna().samplers.TPESampler(seed=int(drawn[0]), n_startup_trials=_STARTUP)
        study = optuna().create_study(direction="maximize", sampler=sampler)
        study.add_trials(self.before)
        return dict(study.ask(self.space).params)

    def should_prune(self, scores: list[float]) -> bool:
        """Return whether the mean of the scores so far lies below the median of the earlier trials at that step."""
        if self.config.pruning == "off":
            return False
        step = len(scores) - 1
        # Of this step alone: Optuna would take the best of all, and an easy first fold would shield what follows.
        now = optuna().trial.create_trial(
            state=optuna().trial.TrialState.RUNNING, intermediate_values={step: float(np.mean(scores))}
        )
        study = optuna().create_study(direction="maximize")
        study.add_trials(self.before)
        return bool(optuna().pruners.MedianPruner(n_startup_trials=_STARTUP).prune(study, now))

    def finished(self, place: int, params: dict[str, int | float], outcome: Outcome) -> Any:
        """Build the journal's record of a finished trial."""
        return build_frozen_trial(self.space, place, params, outcome)


def build_frozen_trial(space: Space, place: int, params: dict[str, int | float], outcome: Outcome) -> Any:
    """Build Optuna's frozen trial; its intermediate values are the means of the scores so far. Raises ValueError for
    parameters that are not, or not all, those of the space, or lie outside it.
    """
    trial = optuna().trial
    states = {"complete": trial.TrialState.COMPLETE, "pruned": trial.TrialState.PRUNED, "failed": trial.TrialState.FAIL}
    means = {step: float(np.mean(outcome.scores[: step + 1])) for step in range(len(outcome.scores))}
    return trial.create_trial(
        state=states[outcome.state],
        value=outcome.score,
        params=params,
        distributions=space,
        user_attrs={"place": place, "state": outcome.state, "scores": outcome.scores},
        intermediate_values=means,
    )


def read_trial(trial: Any, space: Space, inner_folds: int) -> Any:
    """Read a frozen trial from a journal: its place, its state, its scores and its
    parameters. Raises ValueError for what no study of this space and so many inner folds writes.
    """
    place, state, scores = (trial.user_attrs.get(key) for key in ("place", "state", "scores"))
    lengths = {"complete": [inner_folds], "pruned": range(1, inner_folds), "failed": range(inner_folds)}
    sound = (
        type(place) is int
        and place >= 0
        and isinstance(state, str)
        and state in lengths
        and isinstance(scores, list)
        and all(type(score) is float and math.isfinite(score) for score in scores)
        and len(scores) in lengths[state]
        and all(_fits(trial.params.get(name), d) for name, d in space.items())
    )
    if not sound:
        raise ValueError("no trial of this study")
    return build_frozen_trial(space, place, trial.params, Outcome(state, scores))


def _fits(value: Any, distribution: Any) -> bool:
    whole = isinstance(distribution, optuna().distributions.IntDistribution)
    return type(value) is (int if whole else float) and distribution.low <= value <= distribution.high


def _clipped(value: int | float, r: Range) -> int | float:
    return type(value)(min(max(value, r.low), r.high))
