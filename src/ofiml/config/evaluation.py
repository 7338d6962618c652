"""The schema of the evaluation."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ofiml.config.bounds import Schema, at_least, between, each, longer_than_0, within
from ofiml.config.checks import require
from ofiml.units import parse_duration


def _none_or_several(key: str, value: int) -> None:
    """Require 0, or 2 to 20."""
    require(value == 0 or 2 <= value <= 20, f"{key} must lie between 2 and 20 features, or be 0 for none.")


@dataclass(slots=True)
class Evaluation(Schema):
    """The intervals, importance, controls and leak check of a study.

    Intervals have `confidence_level` and come from `bootstrap_samples` draws of blocks of `block_length`; null chooses
    the length from sessions and labels. `decay` lists horizons as multiples of the study's.
    """

    GROUP: ClassVar[str] = "evaluation"

    bootstrap_samples: Annotated[int, at_least(50, ": an interval needs that many", at_most=1_000_000)]
    confidence_level: Annotated[float, within("(0, 1)")]
    block_length: Annotated[str | None, longer_than_0]
    importance_rows: Annotated[int, at_least(1)]
    permutation_repeats: Annotated[int, between(0, 1000, "; 0 switches it off")]
    interactions: Annotated[int, _none_or_several]
    controls: bool
    decay: Annotated[list[float], each(within("(0, 1000]", ": multiples of the horizon"))]
    leak_check: bool
    leak_times: Annotated[int, between(1, 10_000)]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(
            self.decay == sorted(set(self.decay)) and len(self.decay) <= 20,
            "evaluation.decay must list at most 20 distinct multiples of the horizon in ascending order.",
        )

    @property
    def block_ns(self) -> int | None:
        """The length of a block in ns; None if it follows from sessions and labels."""
        return None if self.block_length is None else parse_duration(self.block_length, "evaluation.block_length")
