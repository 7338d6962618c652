"""`ofiml conformance [--with package.module:function]`: check an OFI implementation on books with known answers."""

import argparse
import importlib
import json
import sys
from collections import Counter
from pathlib import Path

from rich.table import Table

from ofiml.atomic import write_text_atomically
from ofiml.cli.exits import run_command
from ofiml.conformance.books import read_cases
from ofiml.conformance.checking import CaseResult, Implementation, check_case
from ofiml.errors import ConfigError
from ofiml.ui.lines import open_console

OWN_FUNCTION = "ofiml.conformance.ours:answers"


def main(arguments: list[str] | None = None) -> int:
    """Check an implementation and return the exit code: 1 if a case differs or none passes, else as in `exits`."""
    parser = argparse.ArgumentParser(
        prog="ofiml conformance",
        description="Check an implementation of order flow imbalance on books with known answers. The exit code is "
        "0 if no case differs; 1 if a case differs, or none passes; 2 if the function cannot be imported.",
        epilog="The module is searched for in the working folder first. docs/conformance.md describes what the "
        "function receives and returns.",
    )
    parser.add_argument(
        "--with",
        dest="name",
        metavar="MODULE:FUNCTION",
        default=OWN_FUNCTION,
        help="function to check (default: the package's own, %(default)s)",
    )
    parser.add_argument("--list", action="store_true", help="only list the cases")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to this file")
    options = parser.parse_args(arguments)
    return run_command(lambda: _check(options))


def _check(options: argparse.Namespace) -> int:
    console = open_console()
    if options.list:
        console.print(_list_cases())
        return 0
    implementation = _import_function(options.name)
    results = [check_case(implementation, case) for case in read_cases()]
    counts = Counter(one.verdict for one in results)
    if options.json is not None:
        write_text_atomically(options.json, json.dumps(_to_json(options.name, results), indent=1) + "\n")
    if counts["differs"]:
        console.print(_tabulate_differences(results))
    kinds = ", ".join(f"{counts[verdict]} {words}" for verdict, words in _VERDICT_WORDS.items())
    console.print(f"{options.name}: of {len(results)} cases {kinds}.", soft_wrap=True)
    return 1 if counts["differs"] or not counts["passes"] else 0


_VERDICT_WORDS = {"passes": "pass", "differs": "differ", "not supported": "are not supported"}


def _import_function(name: str) -> Implementation:
    """Import `package.module:function`. Raises ConfigError for another form, and if the import fails."""
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConfigError(f"--with {name}: write package.module:function.")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:  # python -m has it there, a console script has not
        sys.path.insert(0, str(Path.cwd()))
    try:
        implementation = getattr(importlib.import_module(module), function)
    except Exception as error:  # a foreign module may raise anything
        raise ConfigError(f"--with {name} cannot be imported: {type(error).__name__}: {error}.") from error
    if not callable(implementation):
        raise ConfigError(f"--with {name} is a {type(implementation).__name__}, not a function.")
    return implementation


def _list_cases() -> Table:
    table = Table("case", "rests on", "description")
    for case in read_cases():
        table.add_row(case["id"], case["rests_on"], case["sentence"])
    return table


def _tabulate_differences(results: list[CaseResult]) -> Table:
    """Tabulate the cases that differ: one row per case, one line per number."""
    table = Table("case", "where", "expected", "got", show_lines=True)
    table.columns[0].overflow = "fold"
    for one in results:
        if one.differences:
            columns = zip(*((d.where, d.expected, d.got) for d in one.differences), strict=True)
            about = f"{one.case['id']}\n{one.case['sentence']} ({one.case['rests_on']})"
            table.add_row(about, *("\n".join(column) for column in columns))
    return table


def _to_json(name: str, results: list[CaseResult]) -> dict[str, object]:
    return {
        "with": name,
        "cases": [
            {
                "id": one.case["id"],
                "rests_on": one.case["rests_on"],
                "verdict": one.verdict,
                "differences": [{"where": d.where, "expected": d.expected, "got": d.got} for d in one.differences],
                "unsupported": one.unsupported,
            }
            for one in results
        ],
    }
