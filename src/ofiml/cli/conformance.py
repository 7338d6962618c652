"""`python -m ofiml.conformance [--with package.module:function]`: an OFI against books with known answers."""

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


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ofiml.conformance",
        description="Holds an implementation of order flow imbalance against books with known answers. Ends with 0 if "
        "no case differs, 1 if one does or none is supported, 2 if there is nothing to hold.",
        epilog="What a function is given and returns: docs/conformance.md. It is looked for as `python -m` would, in "
        "the working folder too.",
    )
    parser.add_argument("--with", dest="name", metavar="MODULE:FUNCTION", default=OURS, help="default: %(default)s")
    parser.add_argument("--list", action="store_true", help="only say what the cases are")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the result to a file as well")
    given = parser.parse_args()
    return ending_in_a_sentence(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    console = Console(markup=False, emoji=False, highlight=False)
    if given.list:
        console.print(_list())
        return 0
    implementation = _named(given.name)
    held = [check_case(implementation, case) for case in read_cases()]
    counts = Counter(one.verdict for one in held)
    if given.json is not None:
        given.json.write_text(json.dumps(_as_json(given.name, held), indent=1) + "\n", encoding="utf-8")
    if counts["differs"]:
        console.print(_differences(held))
    kinds = ", ".join(f"{counts[verdict]} {said}" for verdict, said in _SAID.items())
    console.print(f"{given.name}: of {len(held)} cases {kinds}.", soft_wrap=True)
    return 1 if counts["differs"] or not counts["passes"] else 0


_SAID = {"passes": "pass", "differs": "differ", "not supported": "are not supported"}


def _named(name: str) -> Implementation:
    """The function of `package.module:function`; raises ConfigError if there is none."""
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConfigError(f"--with {name}: write package.module:function.")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever somebody else's module raises
        raise ConfigError(f"--with {name}: cannot be imported, {type(error).__name__}: {error}.") from error
    if not callable(found):
        raise ConfigError(f"--with {name}: is a {type(found).__name__}, not a function.")
    return found


def _list() -> Table:
    table = Table("case", "rests on", "what it is about")
    for case in read_cases():
        table.add_row(case["id"], case["rests_on"], case["sentence"])
    return table


def _differences(held: list[CaseResult]) -> Table:
    """One row a case that differs, one line in it a number."""
    table = Table("case", "where", "expected", "got", show_lines=True)
    table.columns[0].overflow = "fold"
    for one in held:
        if one.differences:
            columns = zip(*((d.where, d.expected, d.got) for d in one.differences), strict=True)
            about = f"{one.case['id']}\n{one.case['sentence']} ({one.case['rests_on']})"
            table.add_row(about, *("\n".join(column) for column in columns))
    return table


def _as_json(name: str, held: list[CaseResult]) -> dict[str, object]:
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
            for one in held
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
