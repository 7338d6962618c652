"""The help of `ofiml run` lists what one can write, and nothing else."""

import re

import pytest

from ofiml.cli.run_help import format_help, is_help
from ofiml.config import SCHEMAS
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import check_arguments


def list_shown(text: str) -> dict[str, list[str]]:
    """The groups and choices of a help text."""
    block = text.partition("Groups and their choices:\n")[2].partition("\n\n")[0]
    return {group: names.split(", ") for group, _, names in (line.partition(": ") for line in block.splitlines())}


def test_every_group_is_listed_and_every_choice_can_be_written():
    groups = list_shown(format_help([]))
    assert {*SCHEMAS, "instrument", "debug", "experiment"} == set(groups)
    for group, names in groups.items():
        for name in names:
            check_arguments([f"{group}={name}"])
    assert groups["strategy"] == ["confirmed", "quoting", "reversion", "threshold"]
    assert groups["horizon"][-2:] == ["60s", "300s"]
    assert not re.search(r"\$|_base", format_help([]))


def test_choices_of_the_users_folder_are_listed(tmp_path):
    for name in ("preset/calm", "model/mine", "model/_shared"):
        (tmp_path / f"{name}.yaml").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text("{}")
    groups = list_shown(format_help(["--config-dir", str(tmp_path)]))
    assert groups["preset"] == ["calm"]
    assert "mine" in groups["model"]
    assert "_shared" not in groups["model"]
    with pytest.raises(ConfigError, match="no such folder"):
        format_help([f"--config-dir={tmp_path / 'absent'}"])


def test_only_its_flags_ask_for_the_help():
    assert is_help(["model=ridge", "--help"])
    assert is_help(["-h"])
    assert not is_help(["--hydra-help", "model=help"])
