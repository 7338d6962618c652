"""`ofiml reproduce RUN_ID`: repeat a logged run and check that the result is bit-identical."""

import argparse
import os
import sys

from ofiml.cli.exits import handle_sigterm, run_command


def main(arguments: list[str] | None = None) -> int:
    """Repeat a run, print the differences, and return the exit code: 1 if there are any (see also `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml reproduce",
        description="Repeat a logged run from its config and check that the result is bit-identical. The exit code is "
        "1 if a prediction or a number of the report differs.",
    )
    parser.add_argument("run_id", help="id of the MLflow run, 32 hexadecimal digits")
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument("--path", help="where the data are on this machine (default: the logged dataset.path)")
    options = parser.parse_args(arguments)
    from ofiml.tracking.reproduction import reproduce

    with handle_sigterm():
        return run_command(lambda: reproduce(options.run_id, options.uri, options.path))


if __name__ == "__main__":
    sys.exit(main())
