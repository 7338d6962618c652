"""The numbers of a report that MLflow compares across runs, as metrics."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

from ofiml._typing import TrialState
from ofiml.metrics.estimates import Spread
from ofiml.study.report import Report, TuningReport
from ofiml.validation.controls import Control, ControlName

FOLDS = "folds"  # the metric of the number of folds

_STATES: tuple[TrialState, ...] = ("complete", "pruned", "failed")


class LoggedMetric(NamedTuple):
    """A metric of MLflow. Its `step` is the fold, path, seed or window that it belongs to, or 0."""

    name: str
    value: float
    step: int = 0


def list_metrics(report: Report) -> list[LoggedMetric]:
    """List every metric of a study; undefined metrics are NaN."""
    return [
        *_list_score_metrics(report),
        *_list_backtest_metrics(report),
        *_list_tuning_metrics(report.tuning),
        *_list_seed_metrics(report),
        *list_control_metrics(report.controls),
        *_list_strata_metrics(report),
        *_list_importance_metrics(report),
        *_list_data_metrics(report),
    ]


def list_control_metrics(controls: Mapping[ControlName, Control] | None) -> Iterator[LoggedMetric]:
    """List the measures of each control, and the gain of the model over it."""
    for name, control in (controls or {}).items():
        yield from _list_field_metrics(control, f"control/{name}/", ("r2", "ic", "rank_ic", "hit_rate", "rows"))
        for measure, d in (("ic", control.above.ic), ("r2", control.above.r2)):
            for end, value in (("", d.value), ("_low", d.low), ("_high", d.high)):
                yield LoggedMetric(f"control/{name}/above_{measure}{end}", value)


def _list_score_metrics(report: Report) -> Iterator[LoggedMetric]:
    scores = report.metrics
    for name, m in scores.pooled.items():
        yield LoggedMetric(f"pooled/{name}", m.value)
        yield LoggedMetric(f"pooled/{name}_low", m.low)
        yield LoggedMetric(f"pooled/{name}_high", m.high)
    yield LoggedMetric("hac/slope", scores.hac.slope.value)
    yield from _list_field_metrics(scores.hac.ic, "hac/ic_", ("t", "p"))
    yield from _list_field_metrics(scores.hac.slope, "hac/slope_", ("t", "p"))
    for symbol in scores.symbols or []:
        yield from _list_field_metrics(symbol, f"symbol/{symbol.symbol}/", ("ic", "q"))
    for fold in scores.folds:
        yield from (LoggedMetric(f"fold/{name}", value, fold.fold) for name, value in fold.values.items())
    for path in scores.paths or []:
        yield from (LoggedMetric(f"path/{name}", value, path.path) for name, value in path.values.items())
    if scores.oracle:
        yield LoggedMetric("oracle/planted", float(scores.oracle.planted))
        yield from (LoggedMetric(f"oracle/{name}", value) for name, value in scores.oracle.values.items())
        yield from (LoggedMetric(f"oracle/share_{name}", value) for name, value in scores.oracle.shares.items())
    if report.impact:
        yield LoggedMetric("impact/r2_window_mean", report.impact.r2_window_mean)
        yield from (LoggedMetric("impact/r2_window", r2, i) for i, r2 in enumerate(report.impact.r2_windows))


def _list_backtest_metrics(report: Report) -> Iterator[LoggedMetric]:
    backtest = report.performance
    if backtest is None:
        return
    numbers = [f.name for f in fields(backtest) if isinstance(getattr(backtest, f.name), int | float)]
    yield from _list_field_metrics(backtest, "backtest/", numbers)
    for part in ("costs_by_kind", "orders", "trades", "profit_by_session", "executable", "skill_by_session"):
        record = getattr(backtest, part)
        yield from _list_field_metrics(record, f"backtest/{part}/", [f.name for f in fields(record)])
    if backtest.concentration is not None:
        names = [f.name for f in fields(backtest.concentration) if f.name != "best_day"]
        yield from _list_field_metrics(backtest.concentration, "backtest/concentration/", names)
    for kind, variants in (("latency", backtest.latency_curve), ("size", backtest.sizes), ("queue", backtest.queues)):
        yield from (LoggedMetric(f"backtest/net_by_{kind}/{v.name}", v.net_pnl) for v in variants)
    for markout in backtest.markouts:
        yield from _list_field_metrics(markout, f"backtest/markout/{markout.horizon}_", ("taker", "maker"))
    for path in backtest.paths or []:
        names = [f.name for f in fields(path) if f.name != "path"]
        yield from _list_field_metrics(path, "path/backtest/", names, path.path)
    if backtest.spread:
        for f in fields(backtest.spread):
            yield from _list_spread_metrics(f"paths/{f.name}", getattr(backtest.spread, f.name))


def _list_tuning_metrics(tuning: list[TuningReport]) -> Iterator[LoggedMetric]:
    yield LoggedMetric("tuning/trials", float(sum(len(tuned.trials) for tuned in tuning)))
    for tuned in tuning:
        yield from (LoggedMetric(f"tuned/{name}", float(value), tuned.fold) for name, value in tuned.best.items())
        for state in _STATES:
            count = sum(trial.state == state for trial in tuned.trials)
            yield LoggedMetric(f"tuning/{state}", float(count), tuned.fold)


def _list_seed_metrics(report: Report) -> Iterator[LoggedMetric]:
    if report.seeds is None:
        return
    for i, run in enumerate(report.seeds.runs):
        yield from (LoggedMetric(f"seed/{name}", value, i) for name, value in run.values.items())
    for name, spread in report.seeds.measures.items():
        yield from _list_spread_metrics(f"seeds/{name}", spread)


def _list_strata_metrics(report: Report) -> Iterator[LoggedMetric]:
    for stratum in report.strata:
        if stratum.kind not in ("fold", "session"):
            name = re.sub(r"[^\w. -]", "_", stratum.stratum)
            yield LoggedMetric(f"strata/{stratum.kind}/{name}/ic", stratum.ic)
    for horizon in report.decay or []:
        yield LoggedMetric(f"decay/{horizon.multiple:g}", horizon.ic)
    for event, curve in (report.reliability or {}).items():
        names = [f.name for f in fields(curve) if f.name not in ("rows", "curve")]
        yield from _list_field_metrics(curve, f"reliability/{event}/", names)


def _list_importance_metrics(report: Report) -> Iterator[LoggedMetric]:
    use = report.explained
    yield from (LoggedMetric(f"family/{family.family}/share", family.share) for family in use.families)
    if use.permutation:
        yield LoggedMetric("permutation/agreement", use.permutation.agreement)
        for feature in use.permutation.features:
            yield LoggedMetric(f"permutation/{feature.feature}/drop_r2", feature.drop_r2)
    yield LoggedMetric("importance/stability", report.importance_stability)


def _list_data_metrics(report: Report) -> Iterator[LoggedMetric]:
    for fate, counts in (("dropped", report.dataset.dropped), ("kept", report.dataset.kept)):
        yield from (LoggedMetric(f"dataset/{fate}/{cause}", float(count)) for cause, count in counts.items())
    yield LoggedMetric("dataset/events", float(report.dataset.events))
    yield LoggedMetric("dataset/rows", float(report.rows.used))
    yield from (LoggedMetric(f"seconds/{stage}", value) for stage, value in report.runtime.seconds.items())


def _list_spread_metrics(name: str, spread: Spread) -> Iterator[LoggedMetric]:
    yield from _list_field_metrics(spread, f"{name}_", ("mean", "sd", "min", "max"))


def _list_field_metrics(record: object, prefix: str, names: Iterable[str], step: int = 0) -> Iterator[LoggedMetric]:
    """Yield the fields `names` of a record as metrics."""
    yield from (LoggedMetric(f"{prefix}{name}", float(getattr(record, name)), step) for name in names)
