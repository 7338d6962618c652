"""`ofiml reproduce RUN_ID`: runs a logged config again and says whether the result is the same to the bit."""

import argparse
import os
import sys

from ofiml.cli.exits import ending_in_a_sentence, terminable


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ofiml reproduce", description=__doc__)
    parser.add_argument("run_id", help="the MLflow run to repeat: 32 hexadecimal digits")
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument("--path", help="where the data file lies here, if not at the logged dataset.path")
    given = parser.parse_args(arguments)
    from ofiml.tracking.reproduction import reproduce

    with terminable():
        return ending_in_a_sentence(lambda: reproduce(given.run_id, given.uri, given.path))


if __name__ == "__main__":
    sys.exit(main())
