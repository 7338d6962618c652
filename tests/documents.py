"""The commands and blocks of the Markdown pages, for the tests that check or run them."""

import re
import shlex
from functools import cache

from tests.conftest import ROOT

PAGES = ("README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/*.md")))
STARTS = ("ofiml ", "python -m ofiml", "make ", "python scripts/", "python benchmarks/")


@cache
def list_commands(page):
    """The commands of a page, with the placeholders that stand on it: lines of blocks, and code inside sentences."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / page).read_text())
    blocks = re.findall(r"^(?: {4,}|\$ )(.*)$", text, re.MULTILINE)
    inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))
    lines = [" ".join(line.split()) for line in (*blocks, *inline)]
    return [line for line in lines if line.startswith(STARTS) and " | " not in line]


def split_command(line):
    """The words of a command: without comments, the brackets of what may be left out, and what … stands for."""
    line = re.sub(r"\[(--[^\]]*)\]", "", line).replace("\\|", "|")
    words = shlex.split(line, comments=True)
    values = {i + 1 for i, word in enumerate(words) if word.startswith("--")}  # one stands for the value of a flag
    return [word.replace("…", "X") for i, word in enumerate(words) if "…" not in word or i in values]


def list_blocks(page):
    """The console blocks of a page as pairs of a command and what it prints."""
    blocks = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [(command, output) for command, output in blocks]


def match_output(shown):
    """A pattern of what a page shows: a line … stands for any lines, and … in a line for any text,
    as wide as it may be."""
    lines = []
    for line in shown.splitlines():
        escaped = ".*".join(re.sub(r"^(\\ )+", " +", re.escape(part)) for part in line.split("…"))
        lines.append("(?:.*\n)*?" if line == "…" else f"{escaped}\n")
    return re.compile("".join(lines))
