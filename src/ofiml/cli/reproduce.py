"""`ofiml reproduce RUN_ID`: run a logged config again and check that the result is bit-identical."""

import argparse
import os
import sys

from ofiml.cli.exits import ending_in_a_sentence, terminable


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="ofiml reproduce",
        description="Run the config of a logged run again and check that the result is bit-identical. The exit code "
        "is 1 if it differs.",
    )
    parser.add_argument("run_id", help="id of the MLflow run, 32 hexadecimal digits")
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument("--path", help="path of the data here, if it differs from the logged dataset.path")
    given = parser.parse_args(arguments)
    from ofiml.tracking.reproduction import reproduce

    with terminable():
        return ending_in_a_sentence(lambda: reproduce(given.run_id, given.uri, given.path))


if __name__ == "__main__":
    sys.exit(main())
