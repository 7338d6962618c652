"""Rules on fitted studies: they learn from train rows only, from forecasts of rows that no model has seen, and decide
without later bars.
"""

from dataclasses import replace
from time import sleep

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.instruments import Listing, assign_instruments
from ofiml.backtest.run import Desk, run_backtest
from ofiml.backtest.scenarios import make_latency
from ofiml.config.strategy import Rule
from ofiml.errors import ConfigError, DataError, LeakError
from ofiml.evaluation.strata import add_trailing_volatility
from ofiml.parallel import Workers
from ofiml.samples.prepare import prepare_dataset
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import pool_samples
from ofiml.strategy import fit
from ofiml.strategy.build import TradedSession, decide, tabulate_decisions
from ofiml.strategy.causality import check_causality
from ofiml.strategy.decisions import HOLD, LAST, TARGET
from ofiml.strategy.fit import FittedRule, fit_rules, forecast_train_rows, tabulate_rules
from ofiml.strategy.rules import threshold
from ofiml.strategy.signals import Quotes, Signals
from ofiml.study import run as experiment
from ofiml.training import folds
from ofiml.training.settings import FitSettings
from ofiml.ui.progress import Stages
from ofiml.validation.perturbed_refit import alter_rows
from tests.strategy.plans import build_decisions, measure_linear_fee
from tests.strategy.test_rules import strategy_of

SMALL = [
    *(
        "dataset.sessions=2",
        "dataset.session_length=8m",
        "dataset.max_events=null",
        "bars.step=2s",
        "split.embargo=10s",
    ),
    *("tuning=off", "evaluation.importance_rows=20", "evaluation.decay=[]"),
]
RULES_THAT_LEARN = [
    ("ridge", strategy_of("threshold", threshold="quantile", quantile=0.8)),
    ("ridge", strategy_of("reversion", of="forecast", z=1.5)),
    ("ridge", strategy_of("reversion", sizing="volatility", lots=10)),
    ("logistic", strategy_of("confirmed", probability=0.2)),
]
#: What of each key changes the decisions or the limits.
DECISIONS = {
    "entry": {"entry": "post"},
    "sizing": {"sizing": "volatility"},
    "lots": {"lots": 5},
    "hold": {"hold": "30s"},
    "stop_ticks": {"stop_ticks": 3},
    "take_profit_ticks": {"take_profit_ticks": 3},
    "flat_before_close": {"flat_before_close": "1m"},
    "loss_limit": {"loss_limit": 5.0},
    "threshold": {"threshold": "quantile"},
    "quantile": {"threshold": "quantile", "quantile": 0.5},
}
FEES = {"SYN": measure_linear_fee(0.001, 0.0)}


def fit_study(config):
    """The fitted study of a config, without its report."""
    with Stages() as stages:
        workers = Workers(config.threads)
        prepared = prepare_dataset(SampleSettings.of(config), workers, stages)
        rows = add_trailing_volatility(pool_samples(prepared.sessions)[0])
        return experiment._fit(prepared.sessions, rows, config, workers, stages, lambda _: None)


@pytest.fixture(scope="module")
def study(configure):
    made = {}

    def of(model, *overrides):
        target = ["target=direction"] if model == "logistic" else []
        target += [] if "split=cpcv" in overrides else ["split.n_folds=2"]
        if (model, overrides) not in made:
            made[model, overrides] = fit_study(configure(*SMALL, f"model={model}", *target, *overrides))
        return made[model, overrides]

    return of


def test_the_backtest_reaches_each_target_at_its_bar(study):
    """Of each bar: no order, or one that reaches the target, or flat once the holding time has passed."""
    fitted = study("ridge")
    strategy = strategy_of("threshold", edge_multiple=0.05, max_position=3)  # lots that the book always has
    plans = build_decisions(fitted, strategy, FEES)
    traded = fitted.join_predictions()
    config = replace(fitted.config.backtest, latency_curve=[], sizes=[])
    listings = [Listing(s.key[0], s.calendar, s.home, s.source) for s in fitted.sessions]
    desk = Desk(
        config=config, latency=make_latency(config, 7), dataset=fitted.config.dataset,
        instruments=assign_instruments(listings, fitted.config.dataset),
        cap=3, bar="2s", store=None, seed=7, threads=1,
    )  # fmt: skip
    with Stages() as stages:
        orders = run_backtest(traded, fitted.sessions, plans, desk, stages).orders
    orders = orders.filter((pl.col("reason") != "close") & (pl.col("status") != "late"))
    assert orders.height > 20
    assert (orders["filled"] == orders["lots"]).all()
    n_signals = 0
    for (symbol, session, path), (made, limits) in plans.items():
        assert path is None
        close = next(s.close for s in fitted.sessions if s.key == (symbol, session))
        position, until, expected = 0, LAST, []
        for time, kind, target, end in zip(*(column.tolist() for column in made[:4]), strict=True):
            wanted = position
            if kind == TARGET:
                wanted, until = target, end
                n_signals += 1
            elif position and time >= until:
                wanted = 0
            if wanted != position:
                expected.append((time, wanted))
            position = wanted
        own = orders.filter(pl.col("session") == session)
        signed = pl.when(pl.col("side") == "buy").then("filled").otherwise(-pl.col("filled"))
        reached = own.select(signed.cum_sum()).to_series()
        expected = [order for order in expected if order[0] + 50_000_000 <= close]  # a later one comes after the close
        assert expected == list(zip(own["decided"], reached, strict=True))
        assert limits.cap == 3
        assert limits.flat_from == close
    assert n_signals > 20
    table = tabulate_decisions(plans)
    assert table.height == traded.height
    assert table["kind"].unique().sort().to_list() == [HOLD, TARGET]
    assert (table["until"].is_null() == (table["kind"] == HOLD)).all(), "a horizon of time always has an end"


@pytest.mark.parametrize(("model", "strategy"), RULES_THAT_LEARN)
def test_nothing_outside_the_train_rows_reaches_the_rule(study, model, strategy):
    fitted = study(model)
    rules, rng = fit_rules(fitted, strategy, FEES), np.random.default_rng(1)
    for k, result in enumerate(fitted.results):
        outside = np.ones(fitted.labelled.height, bool)
        outside[result.fold.train] = False
        alone = replace(fitted, results=[result])
        for marked, same in ((outside, True), (~outside, False)):
            other = alter_rows(fitted.labelled, marked, rng, fitted.config.target)
            (again,) = fit_rules(replace(alone, labelled=other), strategy, FEES)
            assert (again == rules[k]) is same
        # The predicted bars, with or without a label, are not read either.
        test = alter_rows(result.predictions, np.ones(result.predictions.height, bool), rng, fitted.config.target)
        assert fit_rules(replace(fitted, results=[replace(result, predictions=test)]), strategy, FEES) == [rules[k]]
    names = tabulate_rules(rules)
    assert names["value"].is_finite().all()
    assert names.height == len(rules) * len({*rules[0].numbers["SYN"], "volatility"})


@pytest.mark.parametrize(("model", "strategy"), [*RULES_THAT_LEARN, ("ridge", strategy_of("quoting"))])
def test_later_rows_and_labels_do_not_change_earlier_decisions(study, model, strategy):
    fitted = study(model)
    rules, rng = fit_rules(fitted, strategy, FEES), np.random.default_rng(2)
    before = tabulate_decisions(decide(fitted, strategy, rules, FEES))
    assert before["kind"].max() > 0
    results = []
    for result in fitted.results:
        later = np.arange(result.predictions.height) >= result.predictions.height // 2
        results.append(replace(result, predictions=alter_rows(result.predictions, later, rng, fitted.config.target)))
    after = tabulate_decisions(decide(replace(fitted, results=results), strategy, rules, FEES))
    unchanged = np.concatenate([np.arange(r.predictions.height) < r.predictions.height // 2 for r in results])
    assert before.filter(unchanged).equals(after.filter(unchanged))
    assert not before.equals(after)
    labels = [c for c in ("y", "move_ticks", "label_end", "scale") if c in fitted.labelled.columns]
    blind = [replace(r, predictions=r.predictions.with_columns(pl.lit(None).alias(c) for c in labels)) for r in results]
    assert tabulate_decisions(decide(replace(fitted, results=blind), strategy, rules, FEES)).equals(after)
    assert check_causality(fitted, strategy, rules, FEES) > before.height


def test_a_rule_that_looks_ahead_is_found(study, monkeypatch):
    fitted, strategy = study("ridge"), strategy_of("threshold")

    def next_bar(config, bars, numbers):
        return Signals(np.sign(np.append(bars.edge[1:], 0.0)).astype(np.int8), np.ones(len(bars)))

    def whole_session(config, bars, numbers):
        return Signals(np.sign(bars.edge - bars.edge.mean()).astype(np.int8), np.ones(len(bars)))

    for wrong in (next_bar, whole_session):
        monkeypatch.setattr(threshold, "RULE", Rule(threshold.ThresholdStrategy, wrong))
        rules = fit_rules(fitted, strategy, FEES)
        with pytest.raises(LeakError, match=r"strategy=threshold uses later bars: `kind`|`target` of decision"):
            check_causality(fitted, strategy, rules, FEES)


@pytest.mark.parametrize(
    "choice",
    [
        lambda n: np.zeros(n),
        lambda n: Signals(np.zeros(n + 1, np.int8), np.ones(n)),
        lambda n: Signals(np.full(n, 2, np.int8), np.ones(n)),
        lambda n: Quotes(*[np.full(n, 5)] * 2, *[np.ones(n, bool)] * 2),
    ],
)
def test_a_rule_that_gives_something_else_ends_in_one_sentence(study, monkeypatch, choice):
    monkeypatch.setattr(
        threshold, "RULE", Rule(threshold.ThresholdStrategy, lambda config, bars, numbers: choice(len(bars)))
    )
    with pytest.raises(ConfigError, match="strategy=threshold: decide must return Signals with sides"):
        build_decisions(study("ridge"), strategy_of("threshold"), FEES)


def test_the_error_is_that_of_the_first_fold_that_fails(study, monkeypatch):
    fitted, strategy = study("ridge"), strategy_of("threshold")

    def fail(fitted, result, strategy, fees):
        if result.fold.index == 0:
            return FittedRule(0, {}, {})
        sleep(0.2 / result.fold.index)  # later folds fail first
        raise DataError("too few rows")

    monkeypatch.setattr(fit, "_fit_rule", fail)
    one = fitted.results[0]
    results = [replace(one, fold=replace(one.fold, index=index)) for index in range(4)]
    four = replace(fitted, config=replace(fitted.config, threads=4), results=results)
    with pytest.raises(DataError, match=r"^Fold 1: too few rows"):
        fit_rules(four, strategy, FEES)


def test_the_error_of_a_fit_is_that_of_the_first_fold_that_fails(study, monkeypatch):
    fitted, begun = study("ridge"), []

    def fail(labelled, block, fold, *others, **settings):
        begun.append(fold.index)
        if fold.index == 0:
            return fitted.results[0]
        sleep(0.2 / fold.index)  # later folds fail first
        raise DataError("too few rows")

    monkeypatch.setattr(folds, "fit_fold", fail)
    one = fitted.results[0].fold
    sixty = [replace(one, index=index) for index in range(60)]
    labelled = fitted.labelled
    settings = FitSettings.of(fitted.config)
    with Stages() as stages, pytest.raises(DataError, match=r"^Fold 1: too few rows"):
        folds.fit_folds(labelled, labelled, sixty, 1, settings, Workers(4), stages)
    assert max(begun) < 59, "no fold begins once the error is known"


def test_forecasts_to_learn_from_are_of_rows_that_the_model_has_not_seen(study, monkeypatch):
    fitted, strategy, seen = study("ridge"), strategy_of("threshold", threshold="quantile", quantile=0.8), []

    def fit_fold(labelled, block, fold, *rest):
        seen.append((labelled[fold.train]["label_end"].max(), block["bar_close"].min()))
        return folds.fit_fold(labelled, block, fold, *rest)

    monkeypatch.setattr(fit, "fit_fold", fit_fold)
    for result, rule in zip(fitted.results, fit_rules(fitted, strategy, FEES), strict=True):
        train = fitted.select_train_rows(result)
        learned = forecast_train_rows(fitted, result, "threshold")
        assert learned["bar_close"].is_sorted()
        assert set(learned["bar_close"]) < set(train["bar_close"])
        assert learned.height == pytest.approx(0.5 * train.height, abs=1)
        assert rule.numbers["SYN"]["threshold"] == np.quantile(np.abs(learned["edge_ticks"].to_numpy()), 0.8)
    assert len(seen) == 2 * 5 * len(fitted.results)
    assert all(label_end < first for label_end, first in seen)


@pytest.mark.slow
def test_a_quantile_of_in_sample_forecasts_would_be_exceeded_too_rarely(study):
    trees = ("model.n_estimators=300", "model.num_leaves=31", "model.min_child_samples=20", "model.reg_lambda=0")
    fitted = study("lgbm", *trees, "dataset.session_length=30m")
    strategy, tested, in_sample, out_of_sample = (
        strategy_of("threshold", threshold="quantile", quantile=0.8),
        [],
        [],
        [],
    )
    for result, rule in zip(fitted.results, fit_rules(fitted, strategy, FEES), strict=True):
        train = fitted.select_train_rows(result)
        own = result.pipeline.predict(*fitted.select_inputs(train)) * train["scale"].to_numpy()
        size = np.abs(result.predictions["edge_ticks"].to_numpy())
        in_sample.append((size > np.quantile(np.abs(own), 0.8)).mean())
        out_of_sample.append((size > rule.numbers["SYN"]["threshold"]).mean())
        tested.append(len(size))
    # The quantile says 0.2.
    share, wrong = (np.average(shares, weights=tested) for shares in (out_of_sample, in_sample))
    assert wrong < 0.8 * share
    assert 0.13 < share < 0.27


def test_too_few_train_rows_name_the_strategy(study):
    fitted = study("ridge")
    strategy = strategy_of("threshold", threshold="quantile")
    short = [replace(r, fold=replace(r.fold, train=r.fold.train[:2])) for r in fitted.results]
    with pytest.raises(DataError, match=r"Fold [01]: .*strategy=threshold.*strategy\.threshold=cost"):
        fit_rules(replace(fitted, results=short), strategy, FEES)


def test_each_path_decides_by_itself(study):
    fitted = study("ridge", "split=cpcv", "split.n_groups=4")
    strategy = strategy_of("threshold", edge_multiple=0.1)
    plans = build_decisions(fitted, strategy, FEES)
    traded = fitted.join_predictions()
    paths = traded["path"].unique().sort().to_list()
    assert len(paths) > 1
    sessions = {s.key for s in fitted.sessions}
    assert set(plans) == {TradedSession(*key, path) for key in sessions for path in paths}
    for key, (made, _) in plans.items():
        rows = traded.filter((pl.col("path") == key.path) & (pl.col("session") == key.session))
        assert made.time.tolist() == rows["bar_close"].to_physical().to_list()
    for one in (fitted, study("ridge")):  # a session in several folds is joined in time order
        straight = build_decisions(one, strategy, FEES)
        turned = build_decisions(replace(one, results=one.results[::-1]), strategy, FEES)
        for key, (made, _) in straight.items():
            assert all(a.tolist() == b.tolist() for a, b in zip(made, turned[key][0], strict=True))
    assert tabulate_decisions(plans)["path"].unique().sort().to_list() == paths


def test_a_holding_time_replaces_the_horizon(study):
    fitted = study("ridge", "horizon=events")
    made = {
        hold: build_decisions(fitted, strategy_of("threshold", edge_multiple=0.0, hold=hold), FEES)
        for hold in (None, "7s")
    }
    for key, (decisions, _) in made["7s"].items():
        wanted = decisions.kind == TARGET
        assert (decisions.until[wanted] == decisions.time[wanted] + 7_000_000_000).all()
        horizon = made[None][key][0].until[wanted]
        rows = fitted.join_predictions().filter(pl.col("session") == key.session)
        ends = rows["hold_until"].fill_null(LAST).to_numpy()[wanted]
        assert horizon.tolist() == ends.tolist()
    assert any((d.until == LAST).any() for d, _ in made[None].values())


@pytest.mark.parametrize("key", DECISIONS)
def test_a_key_of_the_strategy_changes_decisions_or_limits(study, key):
    def build(**values):
        plans = build_decisions(study("ridge"), strategy_of("threshold", **({"edge_multiple": 0.1} | values)), FEES)
        return tabulate_decisions(plans), [limits for _, limits in plans.values()]

    change = DECISIONS[key]
    (table, limits), (other_table, other_limits) = (
        build(**{k: v for k, v in change.items() if k != key}),
        build(**change),
    )
    assert table["target"].n_unique() > 1
    assert not table.equals(other_table) or limits != other_limits
