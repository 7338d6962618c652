"""The tutorial, word by word: each command is run, and what it prints is what the page shows."""

import os
import shlex
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.documents import list_blocks, list_commands, match_output, split_command

PAGE = "docs/tutorial.md"


@pytest.mark.slow
def test_the_tutorial_is_true(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "COLUMNS")}
    blocks = list_blocks(PAGE)
    for command, shown in blocks:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
        assert match_output(shown).fullmatch(done.stdout), f"{command} prints\n{done.stdout}"
    assert list(tmp_path.glob("outputs/*/*/report.html"))
    assert (tmp_path / "comparison" / "compare.html").exists()


def test_every_command_of_the_tutorial_is_run():
    """Or is one of the set-up, which comes before any test; `ofiml ui` serves until it is ended."""
    run = [split_command(command) for command, _ in list_blocks(PAGE)]
    others = {tuple(split_command(line)) for line in list_commands(PAGE) if split_command(line) not in run}
    assert others == {("make", "setup"), ("ofiml", "data", "describe", "FILE"), ("ofiml", "ui")}
