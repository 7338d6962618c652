"""`ofiml COMMAND …`: the door to every command. A command is imported when it is chosen, so that this answers fast."""

import difflib
import importlib
import sys
from importlib import metadata

COMMANDS = {
    "run": "run a study, from a config to a logged verdict",
    "compare": "compare the runs of an MLflow experiment, corrected for the number of trials",
    "reproduce": "repeat a logged run and report whether its result is bit-identical",
    "replay": "stream a market row by row through a logged run's model",
    "data": "check, describe or convert a dataset",
    "splits": "print and draw the folds of a study",
    "conformance": "test an OFI implementation on books with known answers",
}

_HELP = """usage: ofiml COMMAND [...]

Experiment-tracked research on order flow imbalance: from raw book updates to a cost-aware verdict.

commands:
{commands}

options:
  -h, --help   show this help; `ofiml COMMAND --help` has that of a command
  --version    show the version

`python -m ofiml.COMMAND` is the same as `ofiml COMMAND`.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (default: the command line) begin with, and return its exit code.

    2 for a command that does not exist, or none.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        sys.stderr.write(_help())
        return 2
    name, *rest = given
    if name in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    if name == "--version":
        sys.stdout.write(f"ofiml {metadata.version('ofiml')}\n")
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"ofiml: {_unknown(name)}\n")
        return 2
    sys.argv = [f"ofiml {name}", *rest]  # Hydra reads it
    code: int = importlib.import_module(f"ofiml.cli.{name}").main()
    return code


def _help() -> str:
    return _HELP.format(commands="\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items()))


def _unknown(name: str) -> str:
    """One sentence on what was typed instead of a command, with what was probably meant."""
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    if "=" in name:
        return f"{name!r} is an override, not a command: write ofiml run {name}."
    hint = f" Did you mean ofiml {close[0]}?" if close else f" Commands: {', '.join(COMMANDS)}."
    return f"there is no command {name!r}.{hint}"
