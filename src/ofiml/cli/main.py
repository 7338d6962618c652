"""`ofiml COMMAND …`: run one of the commands. Only the chosen command is imported, which keeps the help fast."""

import atexit
import importlib
import os
import signal
import sys
from typing import NoReturn

from ofiml.cli.interrupts import INTERRUPTED, TERMINATED, end_at_interrupts

COMMANDS = {
    "run": "run a study and log its verdict",
    "compare": "compare the runs of an MLflow experiment, corrected for the number of trials",
    "reproduce": "repeat a logged run and check that the result is bit-identical",
    "ui": "serve MLflow's page of the runs, with views of their main columns and charts",
    "sync": "log a finished study whose store failed",
    "prune": "delete local files of old runs that are also in the store",
    "replay": "stream market data row by row through the model of a logged run, and time each step",
    "data": "check, describe or convert a dataset",
    "experiment": "repeat an experiment of the literature on markets of your choice",
    "splits": "print and draw the folds of a study without running it",
    "conformance": "check your own OFI implementation on books with known answers",
}

_HELP = """usage: ofiml COMMAND [...]

Research on order flow imbalance: from raw book updates to a logged, cost-aware verdict.

commands:
{commands}

options:
  -h, --help   show this help (`ofiml COMMAND --help`: the help of a command)
  --version    show the version

`python -m ofiml.COMMAND` is the same as `ofiml COMMAND`.
"""


def enter(*command: str) -> NoReturn:
    """Run `command`, completed by the command line, and end the process with its exit code.

    After an interrupt the interpreter does not close itself down: threads may still work in compiled code, and those
    that came back meanwhile would abort the process. Exit functions, which delete temporary files, run nevertheless.
    """
    with end_at_interrupts():
        code = main([*command, *sys.argv[1:]])
        if code in (INTERRUPTED, TERMINATED):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit(code)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the work is done
    sys.exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run the command named first in `arguments` (default: the command line), and return its exit code.

    The code is 2 if the command is missing or unknown.
    """
    line = sys.argv[1:] if arguments is None else arguments
    if not line:
        sys.stderr.write(_format_help())
        return 2
    name, *rest = line
    if name in ("-h", "--help"):
        sys.stdout.write(_format_help())
        return 0
    if name == "--version":
        from importlib import metadata

        sys.stdout.write(f"ofiml {metadata.version('ofiml')}\n")
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"ofiml: {_describe_unknown(name)}\n")
        return 2
    sys.argv = [f"ofiml {name}", *rest]
    code: int = importlib.import_module(f"ofiml.cli.{name}").main()
    return code


def _format_help() -> str:
    return _HELP.format(commands="\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items()))


def _describe_unknown(name: str) -> str:
    """Describe an unknown command, with the likely correction."""
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    if "=" in name:
        return f"{name!r} is an override, not a command: write ofiml run {name}."
    hint = f" Did you mean ofiml {close[0]}?" if close else f" Commands: {', '.join(COMMANDS)}."
    return f"there is no command {name!r}.{hint}"
