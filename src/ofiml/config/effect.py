"""Keys of a config that have no effect beside its other settings.

Two kinds are not listed: keys that never change a result (caches, threads, tracking), and keys that a sweep over models
shares (the tuning of a model without parameters; `overrides.arguments.check_tuned` refuses it in a single run).
"""

from collections.abc import Iterator
from dataclasses import fields

from ofiml.config.backtest import Backtest
from ofiml.config.dataset import SyntheticDataset
from ofiml.config.evaluation import Evaluation
from ofiml.config.features import Features
from ofiml.config.instrument import list_unfitting_patterns
from ofiml.config.ofi import Ofi
from ofiml.config.report import ReportFiles
from ofiml.config.schema import Config
from ofiml.config.tuning import Tuning


def explain_unused_keys(config: Config) -> dict[str, str]:
    """Map each key, or group of keys, without effect to the reason and the remedy, as the end of a sentence."""
    return {
        **{f"model.{key}": reason for key, reason in config.model.explain_unused_keys().items()},
        **{f"strategy.{key}": reason for key, reason in config.strategy.explain_unused_keys().items()},
        **dict(_list_unused_target_keys(config)),
        **dict(_list_unused_tuning_keys(config.tuning)),
        **dict(_list_unused_flow_keys(config.ofi, config.features)),
        **dict(_list_unused_feature_keys(config.features)),
        **dict(_list_unused_evaluation_keys(config.evaluation)),
        **dict(_list_unused_report_keys(config.report)),
        **dict(_list_unused_market_keys(config)),
    }


def _list_unused_target_keys(config: Config) -> Iterator[tuple[str, str]]:
    if config.target.kind == "forecast":
        yield from () if config.backtest.enabled else _list_unused_backtest_keys()
        return
    yield "strategy", "target=impact forecasts nothing to trade on; leave it out, or use target=forecast"
    remedy = f"bars.step={config.horizon.length}" if config.bars.step_ns is not None else "bars.size"
    yield "horizon", f"target=impact explains the bar itself; set its length with {remedy}, or use target=forecast"
    yield "evaluation.decay", "target=impact has no horizon; leave it out"
    if config.backtest.enabled:
        yield "backtest", "target=impact forecasts nothing to trade on; leave it out, or use target=forecast"


#: Keys of the embedded market that concern its news.
_NEWS = ("informed_orders", "informed_decay", "news_move", "news_decay", "quote_reaction")


def _list_unused_market_keys(config: Config) -> Iterator[tuple[str, str]]:
    market = config.dataset
    if not isinstance(market, SyntheticDataset):
        return
    if market.informed_probability == 0:
        for key in _NEWS:
            yield f"dataset.{key}", "dataset.informed_probability=0 makes no news; leave it out, or raise that"
    for pattern in list_unfitting_patterns(market.instruments, market.symbols):
        named = ", ".join(market.symbols)
        yield f"dataset.instruments.{pattern}", f"the symbols of this market are {named}; name one of them"
    if not (config.backtest.enabled and config.target.kind == "forecast"):
        yield "instrument", "no backtest uses the money of the embedded market; leave it out"


def _list_unused_backtest_keys() -> Iterator[tuple[str, str]]:
    for f in fields(Backtest):
        if f.name not in ("enabled", "latency"):  # the latency is part of the labels' intervals
            yield f"backtest.{f.name}", "backtest=off; leave it out, or use backtest=book"
    yield "strategy", "backtest=off; leave it out, or use backtest=book"


def _list_unused_tuning_keys(tuning: Tuning) -> Iterator[tuple[str, str]]:
    if not tuning.enabled:
        unused = [f"tuning.{f.name}" for f in fields(Tuning) if f.name not in ("enabled", "best_params")]
        for key in (*unused, "model.space"):
            yield key, "tuning=off; leave it out, or use tuning=optuna"
    if tuning.best_params:
        for key in sorted(set.intersection(*(set(values) for values in tuning.best_params))):
            yield (
                f"model.{key}",
                f"tuning.best_params overrides {key} in each fold; change it there, or write tuning.best_params=[]",
            )


def _list_unused_flow_keys(ofi: Ofi, features: Features) -> Iterator[tuple[str, str]]:
    if ofi.name == "best_level" and ofi.normalise == "none" and not features.columns:
        yield "ofi.levels", "ofi=best_level uses level 1; leave it out, or use ofi=mlofi"


def _list_unused_feature_keys(features: Features) -> Iterator[tuple[str, str]]:
    if not {"cost_buy", "cost_sell"} & set(features.columns):
        yield "features.trade_size", "features.columns has neither cost_buy nor cost_sell; add one of them"
    if "vpin" not in features.columns:
        yield "features.vpin_bucket", "features.columns has no vpin; add it"
    if not features.cross:
        for key in ("features.cross_delay", "features.cross_max_age"):
            yield key, "features.cross names no symbol; add one, as in features.cross=[SYN1]"


def _list_unused_evaluation_keys(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    if not evaluation.leak_check:
        yield "evaluation.leak_times", "evaluation.leak_check=false; leave one of the two out"


def _list_unused_report_keys(report: ReportFiles) -> Iterator[tuple[str, str]]:
    if not report.html and not report.figures:
        yield "report.dpi", "the report has neither a page nor figures; leave it out, or use report=default"
