"""The arguments that name a logged run and its store, for the commands that read runs."""

import argparse
from pathlib import Path

from ofiml.errors import ConfigError
from ofiml.overrides.environment import read_default_uri

#: What names a run; `tracking.run_words` finds it.
WORDS = "id of an MLflow run or its first 8 digits, its name, latest, or its output folder"


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument RUN, and --from, which replaces it."""
    parser.add_argument("run", metavar="RUN", nargs="?", help=WORDS)
    parser.add_argument(
        "--from", dest="packed", type=Path, metavar="FILE", help="the zip file of a run, from ofiml reproduce --export"
    )


def find_named_run(word: str | None, packed: Path | None, uri: str) -> str | Path:
    """Return what a command line names: the id of a run of the store, or the path of the zip file of one.

    Raises ConfigError for neither, both, and a word or path that names no run.
    """
    if (word is None) == (packed is None):
        raise ConfigError("Name one run: RUN, or --from FILE.zip.")
    if packed is not None:
        if not packed.is_file():
            raise ConfigError(f"There is no file {packed}.")
        return packed
    assert word is not None
    from ofiml.tracking.run_words import find_run

    return find_run(word, uri)


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add --uri, whose default is the store of the environment, else that of the working folder."""
    parser.add_argument(
        "--uri",
        default=read_default_uri(),
        help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)",
    )
