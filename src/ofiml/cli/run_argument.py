"""The arguments that name a logged run and its store, for the commands that read runs."""

import argparse
import os

#: What names a run; `tracking.run_words` finds it.
WORDS = "id of an MLflow run or its first 8 digits, its name, latest, or its output folder"


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument RUN."""
    parser.add_argument("run", metavar="RUN", help=WORDS)


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add --uri, whose default is the store of the environment, else that of the working folder."""
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
