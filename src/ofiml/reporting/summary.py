"""The result of a study in a few words, for a line of a sweep."""

from ofiml.study.report import Report
from ofiml.ui.format import choose_money_form, format_estimate, format_number


def explain_failure(report: Report) -> str | None:
    """Say why a report has no result that could be ranked; None if it has one."""
    ic = report.metrics.pooled["ic"].value
    return "its IC is not a number: the predictions do not vary." if ic != ic else None


def summarise_report(report: Report) -> str:
    """Summarise a report as its IC with the interval and its net profit, such as `IC 0.052 (0.031 … 0.074), net …`."""
    ic = report.metrics.pooled["ic"]
    words = [f"IC {format_estimate(ic.value, ic.low, ic.high)}"]
    if report.kind == "impact":
        words.append(f"R² {format_number(report.metrics.pooled['r2'].value, '.3f')}")
    backtest = report.performance
    if backtest is not None:
        words.append(
            f"net {format_number(backtest.net_pnl, choose_money_form([backtest.net_pnl]))} {backtest.currency}"
        )
    return ", ".join(words)
