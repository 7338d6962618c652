"""How many things were tried: what the luck of the best is held against."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ofiml.tracking.mlflow_log import Listed

_MOST = 10**7  # trials of one run


@dataclass(frozen=True, slots=True)
class Trials:
    """`fates` counts all runs of the experiment by how they ended; `tuned` are trials that runs say they made,
    `planned` those that runs without a count had in their config.
    """

    fates: dict[str, int]
    tuned: int
    planned: int

    @property
    def total(self) -> int:
        return sum(self.fates.values()) + self.tuned + self.planned

    def words(self) -> str:
        fates = ", ".join(f"{n} {fate}" for fate, n in self.fates.items())
        runs = sum(self.fates.values())
        planned = f" and {self.planned:,} that unfinished runs had planned" if self.planned else ""
        return (
            f"Trials: {self.total:,} = {runs} run{'s' * (runs != 1)} of the experiment ({fates}) + {self.tuned:,} "
            f"tuned (all folds){planned}. Runs that MLflow has purged, and what was tried elsewhere, are not in it."
        )


def counted(runs: Iterable[Listed]) -> Trials:
    """The trials of all `runs`, whatever became of them."""
    fates: dict[str, int] = {}
    tuned = planned = 0
    for run in runs:
        fate = "deleted" if run.deleted else run.status.lower()
        fates[fate] = fates.get(fate, 0) + 1
        made = run.metrics.get("tuning/trials")
        if made is None:
            planned += _planned(run.params)
        elif math.isfinite(made):
            tuned += min(max(0, round(made)), _MOST)
    return Trials(dict(sorted(fates.items(), key=lambda fate: (fate[0] != "finished", fate[0]))), tuned, planned)


def _planned(params: dict[str, str]) -> int:
    if params.get("tuning.enabled") != "True" or not any(key.startswith("model.space.") for key in params):
        return 0
    return min(_whole(params.get("tuning.trials"), 0) * _whole(params.get("split.folds"), 1), _MOST)


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 8 else otherwise
