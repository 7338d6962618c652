"""`ofiml ui`: serve MLflow's page of the runs on this machine, and print the addresses of its views."""

import argparse
import sys

from ofiml.cli.exits import run_command
from ofiml.cli.run_argument import add_store_argument
from ofiml.errors import ConfigError

_PORTS = range(1024, 65536)


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml ui",
        description="Serve MLflow's page of the runs, for this machine only, until Ctrl-C. The printed addresses open "
        "each experiment as a table with its main columns, and as charts.",
    )
    add_store_argument(parser)
    parser.add_argument("--port", type=int, default=5000, help="port of the page (default: 5000)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _serve(options.uri, options.port))


def _serve(uri: str, port: int) -> int:
    from ofiml.tracking.server import list_pages, serve

    if port not in _PORTS:
        raise ConfigError(f"--port must lie between {_PORTS.start} and {_PORTS.stop - 1}.")
    for page in list_pages(uri, port):
        sys.stdout.write(f"{page}\n")
    sys.stdout.write("(Ctrl-C stops the server; --port uses another port)\n")
    sys.stdout.flush()
    return serve(uri, port)
