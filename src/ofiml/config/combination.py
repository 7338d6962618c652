"""Conditions between the groups of a config. Each check raises ConfigError with a sentence that names the remedy."""

from ofiml.config.backtest import Backtest
from ofiml.config.bars import ActivityBars, TimeBars
from ofiml.config.checks import require
from ofiml.config.evaluation import Evaluation
from ofiml.config.features import Features
from ofiml.config.model import MODELS, Model
from ofiml.config.ofi import Ofi
from ofiml.config.strategy import Strategy, list_strategies
from ofiml.config.target import Horizon, Target
from ofiml.config.tuning import Tuning
from ofiml.errors import ConfigError


def check_model(model: Model, target: Target) -> None:
    """Check that the model fits the target: a regression or a classifier."""
    obstacle = model.forbids(target.task)
    if obstacle is None:
        return
    others = ", ".join(MODELS.of(target.task))
    key = obstacle.partition("=")[0]
    another = f"another {key}" if key in ("model.objective", "model.calibration") else ""
    require(
        target.task == "classification",
        f"{obstacle} a classifier, but the target is a return: use target=direction, or "
        f"{another or f'a regression model ({others})'}.",
    )
    require(
        target.task == "regression",
        f"{obstacle} a regression, but the target is a direction: use target=forecast, or "
        f"{another or f'a classifier ({others})'}.",
    )


def check_quantile(model: Model, tuning: Tuning, backtest: Backtest, target: Target) -> None:
    """Check that tuning leaves the quantile alone, and that the backtest trades on a mean or median."""
    quantile = model.of_quantile
    for values in tuning.best_params:
        same = model.with_params(values).of_quantile == quantile
        require(same, "tuning.best_params must not change quantile: it defines the forecast and is never tuned.")
    if backtest.enabled and target.kind == "forecast":
        require(
            quantile in (None, 0.5),
            f"The model forecasts the {quantile}-quantile, but the backtest trades on a mean or median: use "
            "backtest=off, or a quantile of 0.5.",
        )


def check_block(evaluation: Evaluation, target: Target, horizon: Horizon, bars: TimeBars | ActivityBars) -> None:
    """Check that a bootstrap block is not shorter than a label, if the length of labels is known in advance."""
    forecast_span = None if horizon.length_ns is None else horizon.length_ns + horizon.delay_ns
    span = bars.step_ns if target.kind == "impact" else forecast_span
    require(
        evaluation.block_ns is None or span is None or evaluation.block_ns >= span,
        f"evaluation.block_length={evaluation.block_length} is shorter than a label: overlapping labels would count "
        "as independent; lengthen it, or set it to null.",
    )


def check_forecast(target: Target, horizon: Horizon, bars: TimeBars | ActivityBars, backtest: Backtest) -> None:
    """Check that a forecast looks ahead by a bar or more, and that its order is filled before the next decision."""
    if isinstance(bars, ActivityBars):
        require(
            horizon.clock != bars.name or horizon.amount >= bars.size,
            f"horizon.size={horizon.amount:g} is less than bars.size={bars.size:g}: raise it, or lower bars.size.",
        )
        return
    step = bars.step_ns
    require(
        horizon.length_ns is None or horizon.length_ns >= step,
        f"horizon.length={horizon.length} is shorter than bars.step={bars.label}: "
        f"lengthen the horizon (horizon=…) or shorten the bars (bars.step=…).",
    )
    follows = backtest.latency == horizon.delay
    key = "horizon.delay" if follows else "backtest.latency"
    require(
        backtest.latency_ns <= step,
        f"{key}={backtest.latency}{', which backtest.latency follows,' * follows} is longer than "
        f"bars.step={bars.label}: an order would be filled after the next decision; shorten {key}, or lengthen the "
        "bars.",
    )
    require(
        target.look_back is None or target.look_back_ns >= step,
        f"target.look_back={target.look_back} is shorter than bars.step={bars.label}: lengthen it.",
    )


def check_strategy(strategy: Strategy, target: Target, bars: TimeBars | ActivityBars, backtest: Backtest) -> None:
    """Check that the strategy trades on the target's forecasts, and that a position is held for a bar or more."""
    if not backtest.enabled:
        return
    others = ", ".join(list_strategies(target.task))
    if strategy.forbids(target.task):
        reads, is_, use = (
            ("the probabilities of a direction", "a return", "target=direction")
            if target.task == "regression"
            else ("forecasts of a return", "a direction", "target=forecast")
        )
        raise ConfigError(
            f"strategy={strategy.name} reads {reads}, but the target is {is_}: use {use}, or another strategy "
            f"({others})."
        )
    require(
        strategy.hold_ns is None or isinstance(bars, ActivityBars) or strategy.hold_ns >= bars.step_ns,
        f"strategy.hold={strategy.hold} is shorter than bars.step={bars.label}, and positions end at a bar's close: "
        "lengthen it, or shorten the bars.",
    )


def check_impact(horizon: Horizon, ofi: Ofi, features: Features) -> None:
    """Check that an impact is explained by the same bar alone."""
    require(
        horizon.clock == "time",
        f"horizon={horizon.clock} needs target=forecast: target=impact explains the same bar; for bars of events or "
        "volume use bars=….",
    )
    require(
        ofi.windows == ["bar"],
        f"ofi.windows=[{','.join(ofi.windows)}] looks back beyond the bar that target=impact explains: "
        "use ofi.windows=[bar].",
    )
    require(
        not features.columns and not features.cross,
        f"features={features.name} contains values of the bar that target=impact explains: use features=ofi_only.",
    )
