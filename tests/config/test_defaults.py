"""What a config does differently from the default study of conf/."""

import pytest
import yaml

from ofiml.config import load, resolve_config
from ofiml.config.defaults import list_differences, read_default_choices
from ofiml.config.report import FIRST_FILES
from ofiml.errors import ConfigError
from tests.conftest import ROOT


def list_keys(config) -> dict[str, tuple[object, object, str]]:
    return {d.key: (d.value, d.default, d.choice) for d in list_differences(resolve_config(config))}


def test_the_default_study_has_no_difference(configure):
    config = load(_compose())
    assert list_differences(resolve_config(config)) == []
    assert read_default_choices()["model"] == "lgbm"


def _compose(*overrides):
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        return compose("config", overrides=list(overrides))


def test_another_choice_is_one_difference_and_its_own_changes_are_others():
    config = load(_compose("model=elasticnet", "model.l1_ratio=0.25", "horizon=60s", "seed=8", "threads=1"))
    assert list_keys(config) == {
        "seed": (8, 7, ""),
        "horizon.length": ("60s", "10s", ""),
        "model.name": ("elasticnet", "lgbm", ""),
        "model.l1_ratio": (0.25, 0.5, "model=elasticnet"),
    }


def test_a_value_that_follows_another_key_differs_only_if_it_is_set():
    assert list_keys(load(_compose("horizon.delay=20ms"))) == {"horizon.delay": ("20ms", "50ms", "")}
    found = list_keys(load(_compose("backtest.latency=20ms")))
    assert found == {"backtest.latency": ("20ms", "50ms", "")}


def test_a_nested_value_is_compared_whole():
    found = list_keys(load(_compose("model=elasticnet", "+model.space.l1_ratio.log=true")))
    assert set(found) == {"model.name", "model.space"}


def test_a_choice_of_a_group_without_name_counts_if_it_says_more_in_fewer_words():
    found = list_keys(load(_compose("target=triple_barrier", "target.stop=5", "model=logistic", "tuning=off")))
    assert found == {
        "target": ("triple_barrier", "forecast", ""),
        "target.stop": (5, 3, "target=triple_barrier"),
        "model.name": ("logistic", "lgbm", ""),
        "tuning.enabled": (False, True, ""),
    }


def test_a_choice_that_conf_lacks_is_named():
    resolved = resolve_config(load(_compose()))
    resolved["model"] = {"name": "../../secret", "alpha": 3}
    assert [(d.key, d.value) for d in list_differences(resolved)] == [("model.name", "../../secret")]


def test_a_logged_config_without_the_group_gets_what_runs_wrote_then():
    raw = resolve_config(load(_compose()))
    del raw["report"]
    assert resolve_config(load(raw))["report"] == FIRST_FILES
    raw["report"] = FIRST_FILES | {"dpi": 300}
    assert load(raw).report.dpi == 300


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("report.figures=[png,gif]", "report.figures=gif is not one of png, svg, pdf"),
        ("report.figures=[png,png]", "names a format twice"),
        ("report.dpi=20", "report.dpi must lie between 50 and 1200"),
    ],
)
def test_a_wrong_format_or_resolution_is_refused(override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(_compose(override))


def test_a_config_from_before_the_group_wrote_what_the_default_writes():
    assert yaml.safe_load((ROOT / "conf" / "report" / "default.yaml").read_text()) == FIRST_FILES
