"""Models and readers of installed packages are found by their entry points, and a fault of one stays its own."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from ofiml.config import DATASETS, MODELS, STRATEGIES, load, resolve_config
from ofiml.config.model import KINDS
from ofiml.config.registry import entry_points
from ofiml.data.readers import READERS
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError
from ofiml.models.registry import build_model
from ofiml.overrides.arguments import check_arguments, compose_config
from ofiml.overrides.conf import list_choices
from ofiml.overrides.installed import register_installed
from ofiml.study import run as experiment
from ofiml.tracking.entry import _describe_provenance
from ofiml.tracking.plugins import list_plugin_versions
from ofiml.ui.progress import Stages
from tests.conftest import ROOT, slow_but_each
from tests.data.test_own_reader import as_csv

MODEL = """
from dataclasses import dataclass

from ofiml.config import Kind, Model


@dataclass(slots=True)
class TheirModel(Model):
    alpha: float


def build(config, task):
    from sklearn.linear_model import Ridge

    from ofiml.models.linear import Linear

    return Linear(Ridge(alpha=config.alpha), classify=False)


MODEL = Kind(TheirModel, ("regression",), build)
"""
MODEL_YAML = "name: theirs\nalpha: 3.0\nspace:\n  alpha: {low: 1.0, high: 9.0}\n"
READER = (ROOT / "src" / "ofiml" / "data" / "readers" / "_template.py").read_text()
READER = READER.replace('name="template"', 'name="their_csv"')
READER_YAML = "defaults:\n  - databento\n  - _self_\n\nname: their_csv\nhours: all\n"
RULE = (ROOT / "src" / "ofiml" / "strategy" / "rules" / "_template.py").read_text()
RULE_YAML = "defaults:\n  - _base\n  - _self_\n\nname: their_rule\nquantile: 0.7\n"
FILES = {
    "their_rule/__init__.py": RULE,
    "their_rule/their_rule.yaml": RULE_YAML,
    "their_package/__init__.py": "raise AssertionError('imported')\n",
    "their_models/__init__.py": "",
    "their_models/linear.py": MODEL,
    "their_models/theirs.yaml": MODEL_YAML,
    "their_reader/__init__.py": READER,
    "their_reader/their_csv.yaml": READER_YAML,
}
ENTRIES = {
    "ofiml.models": {"theirs": "their_models.linear:MODEL"},
    "ofiml.readers": {"their_csv": "their_reader:READER"},
    "ofiml.strategies": {"their_rule": "their_rule:RULE"},
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Writes an installed package, files and metadata, into a folder of its own on sys.path; returns the folder."""
    before = set(sys.modules)

    def installed(name="their-package", version="1.2", files=None, entries=None) -> Path:
        folder = tmp_path / f"site-{name}"
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = ENTRIES if entries is None else entries
        lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in those.items()) for group, those in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for path, content in (FILES if files is None else files).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        monkeypatch.syspath_prepend(folder)
        return folder

    yield installed
    for group in ("model", "dataset", "strategy"):
        ConfigStore.instance().repo.pop(group, None)
    for module in set(sys.modules) - before:
        if module.startswith(("their_", "evil")):
            del sys.modules[module]


def models(**names):
    return {"ofiml.models": names}


@pytest.mark.slow
def test_a_study_with_their_model_on_their_data(install, tmp_path, configure):
    folder = install()
    register_installed()
    assert {"theirs"} < set(list_choices("model"))
    assert {"their_csv"} < set(list_choices("dataset"))
    assert not any(module.startswith("their_") for module in sys.modules)  # names and YAML without an import
    first = list_sources(configure("debug=tiny", "dataset.max_events=30000", "dataset.max_sessions=1").dataset)[0]
    path = tmp_path / "days.csv"
    path.write_text(as_csv(next(first()).events))
    own = ["features.store=null", "dataset.store=null", f"tuning.storage={tmp_path / 'tuning'}", "ofi=best_level"]
    quick = ["evaluation.controls=false", "evaluation.leak_check=false", "debug=tiny"]
    config = compose_config(["model=theirs", "dataset=their_csv", f"dataset.path={path}", *own, *quick], "")
    assert config.model.alpha == 3.0
    with Stages() as stages:
        study = experiment.run(config, stages)
    assert study.predictions["y_hat"].std() > 0
    assert set(study.report.tuning[0].best) == {"alpha"}
    assert load(resolve_config(config)) == config
    # The run logs the version of the package.
    tags = _describe_provenance(study)
    assert tags["version.their-package"] == "1.2"
    assert tags["version.numpy"] == metadata.version("numpy")
    # The name of a cached session depends on the code of the reader.
    (source,) = list_sources(config.dataset)
    before = source.name()
    assert source.name() == before
    (folder / "their_reader" / "__init__.py").write_text(READER + "\n# changed\n")
    assert source.name() != before
    assert READERS.source_digest("databento") is None


@pytest.mark.slow
def test_their_wrong_settings_end_in_the_usual_sentences(install):
    install()
    for overrides, sentence in (
        (["model=theirs", "model.alpha=x"], r"model\.alpha: x is not a number"),
        (["model=theirs", "+model.alhpa=2"], r"Did you mean model\.alpha\?"),
        (["model=theirs", "target=direction"], "model=theirs is a regression, but the target is a direction"),
        (["model=logistic"], r"a regression model \(blend, .*, ridge, theirs\)"),
        (["model=their"], r"model=their is not a choice; .*Did you mean model=theirs\?"),
        (["dataset=their_csv"], r"dataset\.path"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            compose_config(overrides, "")


def test_their_strategy_is_a_choice(install):
    install()
    config = compose_config(["strategy=their_rule", "strategy.lots=5"], "")
    assert (config.strategy.quantile, config.strategy.lots, config.strategy.max_position) == (0.7, 5, 100)
    assert load(resolve_config(config)) == config
    used = config.model, config.dataset.name, config.features
    assert list_plugin_versions(*used, config.strategy.name) == {"their-package": "1.2"}
    assert list_plugin_versions(*used, "threshold") == list_plugin_versions(*used) == {}
    with pytest.raises(ConfigError, match=r"strategy\.quantile must lie in \(0, 1\)"):
        compose_config(["strategy=their_rule", "strategy.quantile=2"], "")


def test_a_blend_may_have_their_model_as_a_member(install):
    install()
    config = compose_config(["model=blend", "+model@model.members.one=theirs", "model.members.one.alpha=5"], "")
    assert config.model.members["one"].alpha == 5
    build_model(config.model, task="regression", seed=1)


@pytest.mark.slow
def test_only_packages_whose_plugins_are_used_are_logged(install):
    install()
    install(
        "their-features",
        "0.7",
        {
            "their_features.py": "from ofiml.features.entry import EVEN, Feature\n"
            'ENTRIES = (Feature("their_share", "depth", "1", "1", "never", EVEN),)\n'
        },
        {"ofiml.features": {"near": "their_features"}},
    )
    own = compose_config(["model=blend", "features=core"], "")
    assert list_plugin_versions(own.model, own.dataset.name, own.features) == {}
    blend = compose_config(["model=blend", "+model@model.members.one=theirs"], "")
    assert list_plugin_versions(blend.model, blend.dataset.name, blend.features) == {"their-package": "1.2"}
    import_module("their_features")  # as a study does
    assert list_plugin_versions(own.model, own.dataset.name, own.features) == {}
    chosen = compose_config(["model=ols", "features.columns=[their_share]"], "")
    assert list_plugin_versions(chosen.model, chosen.dataset.name, chosen.features) == {"their-features": "0.7"}


def test_the_command_takes_their_choices(install, tmp_path):
    folder = install()
    path = os.pathsep.join([str(folder), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-m", "ofiml.run", "--cfg", "job", "--package", "model", "model=theirs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert "name: theirs\nalpha: 3.0" in done.stdout


@pytest.mark.parametrize(
    ("value", "files", "reason"),
    slow_but_each(
        6,
        [
            ("their_absent:MODEL", {}, r"ModuleNotFoundError: No module named 'their_absent'"),
            ("their_models:MODEL", {"their_models.py": "import their_lib\n"}, "No module named 'their_lib'"),
            ("their_models:MODEL", {"their_models.py": "x = 1\n"}, "AttributeError: .*MODEL"),
            ("their_models:MODEL", {"their_models.py": "1 / 0\n"}, "ZeroDivisionError: division by zero"),
            ("their_models:MODEL", {"their_models.py": "MODEL = {}\n"}, "must be a Kind, not a dict"),
            ("their_models:MODEL", {"their_models.py": "raise Exception('a\\nb')\n"}, r"\(Exception: a b\)"),
        ],
    ),
)
def test_a_package_that_cannot_be_loaded_is_named_and_breaks_nothing_else(install, value, files, reason):
    install("broken-models", "0.3", files, models(theirs=value))
    with pytest.raises(ConfigError, match=rf"^model=theirs of the installed package broken-models 0\.3.*{reason}") as e:
        compose_config(["model=theirs"], "")
    assert "\n" not in str(e.value)
    assert compose_config(["model=ols"], "").model.name == "ols"
    assert MODELS.of("regression") == [name for name in MODELS.of("regression") if name != "theirs"]
    with pytest.raises(ConfigError, match=r"\+ adds an item to model\.space"):
        compose_config(["+model.num_leavs=3"], "")
    with pytest.raises(ConfigError, match=r"model=ridg is not a choice"):
        check_arguments(["model=ridg"])


def test_a_package_without_the_yaml_says_what_is_missing(install):
    install(files={k: v for k, v in FILES.items() if not k.endswith(".yaml")})
    with pytest.raises(ConfigError, match=r"model\.\w+ is missing: give it as model\.\w+="):
        compose_config(["model=theirs"], "")
    assert compose_config(["model=theirs", "+model.alpha=2", "+model.space={}"], "").model.alpha == 2


def test_a_name_that_two_packages_declare_is_an_error_that_names_both(install):
    install("their-package", "1.2")
    install("another", "0.1", {}, models(theirs="another:MODEL", fine="their_models.linear:MODEL"))
    with pytest.raises(ConfigError, match=r"model=theirs is declared by (another 0\.1 and their-package 1\.2|their.*)"):
        compose_config(["model=theirs"], "")
    assert KINDS["fine"].tasks == ("regression",)


@pytest.mark.parametrize(
    ("group", "registry", "name"),
    [
        ("ofiml.models", MODELS, "ridge"),
        ("ofiml.readers", DATASETS, "lobster"),
        ("ofiml.readers", DATASETS, "synthetic"),
        ("ofiml.strategies", STRATEGIES, "quoting"),
    ],
)
def test_a_name_that_is_ours_is_an_error_that_names_the_package(install, group, registry, name):
    install("greedy", "9.9", {}, {group: {name: "evil:RECORD"}})
    with pytest.raises(ConfigError, match=rf"={name} is declared by greedy 9\.9, but ofiml has its own"):
        registry[name]
    assert "ols" in dict(MODELS.items())
    assert "itch" in dict(DATASETS.items())


def test_the_record_must_have_the_declared_name(install):
    install(entries={"ofiml.readers": {"other": "their_reader:READER"}})
    with pytest.raises(ConfigError, match=r"the Reader their_reader:READER has the name their_csv; it must be other"):
        READERS["other"]


@pytest.mark.parametrize(
    "name", slow_but_each(2, ["evil", "evil:MODEL", "their_models.linear", "their_models.linear:MODEL"])
)
@pytest.mark.parametrize("group", ["model", "dataset"])
def test_a_logged_config_that_names_anything_else_imports_nothing(install, group, name):
    install(files=FILES | {"evil.py": "MODEL = READER = 1 / 0\n"})
    written = resolve_config(compose_config(["model=ols"], ""))
    written[group]["name"] = name
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=rf"^{group}\.name={name} is not one of ") as error:
        load(written)
    assert "\n" not in str(error.value)
    assert not {m for m in set(sys.modules) - before if m.startswith(("evil", "their_"))}


def test_the_documented_entry_points_are_those_that_are_read():
    page = (ROOT / "docs" / "add-a-source.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    declared = tomllib.loads(block)["project"]["entry-points"]
    known = {registry.folder.group: registry.folder.attribute for registry in (KINDS, READERS)}
    assert set(declared) == set(known)
    for group, names in declared.items():
        assert all(value.partition(":")[2] == known[group] for value in names.values())


def test_entry_points_are_listed_by_name(install):
    assert entry_points("ofiml.models") == []
    install()
    (entry,) = entry_points("ofiml.models")
    assert (entry.name, entry.value) == ("theirs", "their_models.linear:MODEL")
