"""`ofiml compare EXPERIMENT`, `ofiml compare RUN RUN`: compare runs, corrected for the number of trials.

Runs are compared if they have the same kind, data, bars, horizon and target. The files of each run are checked before
use; a run that fails the check is named and left out.
"""

import argparse
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.cli.run_argument import WORDS, add_store_argument
from ofiml.errors import ConfigError


def main(arguments: list[str] | None = None) -> int:
    """Compare the runs of an experiment, print the comparison, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml compare",
        description="Compare the runs of an MLflow experiment, corrected for the number of trials. Runs are compared "
        "if they have the same kind (forecast or impact), data, bars, horizon and target.",
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="EXPERIMENT | RUN",
        help="name of an experiment (the config key tracking.experiment), for all its runs, or runs of one experiment, "
        f"each the {WORDS}",
    )
    add_store_argument(parser)
    parser.add_argument(
        "--runs",
        default="",
        metavar="RUN,RUN",
        help="compare only these runs of the experiment, which may also follow its name (default: all that finished); "
        "trials are counted over all runs",
    )
    parser.add_argument(
        "--measure", default="ic", choices=["ic", "r2", "sharpe"], help="measure to compare (default: ic)"
    )
    parser.add_argument("--benchmark", metavar="RUN", help="run that the others must beat (default: no skill)")
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
    from ofiml.comparison import page
    from ofiml.comparison.leaderboard import Method, make_leaderboard, write_leaderboard
    from ofiml.tracking.run_words import find_runs
    from ofiml.ui.lines import open_console

    if not 100 <= options.samples <= 100_000 or options.seed < 0:
        raise ConfigError("--samples must lie between 100 and 100000, and --seed must not be negative.")
    experiment, runs = find_runs(options.words, options.uri)
    board = make_leaderboard(
        experiment,
        options.uri,
        runs + [word.strip() for word in options.runs.split(",") if word.strip()],
        method=Method(options.measure, options.samples, options.seed),
        benchmark=options.benchmark,
    )
    page.show_page(board.groups, board.trials, open_console())
    if options.out is not None:
        write_leaderboard(board, options.out)
