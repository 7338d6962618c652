"""`python -m ofiml.conformance`: exit codes, sentences, the table and the JSON."""

import json
import re
import sys
from pathlib import Path

import pytest

from ofiml.cli.conformance import main
from ofiml.conformance.books import read_cases
from tests.conftest import ROOT

WRONG = """
SEVEN = 7
def one_off(given):
    return {"flow": [[1] * given["levels"] for _ in given["states"]]} if given["levels"] == 1 else None
def nothing(given):
    return None
def best_level_moves(given):
    return {"flow": [[None], [22]]} if given["levels"] == 1 and len(given["states"]) == 2 else None
def a_list(given):
    return [1]
def raises(given):
    raise ValueError("[bold]no[/bold] :boom:")
"""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command with `peer.py` and `broken.py` on the path; returns its code, its output and its error."""
    (tmp_path / "peer.py").write_text(WRONG)
    (tmp_path / "broken.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    for name in ("peer", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def command(*arguments: str | Path):
        monkeypatch.setattr(sys, "argv", ["ofiml.conformance", *map(str, arguments)])
        code = main()
        return code, *capsys.readouterr()

    return command


def test_ours_passes_and_ends_with_0(run):
    code, out, error = run()
    n = len(read_cases())
    assert (code, error) == (0, "")
    assert out == f"ofiml.conformance.ours:answers: of {n} cases {n} pass, 0 differ, 0 are not supported.\n"


def test_differences_are_a_table_and_end_with_1(run):
    code, out, error = run("--with", "peer:one_off")
    assert (code, error) == (1, "")
    assert "nine-up-up" in out
    assert "one of the nine cases at the best level. (equation)" in out
    assert any(
        line.replace("│", " ").split()[-6:] == ["state", "2,", "level", "1", "22", "1"] for line in out.splitlines()
    )
    assert "are not supported." in out.splitlines()[-1]


def test_what_supports_nothing_has_not_passed(run):
    code, out, _ = run("--with", "peer:nothing")
    assert code == 1
    assert (
        out == f"peer:nothing: of {len(read_cases())} cases 0 pass, 0 differ, {len(read_cases())} are not supported.\n"
    )


def test_what_a_function_raises_is_shown_as_it_is(run):
    code, out, _ = run("--with", "peer:raises")
    assert code == 1
    assert "ValueError: [bold]no[/bold] :boom:" in " ".join(out.replace("│", " ").split())


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("peer", 2, "--with peer: write package.module:function."),
        ("peer:", 2, "--with peer:: write package.module:function."),
        ("absent:f", 2, "--with absent:f cannot be imported: ModuleNotFoundError: No module named 'absent'."),
        ("broken:f", 2, "--with broken:f cannot be imported: RuntimeError: no licence."),
        ("peer:SEVEN", 2, "--with peer:SEVEN is a int, not a function."),
        ("peer:a_list", 1, "nine-up-up: got a list; return a dict with flow, bar_flow, bar_events, or None."),
    ],
)
def test_what_cannot_be_held_ends_in_one_sentence(run, name, code, sentence):
    assert run("--with", name) == (code, "", f"ofiml: {sentence}\n")


def test_a_function_that_is_not_there_is_named(run):
    code, out, error = run("--with", "peer:absent")
    assert (code, out) == (2, "")
    assert error.startswith("ofiml: --with peer:absent cannot be imported: AttributeError: ")
    assert error.count("\n") == 1


def test_the_list_names_every_case_and_runs_none(run):
    code, out, _ = run("--list", "--with", "broken:f")
    assert code == 0
    assert all(case["id"] in out for case in read_cases())


def test_the_json_says_what_became_of_every_case(run, tmp_path):
    out = tmp_path / "held.json"
    assert run("--with", "peer:best_level_moves", "--json", out)[0] == 1
    held = json.loads(out.read_text())
    by_id = {one["id"]: one for one in held["cases"]}
    assert held["with"] == "peer:best_level_moves"
    assert list(by_id) == [case["id"] for case in read_cases()]
    assert by_id["nine-up-up"] == {
        "id": "nine-up-up",
        "rests_on": "equation",
        "verdict": "passes",
        "differences": [],
        "unsupported": [],
    }
    assert by_id["nine-up-same"]["differences"] == [{"where": "state 2, level 1", "expected": "19", "got": "22"}]
    assert by_id["bars-empty"]["unsupported"] == ["flow", "bar_flow", "bar_events"]


def test_a_json_that_cannot_be_written_is_one_sentence(run, tmp_path):
    code, out, error = run("--json", tmp_path / "absent" / "held.json")
    assert (code, out) == (1, "")
    assert error.endswith("held.json: No such file or directory.\n")


def test_the_function_in_the_docs_does_what_is_said_there(run, tmp_path):
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    (tmp_path / "peer.py").write_text(re.search(r"```python\n(.*?)```", text, re.S)[1])
    passed, left = re.search(r"that (\d+) cases pass and (\d+) are not supported", text).groups()
    code, out, _ = run("--with", "peer:answers")
    assert f"contains {len(read_cases())} small books" in text
    assert (code, out) == (
        0,
        f"peer:answers: of {len(read_cases())} cases {passed} pass, 0 differ, {left} are not supported.\n",
    )


def test_the_docs_expect_of_others_what_the_file_does():
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)`.*?\| states? ([\d, ]+), level (\d) \| ([-\d, ]+) \|", text, re.M)
    flow = {case["id"]: case["answer"]["flow"] for case in read_cases()}
    assert len(rows) == 13
    for name, states, level, expected in rows:
        assert [flow[name][int(i) - 1][int(level) - 1] for i in states.split(",")] == [
            int(e) for e in expected.split(",")
        ]
