"""The document of a study: report.html."""

from collections.abc import Callable, Iterable, Mapping

from markupsafe import Markup
from matplotlib.figure import Figure

from ofiml.config import resolve_config
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Measure
from ofiml.reporting.captions import CAPTIONS
from ofiml.reporting.controls import NAMES, describe_controls, describe_leak_check
from ofiml.reporting.html import blocks
from ofiml.reporting.html.blocks import Block, Document, KeyFigure, Section, Sentences
from ofiml.reporting.html.data import describe_data, describe_folds
from ofiml.reporting.html.origin import describe_config, describe_provenance, describe_repetition, read_code
from ofiml.reporting.html.profit import describe_costs
from ofiml.reporting.html.render import render_document
from ofiml.reporting.html.skill import (
    describe_importance,
    describe_skill,
    describe_strata,
    describe_tuning,
    describe_windows,
)
from ofiml.reporting.html.svg import write_inline_svg
from ofiml.reporting.names import MEASURES
from ofiml.reporting.profit import describe_backtest, describe_survival
from ofiml.reporting.sentences import write_findings
from ofiml.reporting.verdict import write_title
from ofiml.study.report import Report
from ofiml.study.run import Study
from ofiml.ui.format import choose_money_form, format_interval, format_number

#: The figures of each section, in order.
FIGURES = {
    "skill": ("predicted_realised", "impact", "controls", "reliability"),
    "strata": ("strata", "folds", "decay"),
    "folds": ("splits", "signal"),
    "importance": ("importance", "families", "stability", "permutation", "interactions", "weights"),
    "tuning": ("tuning_history", "tuning_importance", "tuning_slices"),
    "costs": (
        *("equity", "cost_grid", "latency_curve", "capacity", "markouts", "queue_bracket"),
        *("profit_by_time", "trades"),
    ),
}


def write_report(
    study: Study, figures: Mapping[str, Figure], run_id: str | None, finish_figures: Callable[[], None] = lambda: None
) -> str:
    """Write the document of a study with its `figures`, by file name. `run_id` is its MLflow run, None without one.

    `finish_figures` is called when all figures are drawn; what it adds to the runtime of the report is shown.
    """
    report, code = study.report, read_code()
    title = write_title(study)
    drawn = {name.partition(".")[0]: figure for name, figure in figures.items()}
    shown = {name: blocks.Figure(_write_svg(figure, name, title), CAPTIONS[name]) for name, figure in drawn.items()}
    finish_figures()

    def show(section: str) -> list[Block]:
        return [shown[name] for name in FIGURES[section] if name in shown]

    findings = write_findings(study)
    quantile = study.config.model.of_quantile
    sections: list[tuple[str, str, list[Block]]] = [
        ("findings", "Findings", [Sentences(_leave_out(findings[1:], report), listed=True)]),
        (
            "skill",
            "Skill and controls",
            [*describe_skill(report, quantile=quantile), *show("skill"), *describe_windows(report)],
        ),
        ("strata", "By stratum and horizon", [*show("strata"), *describe_strata(report)]),
        ("costs", "Costs and execution", _describe_trading(study, show("costs"))),
        ("importance", "Importance", [*show("importance"), *describe_importance(report)]),
        ("tuning", "Tuning", [*describe_tuning(report), *show("tuning")]),
        ("data", "Data quality", describe_data(report)),
        ("folds", "Folds", [*describe_folds(report), *show("folds")]),
        ("config", "Settings", describe_config(resolve_config(study.config))),
        ("provenance", "Provenance", describe_provenance(report, code)),
        ("reproduce", "How to reproduce", describe_repetition(report, code, run_id)),
    ]
    return render_document(
        Document(
            title=title,
            context="Report of a study" + (f" · MLflow run {run_id}" if run_id else ""),
            verdict=_write_verdict(findings[0], report),
            key_figures=_list_key_figures(report, quantile),
            warnings=_list_warnings(findings, report),
            sections=[Section(anchor, heading, parts) for anchor, heading, parts in sections if parts],
        )
    )


def _write_svg(figure: Figure, name: str, title: str) -> Markup:
    titles = [text for axis in figure.axes for text in (axis.get_title(), axis.get_title(loc="left")) if text]
    return write_inline_svg(figure, name, " ".join((titles or [name])[0].split()), title)


def _write_verdict(finding: str, report: Report) -> str:
    """Join the finding and whether it survives costs."""
    survival = describe_survival(report.performance, report.metrics) if report.performance else ""
    return finding if survival in finding else f"{finding} {survival}"


def _list_warnings(findings: Iterable[str], report: Report) -> list[str]:
    own = [line for line in findings if line.startswith("Warning:")]
    return [line.removeprefix("Warning: ") for line in own] + [f"{warning}." for warning in report.dataset.warnings]


def _leave_out(findings: Iterable[str], report: Report) -> list[str]:
    """Leave out the warnings, and what another section says."""
    elsewhere = {*describe_controls(report.controls), *describe_leak_check(report.leak_check)}
    if report.performance is not None:
        elsewhere |= set(describe_backtest(report.performance, report.metrics))
    return [line for line in findings if line not in elsewhere and not line.startswith("Warning:")]


def _describe_trading(study: Study, figures: list[Block]) -> list[Block]:
    report = study.report
    if report.performance is not None:
        return [*describe_costs(report.performance, report.metrics), *figures]
    if report.kind == "impact":
        return []  # the move of the same bar cannot be traded
    return [Sentences(["The forecasts were not traded (backtest=off)."])]


# --- key figures -----------------------------------------------------------------------------------------------------


def _list_key_figures(report: Report, quantile: float | None) -> list[KeyFigure]:
    """List the few numbers to read first: the skill, its gain over the best control, and what is left after costs."""
    if quantile is not None:
        return [_show_measure(report, "coverage"), _show_measure(report, "pinball")]
    of_skill = [_show_measure(report, "ic"), *_show_gain(report)]
    backtest = report.performance
    if backtest is None or not backtest.fills:
        third: Measure = "hit_rate" if "auc" in report.metrics.pooled else "rank_ic"
        return [*of_skill, _show_measure(report, "r2"), _show_measure(report, third)]
    trips = backtest.trades.round_trips
    beside = f"in {trips:,.0f} round trip{'' if trips == 1 else 's'}"
    net = format_number(backtest.net_pnl, choose_money_form([backtest.net_pnl]))
    break_even = format_number(backtest.break_even_bps, ",.3f")
    return [
        *of_skill,
        KeyFigure(f"net profit ({backtest.currency})", net, beside),
        KeyFigure("break-even costs", break_even, "bps of the traded value"),
    ]


def _show_measure(report: Report, name: Measure) -> KeyFigure:
    m = report.metrics.pooled[name]
    form = ".3f" if name in ("ic", "rank_ic", "hit_rate", "coverage") else ".4f"
    interval = _show_interval(m, report, form)
    return KeyFigure(f"{MEASURES[name]}, out of sample", format_number(m.value, form), interval)


def _show_gain(report: Report) -> list[KeyFigure]:
    """Show the gain in IC over the control that is hardest to beat."""
    gains = {name: c.above.ic for name, c in (report.controls or {}).items() if c.above.ic.value == c.above.ic.value}
    if not gains:
        return []
    best = min(gains, key=lambda name: gains[name].value)
    name, interval = f"gain in IC over the best control, {NAMES[best]}", _show_interval(gains[best], report, ".3f")
    return [KeyFigure(name, format_number(gains[best].value), interval)]


def _show_interval(estimate: Estimate, report: Report, form: str) -> str:
    if estimate.low != estimate.low:
        return "too few blocks for an interval"
    return f"{format_interval(estimate.low, estimate.high, form)} ({report.metrics.bootstrap.level:.0%})"
