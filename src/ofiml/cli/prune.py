"""`ofiml prune`: delete local files of old runs that are also in the store, and what failed runs left."""

import argparse
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.cli.run_argument import add_store_argument
from ofiml.errors import ConfigError


def main(arguments: list[str] | None = None) -> int:
    """List what can be deleted, delete it with --yes, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml prune",
        description="List the files of old runs that can be deleted; with --yes, delete them. These are the files of "
        "an output folder that are also in the store, what killed runs kept for the store of half a study, and the "
        "files in the store of runs that were deleted, failed or were killed. The runs themselves stay in the store "
        "with their params, tags and metrics, and still count as trials.",
    )
    add_store_argument(parser)
    parser.add_argument(
        "--outputs",
        type=Path,
        metavar="FOLDER",
        help="folder of the studies' outputs (default: outputs)",
    )
    parser.add_argument("--days", type=float, default=7.0, help="age in days from which a run is old (default: 7)")
    parser.add_argument("--yes", action="store_true", help="delete the files (default: only list them)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _prune(options))


def _prune(options: argparse.Namespace) -> None:
    from ofiml.tracking.prune import delete_files, find_candidates
    from ofiml.ui.lines import open_console

    if not 0 <= options.days <= 100_000:
        raise ConfigError("--days must lie between 0 and 100000.")
    if options.outputs is not None and not options.outputs.is_dir():
        raise ConfigError(f"There is no folder {options.outputs}: name the folder of the outputs with --outputs.")
    console = open_console()
    found, kept = find_candidates(options.outputs or Path("outputs"), options.uri, options.days)
    lines = [f"kept {one.folder}: {one.reason}" for one in kept]
    for one in found:
        size = f"{len(one.files)} files, {one.size / 1e6:.1f} MB"
        run = "" if one.run_id is None else f", run {one.run_id[:8]}"
        lines.append(f"{one.folder}: {size}{run}: {one.reason}")
        if options.yes:
            delete_files(one)
    total = sum(one.size for one in found) / 1e6
    words = "deleted" if options.yes else "can be deleted: --yes does it"
    lines.append(f"{total:.1f} MB of {len(found)} runs {words}." if found else "Nothing to delete.")
    for line in lines:
        console.print(line, soft_wrap=True)
