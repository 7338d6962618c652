"""The schema of tuning inside each fold."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from ofiml._typing import Pruning
from ofiml.config.bounds import Schema, at_least, between
from ofiml.config.checks import require


@dataclass(slots=True)
class Tuning(Schema):
    """The search inside each fold.

    The trials of a `generation` learn from the same earlier trials, so that they may run in parallel. With tuning off,
    `best_params`, one mapping per fold, replace the parameters of `model`.
    """

    GROUP: ClassVar[str] = "tuning"

    enabled: bool
    trials: Annotated[int, at_least(1, "; tuning=off switches tuning off", at_most=100_000)]
    inner_folds: Annotated[int, at_least(1)]
    pruning: Pruning
    generation: Annotated[int, between(1, 1000)]
    storage: str
    best_params: list[Any]  # of mappings, whose values the model's own schema checks

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(
            "://" not in self.storage,
            f"tuning.storage={self.storage} is an address; its journals need the file locks of a folder: name one.",
        )
        require(
            all(isinstance(values, dict) for values in self.best_params),
            "tuning.best_params must be a list of mappings, one per fold, as in [{parameter: value}].",
        )
        require(
            not (self.enabled and self.best_params),
            "tuning.best_params is the result of an earlier tuning: use it with tuning=off.",
        )
