"""How results are judged."""

from dataclasses import dataclass

from ofiml.config.checks import require
from ofiml.units import duration


@dataclass(slots=True)
class Evaluation:
    bootstrap: int
    level: float
    block: str | None
    importance_rows: int
    permutations: int
    interactions: int
    controls: bool
    decay: list[float]
    leak_check: bool
    leak_times: int

    def __post_init__(self) -> None:
        require(50 <= self.bootstrap <= 1_000_000, "evaluation.bootstrap must be at least 50: fewer make no interval.")
        require(0 < self.level < 1, "evaluation.level must lie in (0, 1).")
        require(self.importance_rows >= 1, "evaluation.importance_rows must be at least 1.")
        require(0 <= self.permutations <= 1000, "evaluation.permutations must lie between 0 (none) and 1000.")
        require(
            self.interactions != 1 and 0 <= self.interactions <= 20,
            "evaluation.interactions must lie between 2 and 20 features, or be 0 for none.",
        )
        require(all(0 < m <= 1000 for m in self.decay), "evaluation.decay: multiples of the horizon lie in (0, 1000].")
        require(
            self.decay == sorted(set(self.decay)) and len(self.decay) <= 20,
            "evaluation.decay: at most 20 multiples of the horizon, each once, ascending.",
        )
        require(1 <= self.leak_times <= 10_000, "evaluation.leak_times must lie between 1 and 10000.")
        if self.block is not None:
            require(duration(self.block, "evaluation.block") > 0, "evaluation.block must be longer than 0.")

    @property
    def block_ns(self) -> int | None:
        return None if self.block is None else duration(self.block, "evaluation.block")
