"""The part of a config on which the fit of a fold depends."""

from dataclasses import dataclass, replace
from typing import Self

from ofiml.config import Config, Features, Ofi, Split, Target, Tuning
from ofiml.config import Model as ModelConfig


@dataclass(frozen=True, slots=True)
class FitSettings:
    """The settings of a fit. `model` is not yet tuned. The study's predictions come from `seed`; the model is also
    fitted with each of `seeds`. At most `explained_rows` test rows of a fold are explained.
    """

    ofi: Ofi
    features: Features
    target: Target
    split: Split
    model: ModelConfig
    tuning: Tuning
    seed: int
    seeds: list[int]
    explained_rows: int

    def fix_model(self, model: ModelConfig) -> Self:
        """Fix the model to a fold's tuned one, without other seeds and with one explained row, to fit it again."""
        tuning = replace(self.tuning, enabled=False, best_params=[])
        return replace(self, model=model, tuning=tuning, seeds=[], explained_rows=1)

    @classmethod
    def of(cls, config: Config) -> Self:
        """Select the settings of a fit from a config."""
        return cls(
            config.ofi,
            config.features,
            config.target,
            config.split,
            config.model,
            config.tuning,
            config.seed,
            config.seeds,
            config.evaluation.importance_rows,
        )
