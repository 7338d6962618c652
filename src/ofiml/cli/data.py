"""Check, describe or convert a dataset without running a study."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ofiml.cli.conf import CONF, list_choices
from ofiml.cli.exits import run_command
from ofiml.cli.overrides import compose_dataset
from ofiml.config import describe_missing_path, files
from ofiml.data.readers import READERS
from ofiml.errors import ConfigError

if TYPE_CHECKING:
    from ofiml.data.schema import Session

_FORMATS = ("parquet", "dbn", "lobster")  # those of data.writers.convert, which imports polars


class _Parser(argparse.ArgumentParser):
    """Append the datasets to the help. Their readers are loaded only when the help is printed."""

    def format_help(self) -> str:
        described = {name: reader.description for name, reader in READERS.load_all().items()}
        described |= {name: _describe_preset(name) for name in list_choices("dataset") if name not in described}
        rows = [f"  {name:<20}{text}" for name, text in described.items() if not name.startswith("synthetic")]
        return "\n".join(
            [
                super().format_help(),
                "datasets:",
                *rows,
                "  synthetic…          simulated markets",
                "",
            ]
        )


def _describe_preset(name: str) -> str:
    """Describe a choice without a reader of its own, by the beginning of its file's comment and its reader."""
    text = (CONF / "dataset" / f"{name}.yaml").read_text(encoding="utf-8")
    heading = text.partition(":")[0].removeprefix("#").strip()
    return f"{heading} (read as {yaml.safe_load(text)['name']})"


def main(arguments: list[str] | None = None) -> int:
    """Check, describe or convert a dataset and return the exit code (see `exits`)."""
    parser = _Parser(
        prog="ofiml data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="check      print the sessions, and the rows dropped and kept in each, by cause\n"
        "describe   also print spread, depth by level, event mix and intraday pattern of each symbol;\n"
        "           describe FILE prints what the file is, and the command that reads it\n"
        "convert    also write each session as a file\n\n"
        "The exit code is 1 if a file is refused.\n\n"
        "examples:\n"
        "  ofiml data describe AMZN_5.zip\n"
        "  ofiml data check dataset=databento dataset.path=AAPL.csv\n"
        "  ofiml data describe dataset=lobster dataset.path=AMZN_5.zip\n"
        "  ofiml data convert --to parquet --out data dataset=synthetic",
    )
    parser.add_argument("command", choices=("check", "describe", "convert"), help="what to do; see below")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="overrides of the dataset, as for ofiml run; or only FILE"
    )
    parser.add_argument("--to", choices=_FORMATS, default="parquet", help="format for convert (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("data"), metavar="FOLDER", help="folder for convert (default: %(default)s)"
    )
    parser.add_argument("--config-dir", metavar="FOLDER", help="folder with your own config groups and choices")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_intermixed_args(arguments)
    return run_command(lambda: _recognise(options) if _names_file(options) else _survey(options))


def _names_file(options: argparse.Namespace) -> bool:
    """Return whether `describe` or `check` is given one path and nothing else."""
    if options.command == "convert" or len(options.overrides) != 1:
        return False
    word = options.overrides[0]
    looks_like_path = "=" not in word and not word.startswith(("~", "+")) and ("/" in word or "." in word)
    return looks_like_path or bool(files(word))


def _recognise(options: argparse.Namespace) -> int:
    """Print what a file is, or the files of a folder or glob, and the commands that read them.

    Return 1 unless each kind of file can be read.
    """
    path = options.overrides[0]
    if not files(path):
        raise ConfigError(describe_missing_path(path).replace("dataset.path=", "", 1))

    from ofiml.data.recognition import describe_path

    lines, readable = describe_path(path, options.command)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if readable else 1


def _survey(options: argparse.Namespace) -> int:
    other_keys = ("threads", "bars.per") if options.command == "describe" else ("threads",)
    command = f"ofiml data {options.command}"
    config = compose_dataset(options.overrides, command, options.config_dir, other_keys=other_keys)

    from rich.console import Console

    from ofiml.microstructure.survey import print_survey, survey_dataset, survey_to_json
    from ofiml.ui.progress import Stages

    def write(session: "Session") -> list[Path]:
        from ofiml.data.writers.convert import write_session

        return write_session(session, options.out, options.to, getattr(config.dataset, "calendar", "XNYS"))

    with Stages() as stages:
        survey = survey_dataset(
            config.dataset,
            stages,
            threads=config.threads,
            facts_per=config.bars.per if options.command == "describe" else None,
            write=write if options.command == "convert" else None,
        )
    if options.json:
        sys.stdout.write(json.dumps(survey_to_json(survey), indent=1) + "\n")
    else:
        print_survey(survey, Console())
    return 1 if survey.refused else 0


if __name__ == "__main__":
    sys.exit(main())
