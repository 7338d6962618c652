"""Check, describe or convert a dataset, without a study."""

import argparse
import json
import sys
from pathlib import Path

from ofiml.cli.exits import ending_in_a_sentence
from ofiml.cli.overrides import composed
from ofiml.data.readers import READERS
from ofiml.data.schema import Session
from ofiml.data.writers.convert import FORMATS, write_session


class _Parser(argparse.ArgumentParser):
    """List the datasets below the help. Their records are loaded only when the help is printed."""

    def format_help(self) -> str:
        rows = [f"  {name:<20}{reader.description}" for name, reader in READERS.loadable().items()]
        return "\n".join([super().format_help(), "datasets:", *rows, "  synthetic, …        simulated markets", ""])


def main(arguments: list[str] | None = None) -> int:
    parser = _Parser(
        prog="ofiml data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="check      quality of each session: rows dropped and kept, by cause; exit code 1 if one is refused\n"
        "describe   the same, with spread, depth by level, event mix and intraday pattern\n"
        "convert    write each session as a file\n\n"
        "ofiml data describe dataset=lobster dataset.path=AMZN_5.zip\n"
        "ofiml data convert --to parquet --out data dataset=synthetic",
    )
    parser.add_argument("command", choices=("check", "describe", "convert"))
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides of the dataset, as for ofiml run")
    parser.add_argument("--to", choices=FORMATS, default="parquet", help="format of convert (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("data"), metavar="FOLDER", help="where convert writes (default: %(default)s)"
    )
    parser.add_argument("--config-dir", metavar="FOLDER", help="folder with your own config groups and choices")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = parser.parse_intermixed_args(arguments)
    return ending_in_a_sentence(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    config = composed(given.overrides, "dataset=lobster dataset.path=FILE", given.config_dir)

    from rich.console import Console

    from ofiml.microstructure.survey import print_survey, survey_dataset, survey_to_json
    from ofiml.ui.progress import Stages

    def write(session: Session) -> list[Path]:
        return write_session(session, given.out, given.to, getattr(config.dataset, "calendar", "XNYS"))

    with Stages() as stages:
        found = survey_dataset(
            config,
            stages,
            describe=given.command == "describe",
            write=write if given.command == "convert" else None,
        )
    if given.json:
        sys.stdout.write(json.dumps(survey_to_json(found), indent=1) + "\n")
    else:
        print_survey(found, Console())
    return 1 if found.refused else 0


if __name__ == "__main__":
    sys.exit(main())
