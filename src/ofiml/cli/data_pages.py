"""The help pages of `ofiml data` and of its three commands, each with its own options, output and examples."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from ofiml.data.readers import READERS
from ofiml.overrides.conf import CONF, list_choices

FORMATS = ("parquet", "dbn", "lobster")  # those of data.writers.convert, which imports polars


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says of its command beside the options: `summary` is its line in the list of commands."""

    summary: str
    text: str
    output: str
    examples: tuple[str, ...]


PAGES = {
    "check": Page(
        "print the sessions, and the rows dropped and kept in each, by cause",
        "Read a dataset as a study does, and print its sessions and faults. check FILE prints what the file is,\n"
        "and the command that checks it.",
        "A table, one row per session: symbol, date, hours (UTC), levels, and the events used of the rows read.\n"
        "Below it, for each session, the rows dropped and the irregular rows kept, by cause, and what is implausible;\n"
        "the instrument of each symbol; the inputs that were left out or refused.",
        (
            "ofiml data check AMZN_5.zip",
            "ofiml data check dataset=lobster dataset.path='days/*.zip'",
            "ofiml data check dataset=databento dataset.path=AAPL.csv --json",
        ),
    ),
    "describe": Page(
        "also print spread, depth by level, event mix and intraday pattern; or what a file is",
        "Check a dataset, and measure its market. describe FILE prints what the file is, or the files of a folder or\n"
        "glob, and the command that reads it.",
        "What check prints. Then, averaged over the sessions of each symbol: the spread in ticks; messages per\n"
        "second, by kind, and how many move a best price; size and distance from the mid of each level; the messages\n"
        "by tenth of the session.",
        (
            "ofiml data describe AMZN_5.zip",
            "ofiml data describe downloads/",
            "ofiml data describe dataset=lobster dataset.path=AMZN_5.zip",
            "ofiml data describe dataset=synthetic bars.per=row --json",
        ),
    ),
    "convert": Page(
        "also write each session as a file",
        "Check a dataset, and write each of its sessions. A file that exists is not overwritten: the command ends\n"
        "there, with exit code 1.",
        "What check prints, and the names of the files, in FOLDER:\n"
        "  parquet   SYMBOL_DATE.parquet, in the event schema (docs/event-schema.md)\n"
        "  dbn       SYMBOL_DATE.dbn, Databento's MBP-10: ten levels\n"
        "  lobster   LOBSTER's two files, message and orderbook: one clock, no counts of orders\n"
        "Beside a simulated session, SYMBOL_DATE_truth.parquet has its truth.",
        (
            "ofiml data convert dataset=synthetic",
            "ofiml data convert --to parquet --out days dataset=lobster dataset.path='days/*.zip'",
        ),
    ),
}

_EXIT_CODES = "The exit code is 0 if all inputs are read, 1 if one is refused, 2 if the command line is wrong."


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


def build_list_parser() -> argparse.ArgumentParser:
    """Build the parser of `ofiml data` itself, whose help lists the commands."""
    parser = argparse.ArgumentParser(
        prog="ofiml data",
        usage="ofiml data COMMAND [...]",
        description="Check, describe or convert a dataset without running a study.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n"
        + "".join(f"  {name:<11}{page.summary}\n" for name, page in PAGES.items())
        + "\n`ofiml data COMMAND --help`: the options, output and examples of a command, and the datasets\n\n"
        f"examples:\n{_list_lines(page.examples[0] for page in PAGES.values())}",
    )
    parser.add_argument("command", metavar="COMMAND", choices=PAGES, help=f"one of {', '.join(PAGES)}")
    return parser


def build_parser(command: str) -> argparse.ArgumentParser:
    """Build the parser of one of the commands in `PAGES`."""
    page = PAGES[command]
    output = f"output:\n{_list_lines(page.output.splitlines())}\n\n{_EXIT_CODES}"
    parser = _Parser(
        prog=f"ofiml data {command}",
        description=page.text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"{output}\n\nexamples:\n{_list_lines(page.examples)}",
    )
    or_file = "" if command == "convert" else "; or only FILE"
    keys = "dataset, instrument, threads" + (", bars.per" if command == "describe" else "")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help=f"overrides as for ofiml run, of {keys}{or_file}"
    )
    if command == "convert":
        parser.add_argument("--to", choices=FORMATS, default="parquet", help="format (default: %(default)s)")
        parser.add_argument(
            "--out", type=Path, default=Path("data"), metavar="FOLDER", help="folder (default: %(default)s)"
        )
    parser.add_argument("--config-dir", metavar="FOLDER", help="folder with your own config groups and choices")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _list_lines(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
