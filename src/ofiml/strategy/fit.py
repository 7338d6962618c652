"""Fit a rule on each fold's train rows.

A fold's rule learns from the rows that its model has learned from, so a rule that reads forecasts needs care. The
forecasts of a model for its own train rows are in-sample: they repeat what the model has memorised, and are larger than
those of new rows, most of all for trees. A threshold fitted on them would be too high. So the train rows are divided
again into purged walk-forward folds; the fold's tuned model is fitted on the earlier part of them and forecasts the
later part; and the rule learns from these forecasts. Two differences from the test block remain: those models have
fewer train rows, and the tuned parameters were chosen on the same rows. Both change the scale of forecasts far less
than memorising does.

Quantities that do not depend on a model (flow, volatility) come from all train rows. All numbers are of one symbol,
because flow and ticks have the scale of their symbol. No rule learns from profits, so a holding time beyond the label's
end does not leak.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml.config import Strategy
from ofiml.config.strategy import RULES
from ofiml.errors import locate_error
from ofiml.parallel import Workers, run_pieces
from ofiml.samples.table import list_feature_columns, take_rows
from ofiml.splits.inner import Inner
from ofiml.strategy.bars import FeeTicks, ForecastBars, list_read_columns
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult, fit_fold
from ofiml.training.inputs import read_intervals
from ofiml.training.settings import FitSettings

_FOLDS, _FIRST_TRAIN = 5, 0.5  # of the walk-forward inside the train rows


@dataclass(frozen=True, slots=True)
class FittedRule:
    """The rule of one fold: for each symbol of the train rows the `numbers` that it learned, and `volatility`, the root
    mean square of the trailing volatility in ticks, NaN if not known. On another symbol it does not trade.
    """

    fold: int
    numbers: dict[str, Mapping[str, float]]
    volatility: dict[str, float]


def fit_rules(fitted: FittedStudy, strategy: Strategy, fees: Mapping[str, FeeTicks]) -> list[FittedRule]:
    """Fit the rule of each fold on its train rows; `fees` has the taker's fee of each symbol.

    Raises DataError if a fold's train rows are too few to divide them again; the error is that of the first such fold.
    """

    def work(result: FoldResult) -> FittedRule:
        with locate_error(f"Fold {result.fold.index}"):
            return _fit_rule(fitted, result, strategy, fees)

    return run_pieces(work, fitted.results, Workers(fitted.config.threads))  # threads, which share the study


def _fit_rule(fitted: FittedStudy, result: FoldResult, strategy: Strategy, fees: Mapping[str, FeeTicks]) -> FittedRule:
    train = fitted.select_train_rows(result)
    known = train.select("symbol", "trailing_volatility")
    volatility = {symbol: _measure_volatility(rows) for symbol, rows in _split_by_symbol(known)}
    if not strategy.learns:
        return FittedRule(result.fold.index, {symbol: {} for symbol in volatility}, volatility)
    learned = forecast_train_rows(fitted, result, strategy.name) if strategy.fits_forecasts else train
    fit, features = RULES[strategy.name].fit, list_feature_columns(fitted.config.features)
    numbers = {
        symbol: fit(strategy, ForecastBars.of(rows, features, fees[symbol]))
        for symbol, rows in _split_by_symbol(learned.select("symbol", *list_read_columns(learned.columns, features)))
    }
    return FittedRule(result.fold.index, numbers, volatility)


def forecast_train_rows(fitted: FittedStudy, result: FoldResult, strategy: str) -> pl.DataFrame:
    """Forecast the train rows of a fold out of sample, the later half, in time order.

    The fold's model, with its tuned parameters, is fitted on earlier train rows only. Raises DataError, which names the
    `strategy`, for too few train rows.
    """
    train, settings = fitted.select_train_rows(result), FitSettings.of(fitted.config).fix_model(result.model)
    inner = Inner(read_intervals(train), settings.split.embargo_ns)
    remedy = "a strategy that learns nothing from forecasts (strategy=threshold strategy.threshold=cost)"
    folds = inner.folds(_FOLDS, first_train=_FIRST_TRAIN, key=f"strategy={strategy}", remedy=remedy)
    return pl.concat(
        fit_fold(train, take_rows(train, fold.test), fold, fitted.flow_levels, settings).predictions for fold in folds
    )


def _split_by_symbol(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Split the rows by symbol, one part in memory at a time."""
    return ((str(key[0]), part) for key, part in rows.group_by("symbol", maintain_order=True))


def _measure_volatility(rows: pl.DataFrame) -> float:
    volatility = rows["trailing_volatility"].drop_nulls().to_numpy()
    return float(np.sqrt(np.mean(volatility**2))) if len(volatility) else float("nan")


def tabulate_rules(rules: list[FittedRule]) -> pl.DataFrame:
    """Tabulate what the rules learned: `fold`, `symbol`, `name`, `value`."""
    rows = [
        (rule.fold, symbol, name, value)
        for rule in rules
        for symbol, volatility in rule.volatility.items()
        for name, value in {**rule.numbers.get(symbol, {}), "volatility": volatility}.items()
    ]
    schema = {"fold": pl.Int32, "symbol": pl.String, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
