"""`ofiml conformance [--with package.module:function]`: check an OFI implementation on books with known answers."""

import argparse
import importlib
import json
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ofiml.cli.exits import ending_in_a_sentence
from ofiml.conformance.books import read_cases
from ofiml.conformance.checking import CaseResult, Implementation, check_case
from ofiml.errors import ConfigError

OURS = "ofiml.conformance.ours:answers"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="ofiml conformance",
        description="Check an implementation of order flow imbalance on books with known answers. The exit code is "
        "0 if no case differs, 1 if one does or none is supported, 2 if the function cannot be imported.",
        epilog="docs/conformance.md describes the argument and the result of the function. The working folder is "
        "searched for the module first.",
    )
    parser.add_argument(
        "--with",
        dest="name",
        metavar="MODULE:FUNCTION",
        default=OURS,
        help="function to check (default: %(default)s)",
    )
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the result to a file")
    given = parser.parse_args(arguments)
    return ending_in_a_sentence(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    console = Console(markup=False, emoji=False, highlight=False)
    if given.list:
        console.print(_list())
        return 0
    implementation = _named(given.name)
    results = [check_case(implementation, case) for case in read_cases()]
    counts = Counter(one.verdict for one in results)
    if given.json is not None:
        given.json.write_text(json.dumps(_as_json(given.name, results), indent=1) + "\n", encoding="utf-8")
    if counts["differs"]:
        console.print(_differences(results))
    kinds = ", ".join(f"{counts[verdict]} {words}" for verdict, words in _WORDS.items())
    console.print(f"{given.name}: of {len(results)} cases {kinds}.", soft_wrap=True)
    return 1 if counts["differs"] or not counts["passes"] else 0


_WORDS = {"passes": "pass", "differs": "differ", "not supported": "are not supported"}


def _named(name: str) -> Implementation:
    """Import `package.module:function`. Raises ConfigError if that fails."""
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConfigError(f"--with {name}: write package.module:function.")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:  # python -m has it there, a console script has not
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # a foreign module may raise anything
        raise ConfigError(f"--with {name} cannot be imported: {type(error).__name__}: {error}.") from error
    if not callable(found):
        raise ConfigError(f"--with {name} is a {type(found).__name__}, not a function.")
    return found


def _list() -> Table:
    table = Table("case", "rests on", "description")
    for case in read_cases():
        table.add_row(case["id"], case["rests_on"], case["sentence"])
    return table


def _differences(results: list[CaseResult]) -> Table:
    """A table of the cases that differ, one row per case and one line per number."""
    table = Table("case", "where", "expected", "got", show_lines=True)
    table.columns[0].overflow = "fold"
    for one in results:
        if one.differences:
            columns = zip(*((d.where, d.expected, d.got) for d in one.differences), strict=True)
            about = f"{one.case['id']}\n{one.case['sentence']} ({one.case['rests_on']})"
            table.add_row(about, *("\n".join(column) for column in columns))
    return table


def _as_json(name: str, results: list[CaseResult]) -> dict[str, object]:
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


if __name__ == "__main__":
    sys.exit(main())
