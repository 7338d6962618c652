"""The numbers of a report that MLflow shows as metrics: about 40, whose names line up in its tables.

Everything else is in report.json. The measures of one fold or path are steps of `fold/…` and `path/…`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ofiml.evaluation.profit import Performance
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Measure
from ofiml.study.report import Report
from ofiml.tracking.metric_names import FOLDS, TRIALS
from ofiml.validation.controls import Control, ControlName

_WITH_INTERVAL: tuple[Measure, ...] = ("ic", "r2", "pinball", "coverage")
_OF_ORACLE: tuple[Measure, ...] = ("ic", "r2")


@dataclass(frozen=True, slots=True)
class LoggedMetric:
    """A metric of MLflow. Its `step` is the fold or path that it belongs to, or 0."""

    name: str
    value: float
    step: int = 0


def list_metrics(report: Report) -> list[LoggedMetric]:
    """List the metrics of a study; undefined ones are NaN. Money is in the currency of the backtest."""
    return [
        *_list_skill(report),
        *list_control_metrics(report.controls),
        *([] if report.performance is None else _list_profit(report.performance)),
        *_list_steps(report),
        *_list_counts(report),
    ]


def list_control_metrics(controls: Mapping[ControlName, Control] | None) -> Iterator[LoggedMetric]:
    """List the gain of the model in IC over each control, with its lower end. A zero forecast has no IC."""
    for name, control in (controls or {}).items():
        if name != "zero":
            yield LoggedMetric(f"above_{name}", control.above.ic.value)
            yield LoggedMetric(f"above_{name}_low", control.above.ic.low)


def _list_skill(report: Report) -> Iterator[LoggedMetric]:
    scores = report.metrics
    yield from _list_estimate("ic", scores.pooled["ic"])  # the first, which is what the page of two runs draws
    for name, estimate in scores.pooled.items():
        if name == "ic":
            continue
        yield from _list_estimate(name, estimate) if name in _WITH_INTERVAL else [LoggedMetric(name, estimate.value)]
    yield LoggedMetric("ic_t", scores.hac.ic.t)
    yield LoggedMetric("slope", scores.hac.slope.value)
    if scores.oracle:
        shares = scores.oracle.shares
        yield from (LoggedMetric(f"oracle_share_{name}", shares[name]) for name in _OF_ORACLE if name in shares)
    if report.impact:
        yield LoggedMetric("r2_window", report.impact.r2_window_mean)
    if report.seeds:
        yield LoggedMetric("seed_ic_sd", report.seeds.measures["ic"].sd)


def _list_profit(backtest: Performance) -> Iterator[LoggedMetric]:
    yield LoggedMetric("net", backtest.net_pnl)
    yield LoggedMetric("net_t", backtest.net_t)
    yield from _list_estimate("net_sharpe", Estimate(backtest.sharpe_net, backtest.sharpe_low, backtest.sharpe_high))
    if backtest.deflated is not None:
        yield LoggedMetric("net_sharpe_deflated", backtest.deflated.probability)
    yield LoggedMetric("gross", backtest.gross_pnl)
    yield LoggedMetric("costs", backtest.costs)
    yield LoggedMetric("break_even_bps", backtest.break_even_bps)
    yield LoggedMetric("return_on_capital", backtest.return_on_capital)
    yield LoggedMetric("turnover", backtest.turnover)
    yield LoggedMetric("max_drawdown", backtest.max_drawdown)
    yield LoggedMetric("slippage_ticks", backtest.slippage_ticks)
    yield LoggedMetric("executable_ic", backtest.executable.ic)
    yield LoggedMetric("fill_rate", backtest.orders.fill_rate)
    yield LoggedMetric("round_trips", backtest.trades.round_trips)


def _list_steps(report: Report) -> Iterator[LoggedMetric]:
    """List the measures of each fold and, of a split with several paths, those of each path."""
    for fold in report.metrics.folds:
        yield from (LoggedMetric(f"fold/{name}", value, fold.fold) for name, value in fold.values.items())
    for path in report.metrics.paths or []:
        yield from (LoggedMetric(f"path/{name}", value, path.path) for name, value in path.values.items())
    for traded in (report.performance and report.performance.paths) or []:
        yield LoggedMetric("path/net", traded.net_pnl, traded.path)


def _list_counts(report: Report) -> Iterator[LoggedMetric]:
    yield LoggedMetric("rows", float(report.predictions.rows))
    yield LoggedMetric(FOLDS, float(len(report.folds)))
    yield LoggedMetric(TRIALS, float(sum(len(tuned.trials) for tuned in report.tuning)))
    yield LoggedMetric("seconds", sum(report.runtime.seconds.values()))


def _list_estimate(name: str, estimate: Estimate) -> Iterator[LoggedMetric]:
    yield LoggedMetric(name, estimate.value)
    yield LoggedMetric(f"{name}_low", estimate.low)
    yield LoggedMetric(f"{name}_high", estimate.high)
