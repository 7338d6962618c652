"""Keys that change nothing beside the other settings of a config.

Keys without effect on any result (caches, threads, tracking) are not among them, nor those that one sweep over models
shares (the tuning of a model that has nothing to tune).
"""

from collections.abc import Iterator
from dataclasses import fields

from ofiml.config.backtest import Backtest
from ofiml.config.evaluation import Evaluation
from ofiml.config.features import Features
from ofiml.config.ofi import Ofi
from ofiml.config.schema import Config
from ofiml.config.tuning import Tuning


def without_effect(config: Config) -> dict[str, str]:
    """Return, by key or group of keys, why it changes nothing in this config and what to do, to end a sentence."""
    return {
        **{f"model.{key}": why for key, why in config.model.without_effect().items()},
        **dict(_of_target(config)),
        **dict(_of_tuning(config.tuning)),
        **dict(_of_flow(config.ofi, config.features)),
        **dict(_of_features(config.features)),
        **dict(_of_evaluation(config.evaluation)),
    }


def _of_target(config: Config) -> Iterator[tuple[str, str]]:
    if config.target.kind == "forecast":
        yield from () if config.backtest.enabled else _of_no_backtest()
        return
    remedy = f"bars.step={config.horizon.length}" if config.bars.step_ns is not None else "bars.size"
    yield "horizon", f"target=impact explains the bar itself; set its length with {remedy}, or use target=forecast"
    yield "evaluation.decay", "target=impact has no horizon; leave it out"
    if config.backtest.enabled:
        yield "backtest", "target=impact forecasts nothing to trade on; leave it out, or use target=forecast"


def _of_no_backtest() -> Iterator[tuple[str, str]]:
    for f in fields(Backtest):
        if f.name not in ("enabled", "latency"):  # the latency is part of the labels' intervals
            yield f"backtest.{f.name}", "backtest=off; leave it out, or use backtest=taker"


def _of_tuning(tuning: Tuning) -> Iterator[tuple[str, str]]:
    if not tuning.enabled:
        searched = [f"tuning.{f.name}" for f in fields(Tuning) if f.name not in ("enabled", "best_params")]
        for key in (*searched, "model.space"):
            yield key, "tuning=off; leave it out, or use tuning=optuna"
    if tuning.best_params:
        for key in sorted(set.intersection(*(set(values) for values in tuning.best_params))):
            yield (
                f"model.{key}",
                f"tuning.best_params overrides {key} in each fold; change it there, or clear them with "
                "tuning.best_params=[]",
            )


def _of_flow(ofi: Ofi, features: Features) -> Iterator[tuple[str, str]]:
    if ofi.name == "best_level" and ofi.normalise == "none" and not features.columns:
        yield "ofi.levels", "ofi=best_level uses level 1; leave it out, or use ofi=mlofi"


def _of_features(features: Features) -> Iterator[tuple[str, str]]:
    if not {"cost_buy", "cost_sell"} & set(features.columns):
        yield "features.trade_size", "features.columns has neither cost_buy nor cost_sell; add one of them"
    if "vpin" not in features.columns:
        yield "features.vpin_bucket", "features.columns has no vpin; add it"
    if not features.cross:
        for key in ("features.cross_delay", "features.cross_max_age"):
            yield key, "features.cross names no symbol; add one, as in features.cross=[SYN1]"


def _of_evaluation(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    if not evaluation.leak_check:
        yield "evaluation.leak_times", "evaluation.leak_check=false; leave one of the two out"
