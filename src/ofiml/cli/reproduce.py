"""`ofiml reproduce RUN`: repeat a logged run and check that the result is bit-identical."""

import argparse
import sys
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.cli.run_argument import add_run_argument, add_store_argument, find_named_run
from ofiml.errors import ConfigError, DataError


def main(arguments: list[str] | None = None) -> int:
    """Repeat a run and return the exit code: 0 if it is identical, 1 if it differs, 2 if it cannot be repeated."""
    parser = argparse.ArgumentParser(
        prog="ofiml reproduce",
        description="Repeat a run from its config. The command first lists the differences between the machine of "
        "the run and this one, then repeats the run and compares every prediction and every number of the report. "
        "Exit code: 0 if they are identical, 1 if they differ, 2 if the run cannot be repeated.",
    )
    add_run_argument(parser)
    add_store_argument(parser)
    parser.add_argument("--path", help="where the data are on this machine (default: the logged dataset.path)")
    parser.add_argument(
        "--export", type=Path, metavar="FILE", help="run nothing, and pack the run into a zip file that --from reads"
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: _reproduce(options))


def _reproduce(options: argparse.Namespace) -> int:
    run = find_named_run(options.run, options.packed, options.uri)
    if options.export is not None:
        return _export(run, options)
    from ofiml.tracking.reproduction import reproduce

    try:
        return reproduce(run, options.uri, options.path)
    except DataError as error:  # code 1 says that the run was repeated, and differs
        raise ConfigError(str(error)) from error


def _export(run: str | Path, options: argparse.Namespace) -> int:
    """Pack the run into a zip file."""
    if isinstance(run, Path) or options.path is not None:
        raise ConfigError("--export packs a run of the store: name it by RUN, without --from and --path.")
    from ofiml.tracking.bundle import pack_run
    from ofiml.tracking.read import open_run_files

    with open_run_files(run, options.uri, "all") as files:
        names = pack_run(files.folder, run, options.export)
    size = options.export.stat().st_size / 1e3
    sys.stdout.write(
        f"{options.export}: {len(names)} files of run {run}, {size:,.0f} kB. "
        f"ofiml reproduce --from {options.export} repeats it, without the store.\n"
    )
    return 0
