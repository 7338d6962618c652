"""`ofiml compare EXPERIMENT`: compare the runs of an MLflow experiment, corrected for the number of trials.

Runs are compared if they have the same kind, data, bars, horizon and target. The files of each run are checked before
use; a run that fails the check is named and left out.
"""

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.errors import ConfigError


def main(arguments: list[str] | None = None) -> int:
    """Compare the runs of an experiment, print the comparison, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml compare",
        description="Compare the runs of an MLflow experiment, corrected for the number of trials. Runs are compared "
        "if they have the same kind (forecast or impact), data, bars, horizon and target.",
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
        help="compare only these runs (default: all that finished); trials are counted over all runs",
    )
    parser.add_argument(
        "--measure", default="ic", choices=["ic", "r2", "sharpe"], help="measure to compare (default: ic)"
    )
    parser.add_argument("--benchmark", metavar="ID", help="run that the others must beat (default: no skill)")
    parser.add_argument("--samples", type=int, default=1000, help="number of bootstrap samples (default: 1000)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the bootstrap (default: 7)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="also write compare.html, compare.md, compare.json and compare.png to this folder",
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: compare(options))


def compare(options: argparse.Namespace) -> None:
    """Compare the runs, print the result and, with `options.out`, write it.

    Raises ConfigError if there is nothing to compare.
    """
    from rich.console import Console
    from threadpoolctl import threadpool_limits

    from ofiml.comparison import page
    from ofiml.comparison.document import write_document
    from ofiml.comparison.groups import group_runs, read_group
    from ofiml.comparison.trials import count_trials
    from ofiml.comparison.verdicts import compare_runs
    from ofiml.study.json_border import write_json
    from ofiml.tracking.read import list_runs
    from ofiml.ui.progress import Stages

    if not 100 <= options.samples <= 100_000 or options.seed < 0:
        raise ConfigError("--samples must lie between 100 and 100000, and --seed must not be negative.")
    runs = list_runs(options.experiment, options.uri)
    trials = count_trials(runs)
    comparable = group_runs(runs, [run_id for run_id in options.runs.split(",") if run_id])
    if not comparable:
        raise ConfigError(
            f"No run of {options.experiment} is finished, so there is nothing to compare. {trials.describe()}"
        )
    if options.benchmark is not None:
        comparable = [group for group in comparable if options.benchmark in {run.run_id for run in group}]
        if not comparable:
            raise ConfigError(f"The benchmark {options.benchmark!r} is not one of the compared runs.")
    if options.measure == "sharpe":
        comparable = [group for group in comparable if group[0].tags["kind"] == "forecast"]
        if not comparable:
            raise ConfigError("Impact runs are not traded and have no Sharpe ratio: use --measure ic or r2.")
    with Stages() as stages, stages.start_stage("runs", sum(len(group) for group in comparable)) as bar:
        groups = [read_group(group, options.uri, bar.step) for group in comparable]
    with threadpool_limits(limits=1):
        comparisons = [
            compare_runs(
                group, options.measure, trials, benchmark=options.benchmark, samples=options.samples, seed=options.seed
            )
            for group in groups
        ]
    page.show_page(comparisons, trials, Console())
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        counts = asdict(trials) | {"total": trials.total}
        content = write_json({"experiment": options.experiment, "trials": counts, "groups": comparisons})
        (options.out / "compare.json").write_text(content + "\n")
        (options.out / "compare.md").write_text(page.write_page(options.experiment, comparisons, trials))
        title = f"Runs of {options.experiment}"
        (options.out / "compare.html").write_text(write_document(title, "Comparison of runs", comparisons, trials))
        if any(group.tests for group in comparisons):
            page.draw_figure(comparisons).savefig(options.out / "compare.png")


if __name__ == "__main__":
    sys.exit(main())
