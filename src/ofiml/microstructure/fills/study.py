"""The study of a market: its orders followed in truth and sent to its tapes, day by day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest.orders import Queue
from ofiml.config import SyntheticDataset
from ofiml.data.synthetic import simulate
from ofiml.data.synthetic.own_orders import follow_postings
from ofiml.microstructure.fills.estimates import (
    DaySums,
    Estimate,
    estimate_difference,
    estimate_mean,
    estimate_means,
    sum_days,
    sum_fills_within,
    sum_quoted,
    sum_wait_errors,
)
from ofiml.microstructure.fills.exponent import POWERS, Exponent, fit_to_share, fit_to_waits
from ofiml.microstructure.fills.postings import QueueModel, add_spread, plan_postings, post_on_tape
from ofiml.microstructure.fills.states import StateFills, estimate_states, find_edges
from ofiml.samples.tape import build_tape
from ofiml.units import SECOND

#: The models by name; the power model has a fitted exponent, and `power, default` that of the config.
PLAIN_MODELS = {
    "through": QueueModel(Queue.THROUGH),
    "pessimistic": QueueModel(Queue.PESSIMISTIC),
    "proportional": QueueModel(Queue.PROPORTIONAL),
    "exact": QueueModel(Queue.EXACT),
    "touch": QueueModel(Queue.TOUCH),
}
FITTED, DEFAULT = "power, fitted", "power, default"
MODELS = ("through", "pessimistic", "proportional", FITTED, DEFAULT, "exact", "touch")

_EXACT = QueueModel(Queue.EXACT)
_CURVE_POINTS = 41


@dataclass(frozen=True, slots=True)
class Settings:
    """What is posted: orders of each of `lots`, one each `every` ns for `patience` ns, on `fit_days` and then on
    `test_days` other days, followed `replicas` times. `default_power` is the exponent of the config.
    """

    lots: Sequence[int]
    every: int
    patience: int
    replicas: int
    fit_days: int
    test_days: int
    default_power: float

    @property
    def days(self) -> int:
        return self.fit_days + self.test_days


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the orders of the test days, in truth or by a model.

    `measures` has estimates by the names of MEASURES, `differences` those less the truth's, and `curve` the share of
    orders with a fill within each of the study's `seconds`. `by_quotes` is the share of fills without a trade.
    """

    measures: dict[str, Estimate]
    curve: list[Estimate]
    differences: dict[str, Estimate] = field(default_factory=dict)
    by_quotes: Estimate | None = None


@dataclass(frozen=True, slots=True)
class SizeResult:
    """The result for orders of one size; exponents are of the fit days, all else of the test days."""

    lots: int
    orders: int
    to_truth: Exponent
    to_exact: Exponent
    truth: Outcome
    models: dict[str, Outcome]
    states: list[StateFills]


@dataclass(frozen=True, slots=True)
class MarketResult:
    """The result for a market; `seconds` are the times of the curves."""

    seconds: list[float]
    sizes: list[SizeResult]


@dataclass(slots=True)
class _Orders:
    """Tables by day: of the truth, and of each model."""

    truth: list[pl.DataFrame]
    models: list[list[pl.DataFrame]]


def study_market(config: SyntheticDataset, settings: Settings, step: Callable[[], None]) -> MarketResult:
    """Study the first symbol of a market; `step` is called after each day. One day is in memory at a time.

    Raises ConfigError and DataError as `plan_postings` and `follow_postings` do.
    """
    searched = [_EXACT, *(QueueModel(Queue.POWER, power) for power in POWERS)]
    fit = _follow_days(config, settings, range(settings.fit_days), [searched] * len(settings.lots), step)
    fitted = [_fit(orders, settings, config.seed) for orders in fit]
    tested = [
        PLAIN_MODELS
        | {
            FITTED: QueueModel(Queue.POWER, to_truth.value),
            DEFAULT: QueueModel(Queue.POWER, settings.default_power),
        }
        for to_truth, _ in fitted
    ]
    models = [[of_size[name] for name in MODELS] for of_size in tested]
    test = _follow_days(config, settings, range(settings.fit_days, settings.days), models, step)
    seconds = np.linspace(0, settings.patience / SECOND, _CURVE_POINTS).tolist()
    sizes = [
        _describe(lots, exponents, orders, find_edges(before.truth), seconds)
        for lots, exponents, orders, before in zip(settings.lots, fitted, test, fit, strict=True)
    ]
    return MarketResult(seconds, sizes)


def _follow_days(
    config: SyntheticDataset,
    settings: Settings,
    days: range,
    models: Sequence[Sequence[QueueModel]],
    step: Callable[[], None],
) -> list[_Orders]:
    """Follow the orders of some days in truth and by the models of each size."""
    out = [_Orders([], [[] for _ in of_size]) for of_size in models]
    plans = [
        plan_postings(config, lots=lots, every=settings.every, patience=settings.patience) for lots in settings.lots
    ]
    for day in days:
        session = simulate(config, day)[0]
        tape = build_tape(session)
        for postings, of_size, orders in zip(plans, models, out, strict=True):
            truth = follow_postings(config, day, postings, replicas=settings.replicas)
            truth = add_spread(truth.filter(pl.col("price").is_not_null()), tape.tick)
            orders.truth.append(truth)
            for tables, table in zip(orders.models, post_on_tape(truth, tape, session.close, of_size), strict=True):
                tables.append(table)
        step()
    return out


def _fit(orders: _Orders, settings: Settings, seed: int) -> tuple[Exponent, Exponent]:
    """Fit the exponent to the truth's share of lots, and to the exact queue's times."""
    exact, *by_power = orders.models
    name, patience = "filled_share", settings.patience / SECOND
    shares = [sum_days(tables)[name] for tables in by_power]
    errors = [sum_wait_errors(tables, exact, patience) for tables in by_power]
    return fit_to_share(sum_days(orders.truth)[name], shares, seed), fit_to_waits(errors, seed)


def _describe(
    lots: int,
    exponents: tuple[Exponent, Exponent],
    orders: _Orders,
    edges: Mapping[str, Int64],
    seconds: Sequence[float],
) -> SizeResult:
    models = dict(zip(MODELS, orders.models, strict=True))
    sums = sum_days(orders.truth)
    truth = Outcome(estimate_means(sums), [estimate_mean(s) for s in sum_fills_within(orders.truth, seconds)])
    outcomes = {name: _describe_model(tables, sums, seconds) for name, tables in models.items()}
    states = estimate_states(orders.truth, models, edges)
    return SizeResult(lots, sum(map(len, orders.models[0])), *exponents, truth, outcomes, states)


def describe_outcomes(
    truth: list[pl.DataFrame], models: Mapping[str, list[pl.DataFrame]]
) -> tuple[Outcome, dict[str, Outcome]]:
    """Describe the outcome of orders in truth and by each model, of tables by day, without curves."""
    sums = sum_days(truth)
    return Outcome(estimate_means(sums), []), {
        name: _describe_model(tables, sums, []) for name, tables in models.items()
    }


def _describe_model(tables: list[pl.DataFrame], truth: Mapping[str, DaySums], seconds: Sequence[float]) -> Outcome:
    sums = sum_days(tables)
    return Outcome(
        measures=estimate_means(sums),
        curve=[estimate_mean(s) for s in sum_fills_within(tables, seconds)],
        differences={name: estimate_difference(sums[name], truth[name]) for name in sums},
        by_quotes=estimate_mean(sum_quoted(tables)),
    )
