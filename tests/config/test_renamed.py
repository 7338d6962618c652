"""A logged config and the params of a logged run have the keys of their time, and mean what they meant."""

from dataclasses import asdict

import pytest
import yaml

from ofiml.cli.config_file import translate_config_flag
from ofiml.cli.overrides import compose
from ofiml.config import describe_unknown_key, load
from ofiml.config.plain import read_plain_config
from ofiml.config.renamed import RENAMED, current_key, rename_config, rename_params
from tests.conftest import ROOT, slow_but_each

LOGGED = ROOT / "tests" / "config" / "logged"
SAME = {
    "default": [],
    "barriers": [
        *("target=triple_barrier", "model=blend_direction", "split=cpcv", "features=core"),
        *("evaluation.block_length=20m", "tuning=off", "bars.step=5s"),
    ],
}  # what the configs were composed of, with current keys


@pytest.mark.parametrize("name", slow_but_each(2, SAME))
def test_a_config_that_was_logged_with_earlier_names_is_the_same_config(name):
    before = load(yaml.safe_load((LOGGED / f"{name}.yaml").read_text()))
    assert asdict(before) == asdict(load(compose(["tracking=off", *SAME[name]])))
    assert before == load(read_plain_config(LOGGED / f"{name}.yaml"))


def test_a_file_with_earlier_names_is_a_page_to_start_from():
    arguments = translate_config_flag(["--config", str(LOGGED / "barriers.yaml"), "evaluation.bootstrap_samples=60"])
    assert arguments == ["--config-name", "plain", "evaluation.bootstrap_samples=60"]
    from hydra import compose as of_hydra
    from hydra import initialize_config_dir

    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        config = load(of_hydra("plain", overrides=arguments[2:]))
    assert config.target.form == "triple_barrier"
    assert config.model.members["lgbm"].validation_fraction == 0.2
    assert config.evaluation.bootstrap_samples == 60


def test_every_earlier_name_is_in_a_logged_config_and_no_key_of_today():
    text = "".join(path.read_text() for path in LOGGED.glob("*.yaml"))
    for old, new in RENAMED.items():
        group, _, key = old.partition(".")
        assert f"  {key}:" in text
        assert new.startswith(f"{group}.")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("evaluation.bootstrap=50", "evaluation.bootstrap has been renamed: write evaluation.bootstrap_samples"),
        ("split.folds=3", "split.folds has been renamed: write split.n_folds"),
        ("model.members.lgbm.held_out=0.3", "has been renamed: write model.members.lgbm.validation_fraction"),
    ],
)
def test_a_typed_earlier_name_ends_in_a_sentence_with_todays(override, sentence):
    assert sentence in describe_unknown_key(override.partition("=")[0])


def test_params_of_a_logged_run_get_todays_keys():
    params = {"split.folds": "5", "evaluation.block": "1m", "target.form": "direction", "target.stop": "3", "seed": "7"}
    assert rename_params(params) == {
        "split.n_folds": "5",
        "evaluation.block_length": "1m",
        "target.form": "triple_barrier",
        "target.stop": "3",
        "seed": "7",
    }
    assert rename_params({"target.form": "direction", "target.stop": "None"})["target.form"] == "direction"


def test_a_config_of_today_stays_as_it_is():
    raw = {"seed": 7, "evaluation": {"bootstrap_samples": 1}, "target": {"form": "direction", "stop": None}, "model": 3}
    assert rename_config(raw) == raw
    both = {"evaluation": {"bootstrap_samples": 1, "bootstrap": 2}}
    assert rename_config(both) == both, "one of the two is an unknown key, and is refused"
    assert current_key("evaluation.bootstrap_samples") is None
