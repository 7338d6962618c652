"""The sections on the skill of a study: measures, controls, strata, horizons, importance, tuning."""

from ofiml.evaluation.impact import ImpactScore
from ofiml.reporting.controls import NAMES, describe_controls, describe_leak_check
from ofiml.reporting.html.blocks import Block, Sentences, Table
from ofiml.reporting.html.data import fold_long
from ofiml.reporting.impact import WINDOWS, list_impact_rows
from ofiml.reporting.names import MEASURES, name_parameter
from ofiml.reporting.tables import DECAY, STRATA, list_decay_rows, list_strata_rows
from ofiml.study.report import Report
from ofiml.ui.format import (
    DASH,
    choose_money_form,
    format_estimate,
    format_interval,
    format_number,
    format_p,
    format_range,
)

_MAX_FEATURES = 20  # in the table of importance


def describe_skill(report: Report, *, quantile: float | None) -> list[Block]:
    """Describe the measures with intervals, the symbols and paths, the seeds, and the controls."""
    return [
        _tabulate_measures(report),
        *_tabulate_symbols(report),
        *_tabulate_paths(report),
        *_tabulate_seeds(report),
        *_tabulate_controls(report, quantile),
        Sentences(describe_leak_check(report.leak_check)),
    ]


def _tabulate_measures(report: Report) -> Table:
    scores = report.metrics
    level = f"{scores.bootstrap.level:.0%}"
    rows = [
        [
            MEASURES[name],
            format_number(m.value, ".4f"),
            format_interval(m.low, m.high, ".4f"),
            format_range([fold.values[name] for fold in scores.folds], ".3f"),
        ]
        for name, m in scores.pooled.items()
    ]
    return Table(
        "Measures of the predictions, out of sample (without unit)",
        ["measure", "all rows", f"{level} interval", "lowest to highest fold"],
        rows,
        note=f"Intervals from {scores.bootstrap.samples:,} draws of {scores.bootstrap.blocks:,} blocks of time.",
    )


def _tabulate_symbols(report: Report) -> list[Block]:
    symbols = report.metrics.symbols
    if symbols is None:
        return []
    rows = [
        [
            s.symbol,
            f"{s.rows:,}",
            format_number(s.ic),
            format_interval(s.low, s.high),
            format_number(s.t, ".1f"),
            format_p(s.p),
            format_p(s.q),
        ]
        for s in symbols
    ]
    columns = ["symbol", "rows", "IC", "interval", "HAC t", "p", "q"]
    note = "q is the false-discovery rate at which the symbol counts as a discovery (Benjamini-Hochberg)."
    return [fold_long(Table("IC by symbol (without unit)", columns, rows, note=note))]


def _tabulate_paths(report: Report) -> list[Block]:
    paths = report.metrics.paths
    if not paths:
        return []
    traded = {p.path: p for p in (report.performance.paths or [])} if report.performance else {}
    form = choose_money_form(p.net_pnl for p in traded.values())
    rows = []
    for one in paths:
        row = [str(one.path), f"{one.rows:,}", format_number(one.values["ic"]), format_number(one.values["r2"], ".4f")]
        if traded:
            of = traded[one.path]
            row += [format_number(of.net_pnl, form), format_number(of.sharpe_net, ".2f"), f"{of.fills:,}"]
        rows.append(row)
    money = f", net P&L in {report.performance.currency}" if report.performance and traded else ""
    columns = ["path", "rows", "IC", "R²", *(["net P&L", "net Sharpe ratio", "fills"] if traded else [])]
    return [fold_long(Table(f"Paths: histories that test every bar once{money}", columns, rows))]


def _tabulate_seeds(report: Report) -> list[Block]:
    if report.seeds is None or len(report.seeds.runs) < 2:
        return []
    rows = [
        [MEASURES[name], *(format_number(n, ".4f") for n in (m.mean, m.sd, m.min, m.max))]
        for name, m in report.seeds.measures.items()
    ]
    heading = f"The same model with {len(report.seeds.runs)} seeds (without unit)"
    return [Table(heading, ["measure", "mean", "standard deviation", "lowest", "highest"], rows)]


def _tabulate_controls(report: Report, quantile: float | None) -> list[Block]:
    if report.controls is None:
        return [Sentences(["Controls switched off (evaluation.controls=false)."])]
    rows = [
        [
            NAMES[name],
            f"{c.rows:,}",
            format_number(c.ic),
            format_interval(c.ic_low, c.ic_high),
            format_number(c.above.ic.value),
            format_interval(c.above.ic.low, c.above.ic.high),
            format_number(c.above.r2.value, ".4f"),
        ]
        for name, c in report.controls.items()
    ]
    columns = ["control", "rows", "IC", "interval", "gain in IC", "interval", "gain in R²"]
    note = "Gain: the measure of the model less that of the control, on the same rows."
    zero = report.controls["zero"].above.r2
    sentence = f"Gain in R² over a zero forecast: {format_estimate(zero.value, zero.low, zero.high, '.4f')}."
    comparison = describe_controls(report.controls)[0].partition(". ")[2]
    return [
        Table("The model against its controls (without unit)", columns, rows, note=note),
        *([Sentences([f"{sentence} {comparison}".strip()])] if quantile is None else []),
    ]


def describe_windows(report: Report) -> list[Block]:
    """Describe a price impact by half hour."""
    if not isinstance(report.impact, ImpactScore) or not report.impact.windows:
        return []
    note = (
        "β in ticks per 1,000 lots, depth at the best prices in lots. Trades: what buyers less what sellers took. The "
        "t-statistics allow for autocorrelation and unequal variances."
    )
    rows = list_impact_rows(report.impact.windows)
    return [
        fold_long(Table("The move of the mid on best-level flow, by half hour, in sample", WINDOWS, rows, note=note))
    ]


def describe_strata(report: Report) -> list[Block]:
    """Describe the scores by stratum and, for a forecast, by horizon."""
    traded = any(s.net_pnl is not None for s in report.strata)
    shown = len(STRATA) - (not traded)  # the last column is the net P&L
    columns, strata = STRATA[:shown], [row[:shown] for row in list_strata_rows(report.strata)]
    money = f"; net P&L in {report.performance.currency}" if traded and report.performance else ""
    blocks = [fold_long(Table(f"Scores by stratum, out of sample{money}", columns, strata, labels=2))]
    if report.decay:
        note = "The new part is the move since the horizon in the row above."
        blocks.append(
            Table(
                "The same forecasts over other horizons (without unit)", DECAY, list_decay_rows(report.decay), note=note
            )
        )
    return blocks


def describe_importance(report: Report) -> list[Block]:
    """Describe the features by SHAP value, with their permutation importance where it was computed."""
    permuted = {p.feature: p for p in report.explained.permutation.features} if report.explained.permutation else {}
    rows = []
    for one in report.importance[:_MAX_FEATURES]:
        row = [one.feature, format_number(one.mean_abs_shap, ".4g"), f"{one.rank_low} to {one.rank_high}"]
        if permuted:
            drop = permuted.get(one.feature)
            row += (
                [DASH, DASH]
                if drop is None
                else [format_number(drop.drop_r2, ".4f"), format_number(drop.drop_ic, ".4f")]
            )
        rows.append(row)
    columns = ["feature", "mean |SHAP|", "rank in the folds", *(["drop in R²", "drop in IC"] if permuted else [])]
    more = len(report.importance) - len(rows)
    note = f"{more} more features have smaller values." if more > 0 else ""
    if permuted:
        drops = f"Drops are those of the score when one of the {len(permuted)} largest features is permuted."
        note = f"{drops} {note}".strip()
    heading = "Features by mean |SHAP| of the raw score, out of sample"
    return [fold_long(Table(heading, columns, rows, note=note))]


def describe_tuning(report: Report) -> list[Block]:
    """Describe the best parameters of each fold; nothing without tuning."""
    if not report.tuning:
        return []
    names = list(report.tuning[0].best)
    rows = []
    for fold in report.tuning:
        states = [t.state for t in fold.trials]
        best = max((t.score for t in fold.trials if t.score is not None), default=float("nan"))
        counts = [f"{states.count(state):,}" for state in ("complete", "pruned", "failed")]
        rows.append([str(fold.fold), *(f"{fold.best[n]:.4g}" for n in names), format_number(best, ".4f"), *counts])
    columns = ["fold", *map(name_parameter, names), "best score", "complete", "pruned", "failed"]
    note = "The score is the mean over inner folds of the train rows; no test row is used. Trials are counts."
    return [Table("Best parameters of each fold, and its trials", columns, rows, note=note)]
