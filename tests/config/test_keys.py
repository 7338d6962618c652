"""Every key of the config has an effect: changed, it changes the market, the rows, or a named part of the report; or it
is refused; or a reason stands here for why no result depends on it.
"""

import json
from dataclasses import dataclass

import pytest
import yaml
from omegaconf import OmegaConf

from ofiml.config import load
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError
from ofiml.overrides.composition import compose
from ofiml.samples.cross import add_cross_flow
from ofiml.samples.prepare import prepare_session
from ofiml.samples.settings import SampleSettings
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.conftest import ROOT, slow_but_each
from tests.strategy.test_fit import DECISIONS

INERT = {
    "threads": "results do not depend on how many work side by side",
    "parallel.name": "results do not depend on where pieces run: tests/parallel",
    "parallel.address": "results do not depend on where pieces run: tests/parallel",
    "dataset.name": "what a simulated market is called",
    "features.name": "what the list of columns is called",
    "features.store": "a cache by content",
    "tuning.storage": "trials by content",
    "tracking.enabled": "where a run is logged, not what it finds",
    "tracking.uri": "where a run is logged, not what it finds",
    "tracking.experiment": "where a run is logged, not what it finds",
    "tracking.suffix": "where a run is logged, not what it finds",
    "report.html": "which files show a run, not what it finds",
    "report.figures": "which files show a run, not what it finds",
    "report.dpi": "which files show a run, not what it finds",
}

REFUSED = {
    "bars.name": ("volume", "bars.step belongs to another choice of bars"),
    "model.name": ("ols", "belongs to another choice of model"),
    "split.name": ("cpcv", "belongs to another choice of split"),
    "strategy.name": ("quoting", "belongs to another choice of strategy"),
}

#: What the first session's events are simulated from.
MARKET = {
    "seed": "1",
    "session_length": "3m",
    "levels": "5",
    "tick": "0.02",
    "start_price": "50",
    "limit_rate": "8",
    "cancel_rate": "0.1",
    "resilience": "10",
    "half_spread": "2",
    "placement": "3",
    "crowd": "3",
    "size_scale": "20",
    "large_limit_orders": "0.2",
    "large_market_orders": "0.2",
    "volatility": "2",
    "u_shape": "0",
    "clustering": "0.5",
    "clustering_decay": "1s",
    "stirring": "0",
    "period": "60s",
    "uninformed_orders": "20",
    "excitation": "0.2",
    "excitation_cross": "0.5",
    "excitation_decay": "5s",
    "state_dependence": "0.2",
    "usual_spread": "1",
    "usual_queue": "50",
    "informed_probability": "1",
    "informed_orders": "100",
    "informed_decay": "25s",
    "news_move": "9",
    "news_decay": "25s",
    "quote_reaction": "0.9",
    "permanent_impact": "0.9",
    "impact_decay": "25s",
    "session_variation": "0.5",
    "impact": "[[0.1]]",
    "max_events": "100",
    "sessions": "1",
    "max_sessions": "1",
}


@dataclass(frozen=True)
class Change:
    """Another value of a key, the part of the report that becomes another, and the settings beside which it does."""

    value: str
    part: str = "predictions.sha256"
    beside: tuple[str, ...] = ()


def beside(value, *settings, part="predictions.sha256"):
    return Change(value, part, settings)


_CROSS = ("dataset=synthetic_basket", "dataset.session_length=3m", "features.cross=[SYN2]")

#: What a session's rows are made of.
ROWS = {
    "bars.per": beside("row", "horizon=events"),
    "bars.step": beside("5s"),
    "ofi.levels": beside("3"),
    "ofi.parts": beside("sides"),
    "ofi.windows": beside("[bar,20s]"),
    "features.columns": beside("[spread_bps]"),
    "features.trade_size": beside("500", "features.columns=[cost_buy]"),
    "features.vpin_bucket": beside("20", "features.columns=[vpin]"),
    "features.cross": beside("[SYN1]", *_CROSS),
    "features.cross_delay": beside("5s", *_CROSS),
    "features.cross_max_age": beside("6s", *_CROSS, "features.cross_delay=5s"),
    "horizon.clock": beside("volume", "horizon=events"),
    "horizon.length": beside("20s"),
    "horizon.size": beside("300", "horizon=events"),
    "horizon.delay": beside("1s", "backtest.latency=50ms"),
    "target.kind": beside("impact"),
    "target.form": beside("direction", "model.objective=auto"),
    "target.unit": beside("bps"),
    "target.look_back": beside("2m", "target=volatility", "target.look_back=1m"),
    "target.dead_band": beside("0.5", "target=direction"),
    "target.stop": beside("1", "target=triple_barrier", "horizon=60s"),
    "target.take_profit": beside("1", "target=triple_barrier", "horizon=60s"),
}

#: What a small untuned Ridge on two short sessions is beside, unless a key needs more.
SMALL = [
    *("dataset.sessions=2", "dataset.session_length=8m", "bars.step=2s", "split.n_folds=2", "split.embargo=10s"),
    *("model=ridge", "tuning=off", "evaluation.bootstrap_samples=50", "evaluation.importance_rows=20"),
    *("evaluation.permutation_repeats=0", "evaluation.interactions=0", "evaluation.decay=[]"),
    *("evaluation.controls=false", "evaluation.leak_check=false", "strategy.edge_multiple=0"),
]
_TREES = ("model=lgbm", "model.n_estimators=8", "model.min_child_samples=10")
_TUNED = (*_TREES, "tuning=optuna", "tuning.trials=6", "tuning.inner_folds=2")
_QUANTILE = (*_TREES, "model.objective=quantile")
_POSTED = ("dataset=synthetic_trending", "strategy.entry=post")  # a signal that is worth posting for
_PAID = ("++dataset.instruments={*: {taker: {bps: -20}, quote: USD}}",)  # rebates, so that there is a profit
_NET = "backtest.net_pnl"
_STOPPED = (*_TREES, "model.early_stopping=2")

#: What changes in the report.
STUDY = {
    "seed": beside("8", part="metrics.pooled.ic.low"),
    "seeds": beside("[7,8]", part="seeds"),
    "ofi.name": beside("mlofi_sum"),
    "ofi.normalise": beside("depth"),
    "split.by": beside("time"),
    "split.n_folds": beside("3"),
    "split.first_train": beside("0.5"),
    "split.embargo": beside("60s"),
    "split.window": beside("0.2", "split=rolling", "split.window=0.3"),
    "model.objective": beside("quantile", *_TREES),
    "model.quantile": beside("0.3", *_QUANTILE, "backtest=off"),
    "model.n_estimators": beside("9", *_TREES),
    "model.learning_rate": beside("0.1", *_TREES),
    "model.num_leaves": beside("3", *_TREES),
    "model.max_depth": beside("1", *_TREES),
    "model.min_child_samples": beside("60", *_TREES),
    "model.reg_lambda": beside("1", *_TREES),
    "model.feature_fraction": beside("0.3", *_TREES),
    "model.bagging_fraction": beside("0.3", *_TREES),
    "model.early_stopping": beside("1", *_TREES, "model.learning_rate=1"),
    "model.validation_fraction": beside("0.5", *_STOPPED, "model.n_estimators=60", "model.early_stopping=20"),
    "model.monotone": beside("ofi", *_TREES),
    "model.calibration": beside("sigmoid", *_TREES, "target=direction"),
    "model.space.learning_rate.low": beside("0.05", *_TUNED, part="tuning"),
    "model.space.learning_rate.high": beside("0.2", *_TUNED, part="tuning"),
    "model.space.learning_rate.log": beside("false", *_TUNED, part="tuning"),
    "model.space.num_leaves.low": beside("6", *_TUNED, part="tuning"),
    "model.space.num_leaves.high": beside("60", *_TUNED, part="tuning"),
    "model.space.num_leaves.log": beside("false", *_TUNED, part="tuning"),
    "model.space.min_child_samples.low": beside("5", *_TUNED, part="tuning"),
    "model.space.min_child_samples.high": beside("90", *_TUNED, part="tuning"),
    "model.space.min_child_samples.log": beside("false", *_TUNED, part="tuning"),
    "model.space.reg_lambda.low": beside("1", *_TUNED, part="tuning"),
    "model.space.reg_lambda.high": beside("20", *_TUNED, part="tuning"),
    "model.space.reg_lambda.log": beside("false", *_TUNED, part="tuning"),
    "tuning.enabled": beside("true", *_TREES, part="tuning"),
    "tuning.trials": beside("7", *_TUNED, part="tuning"),
    "tuning.inner_folds": beside("3", *_TUNED, part="tuning"),
    "tuning.pruning": beside("off", *_TUNED, "tuning.trials=12", part="tuning"),
    "tuning.generation": beside("1", *_TUNED, part="tuning"),
    "tuning.best_params": beside("[{alpha: 1}, {alpha: 2}]"),
    "evaluation.bootstrap_samples": beside("60", "evaluation.block_length=20s", part="metrics.pooled.ic.low"),
    "evaluation.confidence_level": beside("0.8", "evaluation.block_length=20s", part="metrics.pooled.ic.low"),
    "evaluation.block_length": beside("20s", part="metrics.pooled.ic.low"),
    "evaluation.importance_rows": beside("30", part="importance"),
    "evaluation.permutation_repeats": beside("1", part="explained.permutation"),
    "evaluation.interactions": beside("2", *_TREES, part="explained.interactions"),
    "evaluation.controls": beside("true", part="controls"),
    "evaluation.decay": beside("[2]", part="decay"),
    "evaluation.leak_check": beside("true", part="leak_check"),
    "evaluation.leak_times": beside("2", "evaluation.leak_check=true", "evaluation.leak_times=1", part="leak_check"),
    "backtest.enabled": beside("false", part="backtest"),
    "backtest.latency": beside("1s", part=_NET),
    "backtest.latency_jitter": beside("1", part=_NET),
    "backtest.latency_table": beside(str(ROOT / "tests" / "config" / "latencies.csv"), part=_NET),
    "backtest.response": beside("3s", part=_NET),
    "backtest.feed_latency": beside("2s", part=_NET),
    "backtest.feed_jitter": beside("2", "backtest.feed_latency=2s", part=_NET),
    "backtest.remainder": beside("rest", "strategy.max_position=5000", part=_NET),
    "backtest.queue": beside("pessimistic", *_POSTED, part=_NET),
    "backtest.queue_power": beside("1", *_POSTED, "backtest.queue=power", part=_NET),
    "backtest.share_of_shown": beside("0.1", part=_NET),
    "backtest.share_of_traded": beside("0.01", *_POSTED, part=_NET),
    "backtest.latency_curve": beside("[1ms]", part="backtest.latency_curve"),
    "backtest.sizes": beside("[3]", part="backtest.sizes"),
    "backtest.markouts": beside("[2s]", part="backtest.markouts"),
    "backtest.financing_rate": beside("0.5", part=_NET),
    "backtest.min_round_trips": beside("1", *_PAID, "backtest.min_round_trips=100000", part="backtest.obstacles"),
    "strategy.max_position": beside("5", part=_NET),
    "strategy.edge_multiple": beside("0.5", part=_NET),
    "dataset.instruments": beside("{*: {taker: {bps: 1}}}", part=_NET),
}


def leaves(node, path=""):
    """The keys of a composed config: lists are values."""
    if isinstance(node, dict) and node:
        return [key for k, v in node.items() for key in leaves(v, f"{path}.{k}" if path else k)]
    return [path]


def test_every_key_of_the_default_config_stands_in_one_of_the_tables():
    raw = OmegaConf.to_container(compose([]), resolve=True)
    decisions = [f"strategy.{key}" for key in DECISIONS]
    tables = [*INERT, *REFUSED, *(f"dataset.{key}" for key in MARKET), *ROWS, *STUDY, *decisions]
    assert sorted(tables) == sorted(leaves(raw))


@pytest.mark.parametrize("key", REFUSED)
def test_a_name_does_not_go_with_the_keys_of_another_choice(key):
    value, sentence = REFUSED[key]
    with pytest.raises(ConfigError, match=sentence):
        load(compose([f"{key}={value}"]))


@pytest.fixture(scope="module")
def simulated():
    """The events of each session of the default market with other values, and what is known of them."""
    raw = OmegaConf.to_container(compose(["tracking=off"]), resolve=True)

    def of(**values):
        short = {"session_length": "2m", "sessions": 2}
        dataset = load(raw | {"dataset": raw["dataset"] | short | values}).dataset
        return [(s.events, s.levels, s.tick, s.open, s.close) for source in list_sources(dataset) for s in source()]

    return of


@pytest.fixture(scope="module")
def market(simulated):
    return simulated()


@pytest.mark.parametrize("key", slow_but_each(4, MARKET))
def test_a_key_of_the_market_changes_it(simulated, market, key):
    changed = simulated(**{key: yaml.safe_load(MARKET[key])})
    assert len(market) != len(changed) or any(
        not b[0].equals(c[0]) or b[1:] != c[1:] for b, c in zip(market, changed, strict=True)
    )


@pytest.fixture(scope="module")
def rows(configure):
    """The rows of the first session of overrides."""
    made = {}

    def of(*overrides):
        if overrides not in made:
            config = configure("dataset.session_length=4m", "dataset.sessions=1", *overrides)
            sessions = [
                prepare_session(s, SampleSettings.of(config))
                for source in list_sources(config.dataset)
                for s in source()
            ]
            made[overrides] = next(add_cross_flow(sessions, config.features))
        return made[overrides]

    return of


@pytest.mark.parametrize("key", slow_but_each(5, ROWS))
def test_a_key_of_the_rows_changes_them(rows, key):
    change = ROWS[key]
    assert not rows(*change.beside).equals(rows(*change.beside, f"{key}={change.value}"))


@pytest.fixture(scope="module")
def report(configure, tmp_path_factory):
    """The report of overrides, each run once; rows are cached."""
    folder, made = tmp_path_factory.mktemp("features"), {}

    def of(*overrides):
        if overrides not in made:
            config = configure(*SMALL, *overrides)
            config.features.store = str(folder)
            with Stages() as stages:
                study = experiment.run(config, stages)
            made[overrides] = json.loads(study.report.to_json())
        return made[overrides]

    return of


def part(report, path):
    for name in path.split("."):
        report = report[name] if report is not None else None
    return report


@pytest.mark.slow
@pytest.mark.parametrize("key", STUDY)
def test_a_key_of_the_study_changes_its_part_of_the_report(report, key):
    change = STUDY[key]
    before, after = (part(report(*change.beside, *more), change.part) for more in ([], [f"++{key}={change.value}"]))
    assert before != after
