"""The names of runs: what differs from the default study comes first, where a page still shows it."""

import pytest

from ofiml.cli.overrides import compose
from ofiml.config import load
from ofiml.tracking.names import DEFAULT_DATASET, DEFAULT_SPLIT, DEFAULT_TARGET, name_run
from ofiml.tracking.params import OVERRIDES, flatten_params, shorten_params


def test_the_defaults_are_those_of_the_configuration():
    config = load(compose([]))
    assert (config.dataset.label, config.target.label, config.split.name) == (
        DEFAULT_DATASET,
        DEFAULT_TARGET,
        DEFAULT_SPLIT,
    )
    assert name_run(config) == "lgbm·mlofi·10s"


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["model=ridge", "ofi=pca", "horizon=60s"], "ridge·pca·60s"),
        (["split=cpcv"], "cpcv·lgbm·mlofi·10s"),
        (["target=impact", "model=ols", "ofi=best_level"], "impact·ols·best_level·10s"),
        (["target=triple_barrier", "model=logistic"], "barriers·logistic·mlofi·10s"),
        (["target=volatility"], "volatility·lgbm·mlofi·10s"),
        (["dataset=synthetic_null", "features=core"], "synthetic_null·lgbm·mlofi+core·10s"),
        (["seed=8", "model.n_estimators=20", "threads=1"], "seed=8·n_estimators=20·lgbm·mlofi·10s"),
        (["strategy=quoting", "tuning=off"], "quoting·tuning=off·lgbm·mlofi·10s"),
        (["debug=tiny", "evaluation.controls=false"], "lgbm·mlofi·10s"),
    ],
)
def test_a_name_begins_with_what_differs(configure, overrides, name):
    assert name_run(configure(*overrides), overrides) == name


def test_a_symbol_of_files_is_in_the_name(configure, tmp_path):
    file = tmp_path / "AMZN_2012-06-21_34200000_57600000_orderbook_10.csv"
    file.touch()
    overrides = ["dataset=lobster", f"dataset.path={file}"]
    config = configure(*overrides)
    assert name_run(config, overrides) == "lobster·lgbm·mlofi·10s"
    assert name_run(config, overrides, ["AMZN"]) == "AMZN·lgbm·mlofi·10s"
    assert name_run(config, overrides, ["AAPL", "AMZN"]) == "lobster·lgbm·mlofi·10s"


def test_no_param_is_cut():
    many = {"dataset": {"instruments": {f"S{k}": {"tick": 0.01} for k in range(1000)}}, "seed": 7}
    params, long = shorten_params(flatten_params(many))
    assert params["seed"] == "7"
    assert len(long["dataset.instruments"]) > 6000 > len(params["dataset.instruments"])
    assert "sha256" in params["dataset.instruments"]
    many["dataset"]["instruments"]["S999"]["tick"] = 0.02
    assert shorten_params(flatten_params(many))[0] != params, "its digest tells it from another"
    assert min([OVERRIDES, *flatten_params({"backtest": 1, "Z": 2, "a": 3})], key=str.lower) == OVERRIDES
