"""Count the trials of an experiment, to correct the best run for multiple testing."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ofiml.tracking.metric_names import FOLDS, TRIALS
from ofiml.tracking.parent import SWEEP
from ofiml.tracking.read import ListedRun

_MAX_TRIALS = 10**7  # of one run
_MAX_GROUPS = 1000  # of a combinatorial split
_MAX_NAMES = 10  # of runs in one sentence


@dataclass(frozen=True, slots=True)
class Trials:
    """What was tried in an experiment.

    `fates` counts its runs by status. `tuned` counts the tuning trials that runs logged, `planned` those in the configs
    of runs without a count. `odd` lists the runs whose count no study could log, `unknown` the runs whose number of
    folds is unknown. Two kinds of runs tried nothing and are not counted: `repeated`, whose result another run has
    already, and `unstarted`, which failed before their first trial.
    """

    fates: dict[str, int]
    tuned: int
    planned: int
    odd: list[str]
    unknown: list[str]
    repeated: int = 0
    unstarted: int = 0

    @property
    def total(self) -> int:
        """The number of runs and tuning trials."""
        return sum(self.fates.values()) + self.tuned + self.planned

    def describe(self) -> str:
        """Describe the count in sentences."""
        fates = ", ".join(f"{n} {fate}" for fate, n in self.fates.items())
        runs = sum(self.fates.values())
        planned = f" + {self.planned:,} planned trials of runs that logged no count" if self.planned else ""
        odd = f" No valid count in {_join_ids(self.odd)}: planned trials are used." if self.odd else ""
        unknown = f" Number of folds unknown in {_join_ids(self.unknown)}: one is used." if self.unknown else ""
        return (
            f"Trials: {self.total:,} = {runs} run{'s' * (runs != 1)} of the experiment ({fates}) + {self.tuned:,} "
            f"tuning trials (all folds){planned}.{odd}{unknown}{self._describe_uncounted()} Purged runs and trials "
            "outside this store are not counted."
        )

    def _describe_uncounted(self) -> str:
        parts = [f"{self.repeated:,} repetition{'s' * (self.repeated != 1)}"] if self.repeated else []
        if self.unstarted:
            parts.append(f"{self.unstarted:,} run{'s' * (self.unstarted != 1)} that failed before the first trial")
        return f" Not counted: {', '.join(parts)}." if parts else ""


def identify_result(run: ListedRun) -> tuple[object, ...]:
    """Identify the result of a run: what it predicted, and how it traded on it. Repetitions have the same."""
    costs = ("strategy.", "backtest.", "dataset.instruments")
    traded = sorted((key, value) for key, value in run.params.items() if key.startswith(costs))
    return (run.tags.get("predictions.sha256", run.run_id), tuple(traded))


def count_trials(runs: Iterable[ListedRun]) -> Trials:
    """Count what all `runs`, of any status, tried; a repetition tries nothing."""
    fates: dict[str, int] = {}
    tuned = planned = repeated = unstarted = 0
    odd, unknown = [], []
    results, searches = set(), set()
    for run in runs:
        if run.tags.get("kind") == SWEEP:
            continue
        if run.status in ("FAILED", "KILLED") and FOLDS not in run.tags and FOLDS not in run.metrics:
            unstarted += 1
            continue
        if "reproduces" in run.tags:
            repeated += 1
            continue
        result, search = identify_result(run), _identify_search(run)
        if result in results:
            repeated += 1
        else:
            results.add(result)
            fate = "deleted" if run.deleted else run.status.lower()
            fates[fate] = fates.get(fate, 0) + 1
        if search in searches:
            continue
        searches.add(search)
        logged = run.metrics.get(TRIALS)
        if logged is not None and 0 <= logged <= _MAX_TRIALS:
            tuned += round(logged)
            continue
        if logged is not None:
            odd.append(run.run_id)
        per_fold, folds = _count_planned_trials(run.params), _count_folds(run)
        planned += min(per_fold * (folds or 1), _MAX_TRIALS)
        if per_fold and folds is None:
            unknown.append(run.run_id)
    fates = dict(sorted(fates.items(), key=lambda fate: (fate[0] != "finished", fate[0])))
    return Trials(fates, tuned, planned, odd, unknown, repeated, unstarted)


def _identify_search(run: ListedRun) -> tuple[object, ...]:
    """Identify the tuning of a run: runs with the same predictions and settings of tuning tried the same."""
    settings = sorted(
        (key, value)
        for key, value in run.params.items()
        if key.startswith(("tuning.", "model.space.")) and key != "tuning.storage"
    )
    return (run.tags.get("predictions.sha256", run.run_id), tuple(settings))


def _count_planned_trials(params: dict[str, str]) -> int:
    """Return the number of trials that a run planned per fold."""
    if params.get("tuning.enabled") != "True" or not any(key.startswith("model.space.") for key in params):
        return 0
    return _parse_whole(params.get("tuning.trials")) or 0


def _count_folds(run: ListedRun) -> int | None:
    """Return the number of folds that the run logged, else that of its split; None if it depends on the data."""
    tagged = _parse_whole(run.tags.get(FOLDS))
    logged = run.metrics.get(FOLDS) if tagged is None else tagged  # earlier runs have only the metric
    if logged is not None and 1 <= logged <= _MAX_TRIALS:
        return round(logged)
    n_groups, n_test = (
        _parse_whole(run.params.get("split.n_groups")),
        _parse_whole(run.params.get("split.n_test_groups")),
    )
    if n_groups is not None and n_test is not None and n_groups <= _MAX_GROUPS:
        return math.comb(n_groups, n_test)
    return _parse_whole(run.params.get("split.n_folds"))


def _parse_whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 8 else None


def _join_ids(run_ids: list[str]) -> str:
    rest = f" and {len(run_ids) - _MAX_NAMES} more" if len(run_ids) > _MAX_NAMES else ""
    return f"run {', '.join(run_id[:8] for run_id in run_ids[:_MAX_NAMES])}{rest}"
