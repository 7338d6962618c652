"""What is typed: signs before keys, and settings that would change nothing."""

import os
import pickle
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from ofiml.cli.run import choose_remedy, main
from ofiml.config import SCHEMAS, describe_unknown_key, load
from ofiml.config.effect import explain_unused_keys
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import check_arguments, check_effect, check_tuned, compose_config, compose_dataset
from ofiml.overrides.composition import compose
from ofiml.overrides.flags import Line, read_line
from ofiml.overrides.signs import MAPPINGS, check_removals
from tests.conftest import slow_but_each


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (
            "+experiment=null_check",
            "+ adds an item to model.space, model.members, dataset.columns, dataset.instruments; every other key ",
        ),
        ("+experiment=null_check", "exists already: write experiment=null_check."),
        ("++experiment=null_check", "write experiment=null_check."),
        ("+seed=1", "write seed=1."),
        ("+model.foo=1", "write model.foo=1."),
        ("++model.space.alpha.low=1", "write model.space.alpha.low=1."),
        ("+nonsense=1", "write nonsense=1."),
        (
            "~backtest",
            "~backtest: ~ removes an item of model.space, model.members, dataset.columns, dataset.instruments; no ",
        ),
        ("~backtest", "can be removed: write backtest=off."),
        ("~tuning=optuna", "write tuning=off."),
        ("~seed", "write seed=VALUE."),
        ("~model.alpha", "write model.alpha=VALUE."),
        ("+experiment=foo", "experiment=foo is not a choice; experiment is one of best_level_ofi, "),
    ],
)
def test_signs_are_for_items_of_mappings(argument, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        check_arguments([argument])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--experimental-rerun", "x.pickle"], "--experimental-rerun is no option here"),
        (["--experimental-rerun=x.pickle"], "--experimental-rerun is no option here"),
        (["--exp", "x.pickle"], "--exp is no option here"),  # Hydra would take it for the flag
        (["--config", "plain.yaml", "--experimental-rerun", "x.pickle"], "--experimental-rerun is no option here"),
        (["--config-path", "/"], "--config-path is no option here"),
        (["-cn", "other"], "-cn is no option here"),
        (["--info", "all"], "--info is no option here"),
        (["--multirun=yes"], "--multirun is no option here"),
        (["--cfg", "nope"], "--cfg nope: write --cfg job"),
        (["--cfg"], "--cfg : write --cfg job"),
        (["--package", "nope", "--cfg", "job"], "--package nope: the config has no group nope"),
        (["--package", "model"], "--package has no effect without --cfg job"),
        (["model=ols", "--resolve"], "--resolve has no effect without --cfg job"),
        (["-m", "--cfg", "job", "model=ols,ridge"], "leave -m out"),
        (["hydra.mode=MULTIRUN", "seed=1,2"], "-m runs a sweep"),
        (["="], "'=' names no key"),
        ([""], "'' names no key"),
        (["+hydra.callbacks.x._target_=builtins.print"], "names code to run"),
        (["hydra.callbacks={x: {_target_: builtins.print}}"], "names code to run"),
    ],
)
def test_flags_of_hydra_that_run_code_or_answer_in_its_words_are_refused(arguments, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        check_arguments(arguments)


def test_flags_that_a_user_needs_are_taken():
    check_arguments(["-m", "model=ols,ridge", "--config", "--odd.yaml"])
    check_arguments(["--cfg", "job", "--package", "model.space", "--resolve", "model=ridge"])
    check_arguments(["--cfg=job", "-p", "model"])


def test_a_line_is_read_with_its_flags():
    assert read_line(["model=ols"]) == Line(["model=ols"], "config", None, False, None, None, False)
    line = read_line(["--multirun", "model=ols", "--config-dir", "mine", "seed=1,2", "--config-name=plain"])
    assert line == Line(["model=ols", "seed=1,2"], "plain", "mine", True, None, None, False)
    line = read_line(["-cd=mine", "--cfg", "job", "-p", "model", "--resolve", "seed=3"])
    assert line == Line(["seed=3"], "config", "mine", False, "job", "model", True)


def test_several_values_without_a_sweep_name_the_remedy(monkeypatch, capsys, workdir):
    monkeypatch.setattr("sys.argv", ["ofiml run", "seed=1,2"])
    assert main() == 2
    assert capsys.readouterr().err == (
        "ofiml: seed=1,2 has several values: add -m for one run of each, or write brackets around a list.\n"
    )


def test_a_pickle_is_never_loaded(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "config.pickle").write_bytes(pickle.dumps(Harm()))
    for line in (["--experimental-rerun", "config.pickle"], ["--experimental-rerun=config.pickle", "debug=tiny"]):
        done = subprocess.run(
            [sys.executable, "-m", "ofiml", "run", *line], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith("ofiml: --experimental-rerun is no option here")
    assert [path.name for path in tmp_path.iterdir()] == ["config.pickle"]


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("hydra/launcher=nope", "hydra/launcher=nope is not a choice; hydra/launcher is one of basic, joblib"),
        ("hydra.launcher.n_jobs=x", "hydra.launcher.n_jobs: Hydra does not take this value."),
        ("hydra.launcher.nope=1", "Unknown key hydra.launcher.nope."),
        ("model.nope=3", "Unknown key model.nope."),
        ("modle=ols", "Unknown key modle. Did you mean model?"),
        ("tuning.trials=null", "tuning.trials: it must not be null."),
        ("model.monotone=[1]", "model.monotone: it takes one text, not [1]."),
        ("evaluation.decay=[x]", "evaluation.decay[0]: x is not a number."),
        ("tuning.trials=x", "tuning.trials: x is not an integer."),
        ("tuning.enabled=x", "tuning.enabled: x is neither true nor false."),
        ("model=[", "model=[ is not a choice; model is one of"),
    ],
)
def test_a_wrong_override_is_answered_in_our_words(override, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        compose_config([override], "model=ridge")


def test_items_of_mappings_and_hydras_own_keys_may_have_them():
    check_arguments(["~model.members.ridge", "+model@model.members.lasso=lasso"])
    check_arguments(["+model.space.alpha={low:1,high:2}", "~model.space.alpha", "+dataset.columns.received=T"])
    check_arguments(["+hydra.launcher.n_jobs=2", "~hydra.sweep"])


def test_the_mappings_are_those_of_the_schemas():
    found = set()
    for group, schema in SCHEMAS.items():
        for one in schema.values() if not isinstance(schema, type) else [schema]:
            found |= {f"{group}.{f.name}" for f in fields(one) if str(f.type).startswith("dict")}
    assert found == set(MAPPINGS)


@pytest.mark.parametrize("command", slow_but_each(4, ["run", "splits", "data check", "replay " + 32 * "0"]))
@pytest.mark.parametrize("argument", ["~backtest", "+experiment=null_check"])
def test_every_command_answers_in_the_same_words(tmp_path, command, argument):
    module, *rest = command.split()
    done = subprocess.run(
        [sys.executable, "-m", f"ofiml.{module}", *rest, argument],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    with pytest.raises(ConfigError) as error:
        check_arguments([argument])
    assert done.stderr == f"ofiml: {error.value}\n"


CHOSEN = "tuning.best_params=[{num_leaves: 4, learning_rate: 0.1}, {num_leaves: 5}]"
INERT = [
    (["backtest=off", "instrument=cme_es"], "instrument=cme_es has no effect: no backtest uses the money"),
    (["+dataset.instruments.FOO={sector: x}"], "the symbols of this market are SYN; name one of them"),
    (["dataset=synthetic_null", "dataset.news_move=3"], "dataset.informed_probability=0 makes no news"),
    (["target=impact", "horizon=30s"], "set its length with bars.step=30s, or use target=forecast"),
    (
        ["target=impact", "horizon.length=30s"],
        "horizon.length=30s has no effect: target=impact explains the bar itself",
    ),
    (["target=impact", "horizon.delay=1s"], "horizon.delay=1s has no effect"),
    (["target=impact", "bars=volume", "horizon=30s"], "set its length with bars.size, or use target=forecast"),
    (["experiment=price_impact", "horizon=30s"], "horizon=30s has no effect"),
    (["target=impact", "backtest=book"], "backtest=book has no effect: target=impact forecasts nothing to trade on"),
    (["target=impact", "backtest.queue_power=3"], "backtest.queue_power=3 has no effect"),
    (["target=impact", "evaluation.decay=[1]"], "target=impact has no horizon"),
    (["target=impact", "strategy.max_position=1"], "has no effect: target=impact forecasts nothing to trade on"),
    (["backtest=off", "strategy.edge_multiple=2"], "strategy.edge_multiple=2 has no effect: backtest=off"),
    (
        ["strategy.quantile=0.5"],
        "has no effect: strategy.threshold=cost; leave it out, or add strategy.threshold=quant",
    ),
    (["strategy.threshold=quantile", "strategy.edge_multiple=2"], "has no effect: strategy.threshold=quantile"),
    (["strategy=quoting", "strategy.hold=1m"], "has no effect: strategy=quoting holds a position until"),
    (
        ["tuning=off", "tuning.trials=3"],
        "tuning.trials=3 has no effect: tuning=off; leave it out, or use tuning=optuna.",
    ),
    (["tuning=off", "model.space.num_leaves.low=4"], "has no effect: tuning=off"),
    (
        ["tuning=off", CHOSEN, "model.num_leaves=6"],
        "tuning.best_params overrides num_leaves in each fold",
    ),
    (["ofi=best_level", "ofi.levels=5"], "ofi.levels=5 has no effect: ofi=best_level uses level 1"),
    (["features=core", "features.trade_size=5"], "features.columns has neither cost_buy nor cost_sell"),
    (["features=core", "features.vpin_bucket=5"], "features.columns has no vpin"),
    (["features.cross_delay=5s"], "features.cross names no symbol"),
    (["features.cross_max_age=5s"], "features.cross names no symbol"),
    (
        ["evaluation.leak_check=false", "evaluation.leak_times=5"],
        "evaluation.leak_check=false; leave one of the two out",
    ),
    (["model.quantile=0.9"], "model.quantile=0.9 has no effect: the objective is auto; use objective=quantile"),
    (["model.validation_fraction=0.3"], "early_stopping is null; set it, as in early_stopping=50"),
    (["model=blend", "model.members.lgbm.quantile=0.9"], "the objective is auto"),
    (["model=blend", "model.members.ridge.space.alpha.low=1"], "members of a blend are not tuned"),
    (["report=off", "report.dpi=50"], "report.dpi=50 has no effect: the report has neither a page nor figures"),
]


@pytest.mark.parametrize(("overrides", "sentence"), slow_but_each(5, INERT), ids=[" ".join(o) for o, _ in INERT])
def test_a_typed_key_that_changes_nothing_is_refused(overrides, sentence):
    config = load(compose(["tracking=off", *overrides]))
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        check_effect(overrides, config)


@pytest.mark.parametrize(
    "overrides",
    slow_but_each(
        4,
        [
            ["target=impact", "backtest=off"],
            ["strategy.threshold=quantile", "strategy.quantile=0.5"],
            ["strategy=quoting", "strategy.stop_ticks=5"],
            ["backtest=off", "backtest.latency=1s"],
            ["tuning=off", CHOSEN, "model.learning_rate=0.3"],  # fold 1 uses it
            ["tuning=off", CHOSEN, "model.n_estimators=3"],
            ["ofi=best_level", "ofi.levels=5", "ofi.normalise=depth"],
            ["features=full", "features.trade_size=5", "features.vpin_bucket=500"],
            ["model.objective=quantile", "model.quantile=0.5"],
            ["model.early_stopping=5", "model.validation_fraction=0.3"],
            ["report=off", "report.figures=[svg]", "report.dpi=50"],
            ["debug=tiny", "tuning=off"],  # debug=tiny sets tuning.trials too
        ],
    ),
    ids=" ".join,
)
def test_what_changes_something_is_not(overrides):
    check_effect(overrides, load(compose(["tracking=off", *overrides])))


def test_a_single_run_tunes_no_model_without_parameters(configure):
    with pytest.raises(ConfigError, match=r"tuning\.trials=50 has no effect: model=ols has nothing to tune"):
        check_tuned(["model=ols", "tuning.trials=50"], configure("model=ols", "tuning.trials=50"))
    check_tuned(["model=ols", "debug=tiny"], configure("model=ols", "debug=tiny"))
    check_tuned(["model=ridge", "tuning.trials=50"], configure("model=ridge", "tuning.trials=50"))


def test_every_key_that_is_named_is_one(configure):
    """The keys of `explain_unused_keys` follow the schemas."""
    for overrides in ([], ["target=impact", "model=ols"], ["tuning=off", "backtest=off"], ["model=blend"]):
        config = configure(*overrides)
        for path in explain_unused_keys(config).keys() - {"instrument"}:  # a group, which fills dataset.instruments
            at = config
            for part in path.split("."):
                at = at[part] if isinstance(at, dict) else getattr(at, part)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["run", "splits"])
def test_the_commands_refuse_it(tmp_path, module):
    done = subprocess.run(
        [sys.executable, "-m", f"ofiml.{module}", "target=impact", "horizon=30s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "horizon=30s has no effect" in done.stderr) == (2, True)
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("sign", ["", "+"])
def test_an_instrument_is_written_as_a_mapping_with_or_without_a_plus(sign):
    written = f"{sign}dataset.instruments={{SYN: {{taker: {{bps: 5}}}}, *: {{days_per_year: 365}}}}"
    config = compose_config([written], "dataset=synthetic")
    assert config.dataset.instruments == {"SYN": {"taker": {"bps": 5}}, "*": {"days_per_year": 365}}
    beside = compose_config(["instrument=us_equities", f"{sign}dataset.instruments={{*: {{quote: CAD}}}}"], "")
    assert beside.dataset.instruments["*"]["quote"] == "CAD"
    assert beside.dataset.instruments["*"]["taker"] == {"per_unit": 0.005}


def test_a_key_of_an_instrument_by_itself_ends_in_a_sentence_with_the_mapping():
    sentence = describe_unknown_key("dataset.instruments.BTCUSDT.taker.bps")
    assert sentence.endswith("as a mapping, as in 'dataset.instruments={*: {tick: 0.25}}'.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["dataset=parquet", "dataset.path=x", "instrument=cme_es", "~dataset.instruments.X"],
            "~dataset.instruments.X: dataset.instruments has no X; it has ES?*.",
        ),
        (["~dataset.instruments.X"], "~dataset.instruments.X: dataset.instruments has no X; it "),
        (
            ["dataset=quotes", "~dataset.columns.bid_sz_00"],
            "~dataset.columns.bid_sz_00: dataset.columns has no bid_sz_00; it has time, bid, ask, bid_size, ask_size, ",
        ),
        (["-m", "model=ridge,lgbm", "~model.space.foo"], "~model.space.foo: model.space has no foo; it has alpha."),
        (["-m", "model=ridge", "seed=choice(1,2)", "~model.space.foo"], "model.space has no foo; it has alpha."),
        (["-m", "model=ridge", "model.alpha=interval(1,2)", "~model.space.foo"], "has no foo; it has alpha."),
        (["model=zero", "~model.members.x"], "~model.members.x: model has no members; it has "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_item_that_is_not_there_cannot_be_removed(arguments, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        check_removals(arguments)
    assert "\n" not in str(error.value)


def test_an_item_that_is_there_can_be_removed():
    check_removals(["model=ridge", "~model.space.alpha"])
    assert compose_config(["model=ridge", "~model.space.alpha"], "").model.space == {}
    check_removals(["--config", "tuned.yaml", "~model.space.foo"])  # Hydra's answer, in words of ours


def test_a_removal_that_hydra_refuses_is_one_plain_sentence():
    with pytest.raises(ConfigError) as error:
        compose(["~model.space.foo"])
    assert str(error.value) == "~model.space.foo: the config has no model.space.foo; leave ~model.space.foo out."


USELESS = ["model=ridge", "horizon=30s", "bars=volume", "seed=3", "report=off", "experiment=price_impact"]


@pytest.mark.parametrize("override", slow_but_each(3, USELESS))
def test_a_command_that_reads_a_dataset_refuses_what_does_not_change_it(override):
    sentence = f"{override} has no effect: ofiml data check uses only dataset, instrument; leave it out."
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        compose_dataset(["dataset.sessions=1", override], "ofiml data check")


def test_what_changes_a_dataset_is_taken(tmp_path):
    config = compose_dataset(["debug=tiny", "+dataset.instruments.SYN.days_per_year=365"], "…")
    assert (config.dataset.max_sessions, config.dataset.instruments["SYN"]["days_per_year"]) == (2, 365)
    assert compose_dataset(["experiment=null_check"], "…").dataset.name == "synthetic_null"
    assert compose_dataset(["bars.per=row", "threads=1"], "…", other_keys=["bars.per", "threads"]).bars.per == "row"
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "calm.yaml").write_text("# @package _global_\ndataset:\n  sessions: 3\n")
    (tmp_path / "preset" / "idle.yaml").write_text("# @package _global_\nseed: 3\n")
    assert compose_dataset(["+preset=calm"], "…", str(tmp_path)).dataset.sessions == 3
    with pytest.raises(ConfigError, match=r"preset=idle has no effect"):
        compose_dataset(["+preset=idle"], "…", str(tmp_path))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("model.space.foo", "Unknown key model.space.foo. Known: alpha, "),
        ("model.space.num_leavs.low", "Unknown key model.space.num_leavs.low. Did you mean model.space.num_leaves?"),
        (
            "model.space.alpha",
            "model.space has no range of alpha: write '+model.space.alpha={low: 1, high: 2}' to tune",
        ),
        ("model.space.alpha.lo", "Unknown key model.space.alpha.lo. Did you mean model.space.alpha.low?"),
    ],
)
def test_a_range_that_is_not_there_is_described_by_the_keys_of_the_space(path, sentence):
    assert describe_unknown_key(path).startswith(sentence)
    assert "calibration" not in describe_unknown_key(path)


def test_only_a_study_that_tunes_continues_after_an_interrupt():
    tuned = "Run the same command to continue: finished tuning trials are not repeated."
    assert choose_remedy(compose(["model=lgbm"])) == tuned
    assert choose_remedy(compose(["tuning=off"])) == "Run the same command again."
