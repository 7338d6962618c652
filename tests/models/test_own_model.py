"""The model of docs/add-a-model.md is one file and one YAML; and no other file is taken for a model."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from hydra import compose, initialize_config_dir

from ofiml import models
from ofiml.config import MODELS, load, resolve_config
from ofiml.errors import ConfigError
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.conftest import ROOT, slow_but_each

PAGE = (ROOT / "docs" / "add-a-model.md").read_text()


def block(language: str) -> str:
    """The page's only block of that language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return code


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of models with one more file, and conf with one more YAML; composes and loads."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "huber.py").write_text(block("python"))
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf" / "model" / "huber.yaml").write_text(block("yaml"))
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "models")])

    def configured(*overrides):
        with initialize_config_dir(str(tmp_path / "conf"), version_base=None):
            base = ["tracking=off", f"tuning.storage={tmp_path / 'tuning'}", "features.store=null"]
            return load(compose("config", overrides=[*base, *overrides]))

    yield configured
    sys.modules.pop("ofiml.models.huber", None)
    if hasattr(models, "huber"):
        del models.huber


def test_one_file_and_one_yaml_make_a_model(own):
    config = own("debug=tiny", "model=huber")
    assert config.model.epsilon == 1.35
    with Stages() as stages:
        study = experiment.run(config, stages)
    assert study.predictions["y_hat"].std() > 0
    assert {"epsilon"} == set(study.report.tuning[0].best)
    assert len({t.params["epsilon"] for t in study.report.tuning[0].trials}) == 2
    assert load(resolve_config(config)) == config


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    slow_but_each(
        4,
        [
            (["model=huber", "model.epsilon=1"], r"model\.epsilon must lie in \(1, 100\]"),
            (["model=huber", "model.epsilon=x"], r"model\.epsilon: x is not a number"),
            (["model=huber", "+model.epsilonn=2"], r"Did you mean model\.epsilon\?"),
            (["model=huber", "target=direction"], "model=huber is a regression, but the target is a direction"),
            (["model=logistic"], r"a regression model \(blend, .*\bhuber, .*\bridge\b"),
            (["+model.epsilon=2"], r"belongs to another choice of model \(huber\): add model=huber"),
        ],
    ),
)
def test_its_wrong_settings_end_in_the_usual_sentences(own, overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        own(*overrides)


def test_a_blend_may_have_it_as_a_member(own):
    config = own("model=blend", "+model@model.members.huber=huber", "model.members.huber.epsilon=2")
    assert config.model.members["huber"].epsilon == 2


@pytest.mark.parametrize(
    "name",
    slow_but_each(4, ["os", "ofiml.models.lgbm", "..base", "base", "trees", "__init__", "lgbm.os", "", "huber "]),
)
def test_no_other_name_is_imported(configure, own, tmp_path, name):
    (tmp_path / "models" / "sub").mkdir()
    (tmp_path / "models" / "sub" / "__init__.py").write_text("raise AssertionError")
    before = set(sys.modules)
    for one in (name, "sub"):
        assert one not in MODELS
        with pytest.raises(KeyError):
            MODELS.kind(one)
        written = resolve_config(configure("model=ols"))
        written["model"]["name"] = one
        with pytest.raises(ConfigError, match=r"model\.name=.* is not one of blend, .*\bhuber, "):
            load(written)
    assert not {m for m in set(sys.modules) - before if "sub" in m}


def test_every_file_is_a_model_with_a_yaml_or_shared():
    files = {path.stem for path in (ROOT / "src" / "ofiml" / "models").glob("*.py")} - {"__init__"}
    assert set(MODELS) == files - models.SHARED
    assert files >= models.SHARED
    pages = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "conf" / "model").glob("*.yaml")}
    assert {page["name"] for page in pages.values()} == set(MODELS)  # several pages may set up one model
    assert set(MODELS) <= set(pages)
    for name in MODELS:
        assert set(MODELS.kind(name).tasks) <= {"regression", "classification"}


def test_the_schemas_of_all_models_import_nothing_heavy():
    code = (
        "import sys\n"
        "from ofiml.config import MODELS\n"
        "assert len([MODELS[name] for name in MODELS]) >= 8\n"
        "heavy = set('mlflow lightgbm shap sklearn scipy pandas polars numba optuna matplotlib'.split())\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
