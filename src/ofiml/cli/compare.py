"""`ofiml compare EXPERIMENT`: compare the runs of an MLflow experiment, corrected for the number of trials.

Runs are compared if they have the same data, bars, horizon and target. The files of each run are checked before use; a
run that fails the check is named and left out.
"""

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ofiml.cli.exits import ending_in_a_sentence
from ofiml.errors import ConfigError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="ofiml compare",
        description="Compare the runs of an MLflow experiment, corrected for the number of trials. Runs are compared "
        "if they have the same data, bars, horizon and target.",
    )
    parser.add_argument("experiment", help="name of the experiment (the config key tracking.experiment)")
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument(
        "--runs",
        default="",
        metavar="ID,ID",
        help="compare only these; trials are counted over all runs",
    )
    parser.add_argument(
        "--measure", default="ic", choices=["ic", "r2", "sharpe"], help="the measure to test (default: ic)"
    )
    parser.add_argument("--benchmark", metavar="ID", help="the run to beat (default: no skill)")
    parser.add_argument("--samples", type=int, default=1000, help="number of bootstrap samples (default: 1000)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the bootstrap (default: 7)")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder for compare.md, compare.json and compare.png"
    )
    given = parser.parse_args(arguments)
    return ending_in_a_sentence(lambda: compare(given))


def compare(given: argparse.Namespace) -> None:
    """Compare the runs, print the result and, with `given.out`, write it.

    Raises ConfigError if there is nothing to compare.
    """
    from rich.console import Console
    from threadpoolctl import threadpool_limits

    from ofiml.comparison import page
    from ofiml.comparison.groups import group_runs, read_group
    from ofiml.comparison.trials import count_trials
    from ofiml.comparison.verdicts import compare_runs
    from ofiml.study.json_border import write_json
    from ofiml.tracking.read import list_runs
    from ofiml.ui.progress import Stages

    if not 100 <= given.samples <= 100_000 or given.seed < 0:
        raise ConfigError("--samples must lie between 100 and 100000, and --seed must not be negative.")
    runs = list_runs(given.experiment, given.uri)
    trials = count_trials(runs)
    chosen = group_runs(runs, [run_id for run_id in given.runs.split(",") if run_id])
    if not chosen:
        raise ConfigError(f"No run of {given.experiment} is finished, so there is nothing to compare. {trials.words()}")
    if given.benchmark is not None:
        chosen = [group for group in chosen if given.benchmark in {run.run_id for run in group}]
        if not chosen:
            raise ConfigError(f"The benchmark {given.benchmark!r} is not one of the compared runs.")
    if given.measure == "sharpe":
        chosen = [group for group in chosen if group[0].tags["kind"] == "forecast"]
        if not chosen:
            raise ConfigError("Impact runs are not traded and have no Sharpe ratio: use --measure ic or r2.")
    with Stages() as stages, stages.start_stage("runs", sum(len(group) for group in chosen)) as bar:
        groups = [read_group(group, given.uri, bar.step) for group in chosen]
    with threadpool_limits(limits=1):
        judged = [
            compare_runs(
                group, given.measure, trials, benchmark=given.benchmark, samples=given.samples, seed=given.seed
            )
            for group in groups
        ]
    page.show_page(judged, trials, Console())
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        counts = asdict(trials) | {"total": trials.total}
        content = write_json({"experiment": given.experiment, "trials": counts, "groups": judged})
        (given.out / "compare.json").write_text(content + "\n")
        (given.out / "compare.md").write_text(page.write_page(given.experiment, judged, trials))
        if any(group.tests for group in judged):
            page.draw_figure(judged).savefig(given.out / "compare.png")


if __name__ == "__main__":
    sys.exit(main())
