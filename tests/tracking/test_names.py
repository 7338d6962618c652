"""The names of runs: what differs from the default study comes first, where a page still shows it."""

from dataclasses import replace

import pytest

from ofiml.config import load, resolve_config
from ofiml.tracking.names import name_run
from ofiml.tracking.params import OVERRIDES, flatten_params, shorten_params


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "lgbm·mlofi·10s"),
        (["model=ridge", "ofi=pca", "horizon=60s"], "ridge·pca·60s"),
        (["split=cpcv"], "cpcv·lgbm·mlofi·10s"),
        (["target=impact", "model=ols", "ofi=best_level"], "impact·ols·best_level·10s"),
        (["experiment=price_impact", "bars.step=30s"], "impact·ols·best_level·30s"),
        (["target=triple_barrier", "model=logistic"], "barriers·logistic·mlofi·10s"),
        (["target=triple_barrier", "target.stop=5", "model=logistic"], "barriers·stop=5·logistic·mlofi·10s"),
        (["target=volatility"], "volatility·lgbm·mlofi·10s"),
        (["target=direction"], "direction·lgbm·mlofi·10s"),
        (["dataset=synthetic_null", "features=core"], "synthetic_null·lgbm·mlofi+core·10s"),
        (["seed=8", "model.n_estimators=20", "threads=1"], "seed=8·n_estimators=20·lgbm·mlofi·10s"),
        (["strategy=quoting", "tuning=off"], "tuning=off·quoting·lgbm·mlofi·10s"),
        (["horizon=events", "bars=volume", "ofi.levels=5"], "volume·levels=5·lgbm·mlofi·500-events"),
        (["horizon.delay=0.1s", "split.n_folds=4", "report=print"], "n_folds=4·delay=0.1s·lgbm·mlofi·10s"),
        (["debug=tiny"], "lgbm·mlofi·10s"),
        (["debug=tiny", "tuning.trials=3", "evaluation.decay=[]"], "trials=3·lgbm·mlofi·10s·decay=[]"),
        (["debug=tiny", "split=cpcv"], "cpcv·lgbm·mlofi·10s"),
        (["dataset.max_events=100000"], "max_events=100000·lgbm·mlofi·10s"),
        (["dataset.seed=5", "seed=1"], "dataset.seed=5·seed=1·lgbm·mlofi·10s"),
        (["backtest=off", "seeds=[7,8]"], "seeds=7+8·backtest=off·lgbm·mlofi·10s"),
    ],
)
def test_a_name_begins_with_what_differs_however_it_was_set(configure, overrides, name):
    config = _with_evaluation_of_conf(configure(*overrides))
    if "debug=tiny" in overrides:  # tests have tracking off
        config = replace(config, tracking=replace(config.tracking, suffix="-debug"))
    assert name_run(config) == name
    again = load(resolve_config(config))  # from the config.yaml of a run
    assert name_run(again) == name
    elsewhere = replace(
        again,
        tuning=replace(again.tuning, storage="other"),
        tracking=replace(again.tracking, suffix="-reproductions"),
        features=replace(again.features, store=None),
    )
    if "tuning.trials=3" not in overrides:
        assert name_run(elsewhere) == name, "a reproduction has the name of its run"


def _with_evaluation_of_conf(config):
    return replace(config, evaluation=replace(config.evaluation, controls=True, leak_check=True))


def test_a_symbol_of_files_is_in_the_name(configure, tmp_path):
    file = tmp_path / "AMZN_2012-06-21_34200000_57600000_orderbook_10.csv"
    file.touch()
    config = configure("dataset=lobster", f"dataset.path={file}", "instrument=us_equities")
    config = _with_evaluation_of_conf(config)
    assert name_run(config) == "lobster·lgbm·mlofi·10s·instruments"
    assert name_run(config, ["AMZN"]) == "AMZN·lgbm·mlofi·10s·instruments"
    assert name_run(config, ["AAPL", "AMZN"]) == "lobster·lgbm·mlofi·10s·instruments"


def test_no_param_is_cut():
    many = {"dataset": {"instruments": {f"S{k}": {"tick": 0.01} for k in range(1000)}}, "seed": 7}
    params, long = shorten_params(flatten_params(many))
    assert params["seed"] == "7"
    assert len(long["dataset.instruments"]) > 6000 > len(params["dataset.instruments"])
    assert "sha256" in params["dataset.instruments"]
    many["dataset"]["instruments"]["S999"]["tick"] = 0.02
    assert shorten_params(flatten_params(many))[0] != params, "its digest tells it from another"
    assert min([OVERRIDES, *flatten_params({"backtest": 1, "Z": 2, "a": 3})], key=str.lower) == OVERRIDES
