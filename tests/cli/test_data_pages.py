"""`ofiml data` lists its commands, and each of them has a page of its own."""

import re
import shlex

import pytest

from ofiml.cli import data
from ofiml.cli.data_pages import PAGES, build_parser

OPTIONS = {
    "check": {"--help", "--config-dir", "--json"},
    "describe": {"--help", "--config-dir", "--json"},
    "convert": {"--help", "--config-dir", "--json", "--to", "--out"},
}


def show(capsys, *line) -> tuple[int, str]:
    """The exit code and what is printed, on either stream."""
    try:
        code = data.main(list(line))
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    return code or 0, captured.out + captured.err


def test_the_list_names_the_three_commands(capsys):
    code, text = show(capsys, "--help")
    assert code == 0
    rows = re.findall(r"^  (\w+) +(.*)$", text.partition("\ncommands:\n")[2].partition("\n\n")[0], re.MULTILINE)
    assert rows == [(name, page.summary) for name, page in PAGES.items()]
    assert list(PAGES) == ["check", "describe", "convert"]
    assert "--to" not in text


@pytest.mark.parametrize("command", OPTIONS)
def test_each_command_has_its_own_page(capsys, command):
    code, text = show(capsys, command, "--help")
    assert code == 0
    assert text.startswith(f"usage: ofiml data {command} ")
    assert set(re.findall(r"--[a-z-]+", text.partition("\noutput:\n")[0])) == OPTIONS[command]
    for part in ("output", "examples", "datasets"):
        assert re.search(rf"^{part}:\n  \S", text, re.MULTILINE), part
    assert "The exit code is 0" in text
    assert all(len(line) < 120 for line in text.splitlines())
    for other in set(PAGES) - {command}:
        assert f"ofiml data {other}" not in text


@pytest.mark.parametrize("command", PAGES)
def test_the_examples_are_command_lines(command):
    for example in PAGES[command].examples:
        words = shlex.split(example)
        assert words[:3] == ["ofiml", "data", command]
        options = build_parser(command).parse_intermixed_args(words[3:])
        named = data._names_file(command, options)
        assert named == (len(options.overrides) == 1 and "=" not in options.overrides[0])
        assert named or all(re.match(r"(dataset|bars)\b.*=", one) for one in options.overrides)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ([], "required: COMMAND"),
        (["chek"], "invalid choice: 'chek' (choose from"),
        (["--json"], "required: COMMAND"),
        (["--json", "check", "dataset=synthetic"], "the command comes first: write ofiml data check --json …"),
        (["check", "--to", "dbn", "dataset=synthetic"], "unrecognized arguments: --to"),
        (["describe", "--out", "x", "dataset=synthetic"], "unrecognized arguments: --out"),
        (["convert", "--to", "csv", "dataset=synthetic"], "invalid choice: 'csv'"),
        (["describe", "--json", "x.csv"], "--json has no effect on what a file is"),
        (["check", "x.csv", "--config-dir", "mine"], "--config-dir has no effect on what a file is"),
    ],
)
def test_a_wrong_line_ends_with_code_2(capsys, line, sentence):
    code, text = show(capsys, *line)
    assert code == 2
    assert sentence in text
