"""Count the trials of an experiment, for the multiple-testing correction of the best run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ofiml.tracking.metrics import FOLDS
from ofiml.tracking.read import ListedRun

_MOST = 10**7  # trials of one run
_MOST_GROUPS = 1000  # that a combinatorial split may have
_NAMED = 10  # runs whose count is no count, by name


@dataclass(frozen=True, slots=True)
class Trials:
    """`fates` counts all runs of the experiment by how they ended; `tuned` are trials that runs say they made,
    `planned` those that runs without a count had in their config; `odd` are the runs whose count is none that a study
    could make, `unknown` those that planned to tune folds of which nothing says how many.
    """

    fates: dict[str, int]
    tuned: int
    planned: int
    odd: list[str]
    unknown: list[str]

    @property
    def total(self) -> int:
        return sum(self.fates.values()) + self.tuned + self.planned

    def words(self) -> str:
        fates = ", ".join(f"{n} {fate}" for fate, n in self.fates.items())
        runs = sum(self.fates.values())
        planned = f" and {self.planned:,} planned by runs that logged no count" if self.planned else ""
        odd = f" The logged count of {_names(self.odd)} is not valid: its planned trials are used." if self.odd else ""
        unknown = f" The number of folds of {_names(self.unknown)} is unknown: one is counted." if self.unknown else ""
        return (
            f"Trials: {self.total:,} = {runs} run{'s' * (runs != 1)} of the experiment ({fates}) + {self.tuned:,} "
            f"tuned (all folds){planned}.{odd}{unknown} Purged runs and trials outside this "
            "store are not counted."
        )


def count_trials(runs: Iterable[ListedRun]) -> Trials:
    """The trials of all `runs`, whatever became of them."""
    fates: dict[str, int] = {}
    tuned = planned = 0
    odd, unknown = [], []
    for run in runs:
        fate = "deleted" if run.deleted else run.status.lower()
        fates[fate] = fates.get(fate, 0) + 1
        made = run.metrics.get("tuning/trials")
        if made is not None and 0 <= made <= _MOST:
            tuned += round(made)
            continue
        if made is not None:
            odd.append(run.run_id)
        each, folds = _a_fold(run.params), _folds(run)
        planned += min(each * (folds or 1), _MOST)
        if each and folds is None:
            unknown.append(run.run_id)
    fates = dict(sorted(fates.items(), key=lambda fate: (fate[0] != "finished", fate[0])))
    return Trials(fates, tuned, planned, odd, unknown)


def _a_fold(params: dict[str, str]) -> int:
    """The trials that a run had planned for each fold."""
    if params.get("tuning.enabled") != "True" or not any(key.startswith("model.space.") for key in params):
        return 0
    return _whole(params.get("tuning.trials")) or 0


def _folds(run: ListedRun) -> int | None:
    """As many as the run logged once it had them, else as its split plans; None where that follows from the data."""
    logged = run.metrics.get(FOLDS)
    if logged is not None and 1 <= logged <= _MOST:
        return round(logged)
    groups, tested = _whole(run.params.get("split.n_groups")), _whole(run.params.get("split.n_test_groups"))
    if groups is not None and tested is not None and groups <= _MOST_GROUPS:
        return math.comb(groups, tested)
    return _whole(run.params.get("split.n_folds"))


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 8 else None


def _names(run_ids: list[str]) -> str:
    rest = f" and {len(run_ids) - _NAMED} more" if len(run_ids) > _NAMED else ""
    return f"run {', '.join(run_id[:8] for run_id in run_ids[:_NAMED])}{rest}"
