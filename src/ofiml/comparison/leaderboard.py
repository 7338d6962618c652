"""The runs of an experiment, or some of them, compared: read, tested, printed and written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from ofiml.atomic import write_atomically, write_text_atomically
from ofiml.comparison import page
from ofiml.comparison.document import write_document
from ofiml.comparison.groups import group_runs, read_group
from ofiml.comparison.trials import Trials, count_trials
from ofiml.comparison.verdicts import ComparedGroup, compare_runs
from ofiml.errors import ConfigError
from ofiml.study.json_border import write_json
from ofiml.tracking.read import ListedRun, list_runs
from ofiml.tracking.run_words import choose_run
from ofiml.ui.figure import save_figure
from ofiml.ui.progress import Stages


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The compared groups of runs of an experiment, and the number of trials over all its runs."""

    experiment: str
    groups: list[ComparedGroup]
    trials: Trials


@dataclass(frozen=True, slots=True)
class Method:
    """How runs are compared: by which `measure`, and with how many `samples` of blocks, drawn from a `seed`."""

    measure: str = "ic"
    samples: int = 1000
    seed: int = 7


_METHOD = Method()


def make_leaderboard(
    experiment: str,
    uri: str,
    words: Sequence[str] = (),
    *,
    method: Method = _METHOD,
    benchmark: str | None = None,
    apart: bool = False,
) -> Leaderboard:
    """Compare the finished runs of an experiment, or those that `words` name (see `run_words`), by group.

    With a `benchmark` only its group is compared. Impacts and forecasts among the chosen runs are compared `apart`, or
    refused. Raises ConfigError if there is nothing to compare.
    """
    runs = list_runs(experiment, uri)
    chosen = [choose_run(word, runs, "the experiment") for word in words]
    benchmark = None if benchmark is None else choose_run(benchmark, runs, "the experiment")
    return rank_runs(runs, experiment, uri, chosen, method=method, benchmark=benchmark, apart=apart)


def rank_runs(
    runs: list[ListedRun],
    experiment: str,
    uri: str,
    chosen: list[str],
    *,
    method: Method = _METHOD,
    benchmark: str | None = None,
    apart: bool = False,
) -> Leaderboard:
    """Compare those of the `runs` whose ids are `chosen`, all without any; the trials of all of them are counted.

    Raises ConfigError where `make_leaderboard` does.
    """
    trials = count_trials(runs)
    comparable = [group for ids in _split_kinds(runs, chosen, apart=apart) for group in group_runs(runs, ids)]
    if not comparable:
        raise ConfigError(f"No run of {experiment} is finished, so there is nothing to compare. {trials.describe()}")
    if benchmark is not None:
        comparable = [group for group in comparable if benchmark in {run.run_id for run in group}]
        if not comparable:
            raise ConfigError(f"The benchmark {benchmark!r} is not one of the compared runs.")
    if method.measure == "sharpe":
        comparable = [group for group in comparable if group[0].tags["kind"] == "forecast"]
        if not comparable:
            raise ConfigError("Impact runs are not traded and have no Sharpe ratio: use --measure ic or r2.")
    with Stages() as stages, stages.start_stage("runs", sum(len(group) for group in comparable)) as bar:
        groups = [read_group(group, uri, bar.step) for group in comparable]
    with threadpool_limits(limits=1):
        compared = [
            compare_runs(group, method.measure, trials, benchmark=benchmark, samples=method.samples, seed=method.seed)
            for group in groups
        ]
    return Leaderboard(experiment, compared, trials)


def _split_kinds(runs: list[ListedRun], chosen: list[str], *, apart: bool) -> list[list[str]]:
    """Split the chosen runs by kind, if these are to be compared apart."""
    if not apart:
        return [chosen]
    kind_of = {run.run_id: run.tags.get("kind", "") for run in runs}
    return [[one for one in chosen if kind_of[one] == kind] for kind in sorted({kind_of[one] for one in chosen})]


def write_leaderboard(board: Leaderboard, folder: Path) -> list[Path]:
    """Write the comparison as compare.json, .md and .html and, if there are tests, .png, and return the paths.

    Each file appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = asdict(board.trials) | {"total": board.trials.total}
    content = write_json({"experiment": board.experiment, "trials": counts, "groups": board.groups})
    paths = [folder / f"compare.{ending}" for ending in ("json", "md", "html")]
    write_text_atomically(paths[0], content + "\n")
    write_text_atomically(paths[1], page.write_page(board.experiment, board.groups, board.trials))
    title = f"Runs of {board.experiment}"
    write_text_atomically(paths[2], write_document(title, "Comparison of runs", board.groups, board.trials))
    if any(group.tests for group in board.groups):
        paths.append(folder / "compare.png")
        figure = page.draw_figure(board.groups)
        write_atomically(paths[-1], lambda part: save_figure(figure, part, form="png", dpi=figure.dpi))
    return paths
