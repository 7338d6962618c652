"""Check, describe or convert a dataset without running a study."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.cli.data_pages import PAGES, build_list_parser, build_parser
from ofiml.cli.exits import run_command
from ofiml.config import describe_missing_path, files
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import compose_dataset

if TYPE_CHECKING:
    from ofiml.data.schema import Session


def main(arguments: list[str] | None = None) -> int:
    """Check, describe or convert a dataset and return the exit code (see `exits`)."""
    line = sys.argv[1:] if arguments is None else arguments
    if not line or line[0] not in PAGES:
        listed = build_list_parser()
        if line and line[0].startswith("-") and set(PAGES) & set(line):
            listed.error(f"the command comes first: write ofiml data {next(w for w in line if w in PAGES)} {line[0]} …")
        listed.parse_args(line[:1])
        return 2
    command, *rest = line
    options = build_parser(command).parse_intermixed_args(rest)
    names_file = _names_file(command, options)
    return run_command(lambda: _recognise(command, options) if names_file else _survey(command, options))


def _names_file(command: str, options: argparse.Namespace) -> bool:
    """Return whether `describe` or `check` is given one path and nothing else."""
    if command == "convert" or len(options.overrides) != 1:
        return False
    word = options.overrides[0]
    looks_like_path = "=" not in word and not word.startswith(("~", "+")) and ("/" in word or "." in word)
    return looks_like_path or bool(files(word))


def _recognise(command: str, options: argparse.Namespace) -> int:
    """Print what a file is, or the files of a folder or glob, and the commands that read them.

    Return 1 unless each kind of file can be read.
    """
    path = options.overrides[0]
    for flag, value in (("--json", options.json), ("--config-dir", options.config_dir)):
        if value:
            raise ConfigError(
                f"{flag} has no effect on what a file is: leave it out, or name dataset and dataset.path."
            )
    if not files(path):
        raise ConfigError(describe_missing_path(path).replace("dataset.path=", "", 1))

    from ofiml.data.recognition import describe_path

    lines, readable = describe_path(path, command)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if readable else 1


def _survey(command: str, options: argparse.Namespace) -> int:
    other_keys = ("threads", "bars.per") if command == "describe" else ("threads",)
    config = compose_dataset(options.overrides, f"ofiml data {command}", options.config_dir, other_keys=other_keys)

    from ofiml.microstructure.survey import print_survey, survey_dataset, survey_to_json
    from ofiml.ui.lines import open_console
    from ofiml.ui.progress import Stages

    def write(session: "Session") -> list[Path]:
        from ofiml.data.writers.convert import write_session

        return write_session(session, options.out, options.to, getattr(config.dataset, "calendar", "XNYS"))

    with Stages() as stages:
        survey = survey_dataset(
            config.dataset,
            stages,
            threads=config.threads,
            facts_per=config.bars.per if command == "describe" else None,
            write=write if command == "convert" else None,
        )
    if options.json:
        sys.stdout.write(json.dumps(survey_to_json(survey), indent=1) + "\n")
    else:
        print_survey(survey, open_console())
    return 1 if survey.refused else 0
