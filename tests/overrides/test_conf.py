"""A folder of the user's own adds groups and choices, for every command that composes a config."""

import subprocess
import sys

import pytest

from ofiml.cli.splits import main as splits
from ofiml.config import defaults
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import check_arguments, compose_config
from ofiml.overrides.conf import CONF, is_group, list_choices, list_folders
from tests.conftest import ROOT


@pytest.fixture
def own(tmp_path):
    """A folder, with a name as people have them, that has a model, a horizon and a group that conf/ has not."""
    folder = tmp_path / "my conf, it's (own)=1"
    for name, text in {
        "model/mine": "defaults: [ridge, _self_]\nalpha: 3.5\n",
        "horizon/20s": "defaults: [10s, _self_]\nlength: 20s\n",
        "preset/calm": "# @package _global_\ndefaults: [{override /model: mine}]\nseed: 11\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_conf_is_the_repositorys_where_the_package_has_none():
    assert CONF == ROOT / "conf"
    assert defaults._PACKAGE.parent == ROOT / "src" / "ofiml"


def test_a_command_line_names_the_folder_in_each_way_that_hydra_reads(own):
    assert list_folders(["model=ols"]) == [CONF]
    for line in (["--config-dir", str(own)], [f"--config-dir={own}"], ["-cd", str(own)]):
        assert list_folders(["model=mine", *line]) == [CONF, own]
    for line in (["--config-dir", "nowhere"], ["--config-dir"], ["--config-dir="]):
        with pytest.raises(ConfigError, match="no such folder"):
            list_folders(line)


def test_a_file_that_hydra_would_leave_for_ours_is_refused(own):
    (own / "model/ridge.yaml").write_bytes((CONF / "model/ridge.yaml").read_bytes())
    assert list_folders(["--config-dir", str(own)]) == [CONF, own]
    (own / "model/ridge.yaml").write_text("name: ridge\nalpha: 3.5\n")
    with pytest.raises(ConfigError, match=r"ridge.yaml would not be read, as model=ridge .* model/my_ridge.yaml"):
        list_folders(["--config-dir", str(own)])


def test_its_choices_stand_among_ours(own):
    both = [CONF, own]
    assert set(list_choices("model", both)) == {*list_choices("model"), "mine"}
    lengths = [name for name in list_choices("horizon", both) if name[0].isdigit()]
    assert lengths == ["1s", "5s", "10s", "20s", "30s", "60s", "300s"]
    assert is_group("preset", both)
    assert not is_group("preset")
    assert not is_group("../conf", both)


def test_check_knows_them_and_no_others(own):
    flag = f"--config-dir={own}"
    check_arguments(["model=mine", "horizon=20s", "+preset=calm", flag])
    with pytest.raises(ConfigError, match=r"model=mime is not a choice.*Did you mean model=mine"):
        check_arguments(["model=mime", flag])
    with pytest.raises(ConfigError, match="preset=clam is not a choice; preset is one of calm"):
        check_arguments(["+preset=clam", flag])
    with pytest.raises(ConfigError, match="model=mine is not a choice"):
        check_arguments(["model=mine"])


def test_commands_beside_run_compose_with_it(own):
    config = compose_config(["+preset=calm", "horizon=20s"], "…", str(own))
    assert (config.model.name, config.model.alpha, config.seed, config.horizon.length) == ("ridge", 3.5, 11, "20s")


@pytest.mark.slow
def test_run_composes_with_it_and_lists_it(own, tmp_path):
    def shown(*arguments):
        command = [sys.executable, "-m", "ofiml", "run", "--config-dir", str(own), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    code, text = shown("+preset=calm", "horizon=20s", "--cfg", "job")
    assert code == 0, text
    assert "alpha: 3.5" in text
    assert "length: 20s" in text
    assert "\npreset: calm\n" in shown("--help")[1]
    assert shown("model=mime")[0] == 2


def test_splits_takes_the_flag(own, capsys):
    assert splits(["model=mine", "--config-dir", str(own / "absent")]) == 2
    assert "no such folder" in capsys.readouterr().err
