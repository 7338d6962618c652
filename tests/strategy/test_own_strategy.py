"""A strategy of one's own: the steps of docs/add-a-strategy.md, followed to the letter, on a copy of the project."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from hydra import compose, initialize_config_dir

from ofiml.config import RULES, STRATEGIES, load, resolve_config
from ofiml.errors import ConfigError
from ofiml.strategy import rules
from ofiml.strategy.build import tabulate_decisions
from ofiml.strategy.causality import check_causality
from ofiml.strategy.fit import fit_rules
from tests.conftest import ROOT, slow_but_each
from tests.strategy.plans import build_decisions
from tests.strategy.test_fit import FEES, SMALL, fit_study

PAGE = (ROOT / "docs" / "add-a-strategy.md").read_text()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The project with the strategy `acme` and its YAML; composes and loads."""
    (tmp_path / "rules").mkdir()
    source = re.search(r"cp (src/\S*_template\.py) src/ofiml/strategy/rules/acme\.py", PAGE)
    code = (ROOT / source[1]).read_text()
    assert code.count("# CHANGE") == 3
    (tmp_path / "rules" / "acme.py").write_text(code)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    yaml = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    lines = [line.removeprefix("   ") for line in yaml.splitlines()]
    (tmp_path / "conf" / "strategy" / "acme.yaml").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path / "rules")])

    def configured(*overrides):
        with initialize_config_dir(str(tmp_path / "conf"), version_base=None):
            base = ["tracking=off", f"tuning.storage={tmp_path / 'tuning'}", "features.store=null"]
            return load(compose("config", overrides=[*base, *overrides]))

    yield configured
    sys.modules.pop("ofiml.strategy.rules.acme", None)
    if hasattr(rules, "acme"):
        del rules.acme


def test_one_file_and_one_yaml_make_a_strategy(own):
    command = re.search(r"python -m ofiml\.run (strategy=acme .*)", PAGE)[1].split()
    config = own(*command, "model=ridge", "tuning=off", *SMALL)
    assert config.strategy.quantile == 0.8
    assert config.strategy.max_position == 100
    fitted = fit_study(config)
    table = tabulate_decisions(build_decisions(fitted, config.strategy, FEES))
    assert set(table["target"]) == {-100, 0, 100}
    assert check_causality(fitted, config.strategy, fit_rules(fitted, config.strategy, FEES), FEES) > 0
    assert load(resolve_config(config)) == config


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    slow_but_each(
        2,
        [
            (["strategy=acme", "strategy.quantile=1"], r"strategy\.quantile must lie in \(0, 1\)"),
            (["strategy=acme", "strategy.max_position=0"], r"strategy\.max_position must be at least 1"),
            (["strategy=acme", "+strategy.quantil=2"], r"Did you mean strategy\.quantile\?"),
            (
                ["strategy=confirmed"],
                r"use target=direction, or another strategy \(acme, quoting, reversion, threshold\)",
            ),
            (["+strategy.skew=2"], r"belongs to another choice of strategy \(quoting\): add strategy=quoting"),
        ],
    ),
)
def test_its_wrong_settings_end_in_the_usual_sentences(own, overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        own(*overrides)


@pytest.mark.parametrize("name", ["_template", "__init__", "os", "ofiml.strategy.rules.quoting", "..fit", "_base", ""])
def test_no_other_name_is_a_strategy(configure, own, name):
    assert name not in RULES
    assert name not in STRATEGIES
    with pytest.raises(KeyError):
        RULES[name]
    written = resolve_config(configure("model=ols"))
    written["strategy"]["name"] = name
    with pytest.raises(ConfigError, match=r"strategy\.name=.* is not one of acme, confirmed"):
        load(written)


def test_the_documented_entry_point_is_the_one_that_is_read():
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    ((group, names),) = tomllib.loads(block)["project"]["entry-points"].items()
    assert group == RULES.folder.group
    assert [value.partition(":")[2] for value in names.values()] == [RULES.folder.attribute]


def test_the_schemas_of_all_strategies_import_nothing_heavy():
    code = (
        "import sys\n"
        "from ofiml.config import STRATEGIES\n"
        "assert len([STRATEGIES[name] for name in STRATEGIES]) >= 4\n"
        "heavy = set('mlflow lightgbm shap sklearn scipy pandas polars numba pyarrow'.split())\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
