"""The command reference of the site: the help of each command, the targets of make, and the scripts."""

import ast
import contextlib
import importlib
import io
import os
import re
from pathlib import Path

from ofiml.cli.data_pages import PAGES
from ofiml.cli.main import COMMANDS
from ofiml.cli.run_help import format_help

ROOT = Path(__file__).parents[1]
WIDTH = "100"  # columns of the help

HEAD = """# Commands

`ofiml COMMAND --help` prints what stands here. `python -m ofiml.COMMAND` is the same as `ofiml COMMAND`. The exit code
is 0, 1 for refused data or a check that failed, and 2 for a wrong command line or config.
"""


def read_help(command: str, *words: str) -> str:
    """Return the help of a command, or of the command of its own that `words` name, as it prints it."""
    if command == "run":
        return format_help([])
    text = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            importlib.import_module(f"ofiml.cli.{command}").main([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        os.environ.update({} if before is None else {"COLUMNS": before})
    return text.getvalue()


def read_targets() -> list[tuple[str, str]]:
    """List the targets of the Makefile with their descriptions."""
    return re.findall(r"^([a-z-]+):.*## (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def read_scripts() -> list[tuple[str, str]]:
    """List the programs in scripts/ and benchmarks/ with the first sentence of their docstrings."""
    rows = []
    for path in sorted([*(ROOT / "scripts").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]):
        source = path.read_text(encoding="utf-8")
        if 'if __name__ == "__main__"' in source and path.name != Path(__file__).name:
            summary = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0].replace("\n", " ")
            rows.append((path.relative_to(ROOT).as_posix(), summary))
    return rows


def write_page() -> str:
    """Write the whole reference."""
    lines = HEAD.splitlines()
    for command, summary in COMMANDS.items():
        lines += ["", f"## ofiml {command}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
        lines += ["```text", read_help(command).strip(), "```"]
        for name in PAGES if command == "data" else ():
            lines += ["", f"### ofiml data {name}", "", "```text", read_help("data", name).strip(), "```"]
    lines += ["", "## make", "", "| target | description |", "|---|---|"]
    lines += [f"| `make {target}` | {text} |" for target, text in read_targets()]
    lines += ["", "## Scripts", "", "`python SCRIPT --help` prints the arguments of each.", ""]
    lines += ["| script | description |", "|---|---|"]
    lines += [f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, text in read_scripts()]
    return "\n".join(lines) + "\n"
