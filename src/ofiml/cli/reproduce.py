"""`ofiml reproduce RUN`: repeat a logged run and check that the result is bit-identical."""

import argparse
import sys

from ofiml.cli.exits import handle_sigterm, run_command
from ofiml.cli.run_argument import add_run_argument, add_store_argument


def main(arguments: list[str] | None = None) -> int:
    """Repeat a run, print the differences, and return the exit code: 1 if there are any (see also `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml reproduce",
        description="Repeat a logged run from its config and check that the result is bit-identical. The exit code is "
        "1 if a prediction or a number of the report differs.",
    )
    add_run_argument(parser)
    add_store_argument(parser)
    parser.add_argument("--path", help="where the data are on this machine (default: the logged dataset.path)")
    options = parser.parse_args(arguments)
    from ofiml.tracking.reproduction import reproduce
    from ofiml.tracking.run_words import find_run

    with handle_sigterm():
        return run_command(lambda: reproduce(find_run(options.run, options.uri), options.uri, options.path))


if __name__ == "__main__":
    sys.exit(main())
