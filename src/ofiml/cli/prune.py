"""`ofiml prune`: delete files of old runs that another place has, too, and what failed runs left."""

import argparse
import sys
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.cli.run_argument import add_store_argument
from ofiml.errors import ConfigError


def main(arguments: list[str] | None = None) -> int:
    """List what can be deleted, delete it with --yes, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml prune",
        description="List the files of old runs that can go, and with --yes delete them: those of an output folder, if "
        "the store has the same files, and those of runs in the store that were deleted, failed or were killed. Runs "
        "stay in the store with their params, tags and metrics, and count as trials as before.",
    )
    add_store_argument(parser)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), metavar="FOLDER", help="(default: outputs)")
    parser.add_argument("--days", type=float, default=7.0, help="age from which a run is old (default: 7)")
    parser.add_argument("--yes", action="store_true", help="delete the files (default: only list them)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _prune(options))


def _prune(options: argparse.Namespace) -> None:
    from rich.console import Console

    from ofiml.tracking.prune import delete_files, find_candidates

    if not 0 <= options.days <= 100_000:
        raise ConfigError("--days must lie between 0 and 100000.")
    console = Console()
    found, kept = find_candidates(options.outputs, options.uri, options.days)
    lines = [f"kept {one.folder}: {one.reason}" for one in kept]
    for one in found:
        size = f"{len(one.files)} files, {one.size / 1e6:.1f} MB"
        lines.append(f"{one.folder}: {size}, run {one.run_id[:8]}: {one.reason}")
        if options.yes:
            delete_files(one)
    total = sum(one.size for one in found) / 1e6
    words = "deleted" if options.yes else "can be deleted: --yes does it"
    lines.append(f"{total:.1f} MB of {len(found)} runs {words}." if found else "Nothing to delete.")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
