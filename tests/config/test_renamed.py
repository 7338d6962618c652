"""A logged config and the params of a logged run have the keys of their time, and mean what they meant."""

from dataclasses import asdict, replace

import pytest
import yaml

from ofiml.cli.config_file import translate_config_flag
from ofiml.config import describe_unknown_key, load, resolve_config
from ofiml.config.plain import read_plain_config
from ofiml.config.renamed import MOVED_TO_INSTRUMENT, RENAMED, current_key, rename_config, rename_params
from ofiml.errors import ConfigError
from ofiml.overrides.composition import compose
from ofiml.tracking.params import flatten_params
from tests.conftest import ROOT, slow_but_each

LOGGED = ROOT / "tests" / "config" / "logged"
MARKET = ["dataset=synthetic_trending", "dataset.name=synthetic"]  # the default market of their time
SAME = {
    "default": MARKET,
    "barriers": [
        *MARKET,
        *("target=triple_barrier", "model=blend_direction", "split=cpcv", "features=core"),
        *("evaluation.block_length=20m", "tuning=off", "bars.step=5s"),
    ],
}  # what the configs were composed of, with current keys


@pytest.mark.parametrize("name", slow_but_each(2, SAME))
def test_a_config_that_was_logged_with_earlier_names_is_the_same_config(name):
    before = load(yaml.safe_load((LOGGED / f"{name}.yaml").read_text()))
    stated = {"*": {"taker": {"per_unit": 0.001, "bps": 0.0}, "days_per_year": 252}}  # once keys of the backtest
    assert before.dataset.instruments == stated
    without = replace(before, dataset=replace(before.dataset, instruments={}))
    assert asdict(without) == asdict(load(compose(["tracking=off", *SAME[name]])))
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


def test_a_file_does_not_choose_the_scheduler(tmp_path):
    """Its answers would run as code; a command line may choose it."""
    raw = yaml.safe_load((LOGGED / "default.yaml").read_text())
    assert "parallel" not in raw
    assert asdict(load(raw).parallel) == {"name": "threads", "address": None}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(raw | {"parallel": {"name": "dask", "address": "tcp://stranger:8786"}}))
    from hydra import compose as of_hydra
    from hydra import initialize_config_dir

    arguments = translate_config_flag(["--config", str(path)])
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        config = load(of_hydra("plain", overrides=arguments[2:]))
        own = load(of_hydra("plain", overrides=["parallel.address=tcp://127.0.0.1:1"]))
    assert asdict(config.parallel) == {"name": "dask", "address": None}
    assert own.parallel.address == "tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    "override", ["parallel.address=tls://me:secret@host:1", "features.store=sftp://me:secret@host/cache"]
)
def test_an_address_with_a_credential_is_refused_without_repeating_it(override):
    with pytest.raises(ConfigError, match="contains a credential") as raised:
        load(compose(["tracking=off", "parallel=dask", override]))
    assert "secret" not in str(raised.value)


def test_every_earlier_name_is_in_a_logged_config_and_no_key_of_today():
    text = "".join(path.read_text() for path in LOGGED.glob("*.yaml"))
    for old, new in RENAMED.items():
        group, _, key = old.partition(".")
        assert f"  {key}:" in text
        assert new.startswith(f"{group}.") or (group, new.partition(".")[0]) == ("backtest", "strategy")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("evaluation.bootstrap=50", "evaluation.bootstrap has been renamed: write evaluation.bootstrap_samples"),
        ("backtest.fee_bps=5", "now belongs to the instrument: choose one, as in instrument=binance_usdm, or write"),
        ("backtest.days_per_year=365", "'dataset.instruments={*: {days_per_year: 365}}' (docs/instruments.md)"),
        ("backtest.max_position=5", "backtest.max_position has been renamed: write strategy.max_position"),
        ("split.folds=3", "split.folds has been renamed: write split.n_folds"),
        ("model.members.lgbm.held_out=0.3", "has been renamed: write model.members.lgbm.validation_fraction"),
    ],
)
def test_a_typed_earlier_name_ends_in_a_sentence_with_todays(override, sentence):
    assert sentence in describe_unknown_key(override.partition("=")[0])


def test_fees_of_a_logged_backtest_belong_to_the_instrument_of_every_symbol():
    backtest = {"enabled": True, "fee_per_unit": 0.002, "fee_bps": 1.5, "days_per_year": 365}
    raw = {"backtest": backtest, "dataset": {"name": "databento", "instruments": {"ES*": {"tick": 0.25}}}}
    moved = rename_config(raw)
    assert moved["backtest"] == {"enabled": True}
    every = {"taker": {"per_unit": 0.002, "bps": 1.5}, "days_per_year": 365}
    assert moved["dataset"] == {"name": "databento", "instruments": {"ES*": {"tick": 0.25}, "*": every}}
    assert raw["backtest"] == backtest, "the logged config is not altered"
    assert rename_config(moved) == moved

    tick = raw | {"dataset": {"instruments": {"*": {"tick": 0.1}}}}
    assert rename_config(tick)["dataset"]["instruments"] == {"*": every | {"tick": 0.1}}
    assert rename_config({"backtest": backtest})["backtest"] == backtest, "refused later: there is no dataset"


def test_every_moved_key_is_in_a_logged_config_and_its_example_is_valid():
    text = "".join(path.read_text() for path in LOGGED.glob("*.yaml"))
    for old, (new, example) in MOVED_TO_INSTRUMENT.items():
        assert f"  {old.partition('.')[2]}:" in text
        keys = load(compose(["tracking=off", f"dataset.instruments={{*: {example}}}"])).dataset.instruments["*"]
        for key in new:
            keys = keys[key]
        assert keys > 0


def test_the_strategy_of_a_logged_config_was_part_of_its_backtest():
    raw = yaml.safe_load((LOGGED / "default.yaml").read_text())
    assert "strategy" not in raw
    raw["backtest"] |= {"max_position": 7, "edge_multiple": 0.5}
    fees = "dataset.instruments={*: {taker: {per_unit: 0.001, bps: 0.0}, days_per_year: 252}}"
    same = ["tracking=off", *MARKET, "strategy.max_position=7", "strategy.edge_multiple=0.5", fees]
    assert asdict(load(raw)) == asdict(load(compose(same)))
    today = resolve_config(load(raw))
    today["backtest"]["max_position"] = 3
    with pytest.raises(ConfigError, match=r"backtest\.max_position has been renamed: write strategy\.max_position"):
        load(today)


def test_the_first_strategy_is_the_default_of_its_time():
    (params,) = (rename_params(p) for p in [{"backtest.latency": "50ms", "backtest.max_position": "7"}])
    default = flatten_params(resolve_config(load(compose([]))))
    ours = {key: value for key, value in default.items() if key.startswith("strategy.")}
    assert params == ours | {"backtest.latency": "50ms", "strategy.max_position": "7"}


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


def test_fees_among_the_params_are_those_of_a_reproduction():
    params = {"backtest.fee_per_unit": "0.001", "backtest.fee_bps": "0.0", "backtest.days_per_year": "252"}
    raw = {"backtest": {"fee_per_unit": 0.001, "fee_bps": 0.0, "days_per_year": 252}, "dataset": {}}
    again = flatten_params(rename_config(raw))
    assert rename_params(params) == {
        key: value for key, value in again.items() if not key.startswith(("backtest", "strategy"))
    }
    assert rename_params({"dataset.instruments": "{}"}) == {"dataset.instruments": "{}"}
    assert "many" in rename_params({"backtest.fee_bps": "many"})["dataset.instruments"], "a stranger's text"


def test_a_config_of_today_stays_as_it_is():
    raw = {"seed": 7, "evaluation": {"bootstrap_samples": 1}, "target": {"form": "direction", "stop": None}, "model": 3}
    assert rename_config(raw) == raw
    both = {"evaluation": {"bootstrap_samples": 1, "bootstrap": 2}}
    assert rename_config(both) == both, "one of the two is an unknown key, and is refused"
    assert current_key("evaluation.bootstrap_samples") is None
