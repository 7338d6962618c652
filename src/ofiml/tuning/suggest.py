"""What to try next, and what to give up, as a function of what came before: a place's parameters follow from the
finished trials of earlier generations, the study's seed and the fold alone, whoever asks, and in whichever order they
finished.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from ofiml.config import Model as ModelConfig
from ofiml.config import Range, Tuning
from ofiml.tuning.inner import Outcome

_STARTUP = 4  # complete trials before any is suggested by what they say, or given up for it


def distributions(model: ModelConfig) -> dict[str, Any]:
    """Optuna's distribution of each parameter in the model's space."""
    from optuna.distributions import FloatDistribution, IntDistribution

    types = {f.name: f.type for f in fields(model)}
    return {
        name: IntDistribution(int(r.low), int(r.high), log=r.log)
        if types[name] is int
        else FloatDistribution(r.low, r.high, log=r.log)
        for name, r in model.space.items()
    }


class Generation:
    """The places of one generation of the fold number `fold`, which know the finished trials `before` it, in the order
    of their places.
    """

    def __init__(self, model: ModelConfig, before: list[Any], config: Tuning, seed: int, fold: int) -> None:
        self.model, self.before, self.config, self.seed, self.fold = model, before, config, seed, fold
        self.space = distributions(model)

    def suggest(self, place: int) -> dict[str, int | float]:
        """The place's parameters; the first place has the config's own."""
        import optuna

        if place == 0:
            return {k: _clipped(getattr(self.model, k), r) for k, r in self.model.space.items()}
        # Of sums of them, the search of a seed would be that of the next one, a place later, and every fold's the same.
        drawn = np.random.SeedSequence([self.seed, self.fold, place]).generate_state(1)
        sampler = optuna.samplers.TPESampler(seed=int(drawn[0]), n_startup_trials=_STARTUP)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(self.before)
        return dict(study.ask(self.space).params)

    def hopeless(self, scores: list[float]) -> bool:
        """Whether the mean of the scores so far lies below the median of what the trials before had by then."""
        import optuna

        if self.config.pruning == "off":
            return False
        step = len(scores) - 1
        # Of this step alone: Optuna would take the best of all, and an easy first fold would shield what follows.
        now = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, intermediate_values={step: float(np.mean(scores))}
        )
        study = optuna.create_study(direction="maximize")
        study.add_trials(self.before)
        return bool(optuna.pruners.MedianPruner(n_startup_trials=_STARTUP).prune(study, now))

    def finished(self, place: int, params: dict[str, int | float], outcome: Outcome) -> Any:
        """Optuna's frozen trial; its intermediate values are the means of the scores so far."""
        from optuna.trial import TrialState, create_trial

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        means = {step: float(np.mean(outcome.scores[: step + 1])) for step in range(len(outcome.scores))}
        return create_trial(
            state=states[outcome.state],
            value=outcome.score,
            params=params,
            distributions=self.space,
            user_attrs={"place": place, "state": outcome.state, "scores": outcome.scores},
            intermediate_values=means,
        )


def _clipped(value: int | float, r: Range) -> int | float:
    return type(value)(min(max(value, r.low), r.high))
