"""`ofiml sync FOLDER`: log a finished study, or the members of a sweep, later and once."""

import argparse
import sys
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.overrides.environment import read_default_uri

_REMEDY = "Run the same command to continue: what the store has is not logged twice."


def main(arguments: list[str] | None = None) -> int:
    """Log what the store does not have of a run folder, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml sync",
        description="Log a finished study whose store failed, from its output folder. A run that the "
        "store has in part is completed, and a run that it has is left as it is. The folder of a sweep stands for "
        "all of its members.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="output folder of a study, or of a sweep")
    parser.add_argument(
        "--uri", help="tracking store (default: that of the run, if it is a file or MLFLOW_TRACKING_URI)"
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: _sync(options), remedy=_REMEDY)


def _sync(options: argparse.Namespace) -> None:
    from ofiml.tracking.sync import sync_folder

    for synced in sync_folder(options.folder, options.uri, read_default_uri()):
        words = "is now logged" if synced.now else "was already logged"
        sys.stdout.write(f"{synced.folder} {words} as run {synced.run_id}.\n")
