"""Write results by stratum and by horizon as Markdown tables."""

from ofiml.evaluation.decay import HorizonScore
from ofiml.evaluation.impact import ImpactScore
from ofiml.evaluation.strata import StratumScore
from ofiml.reporting.impact import WINDOWS, list_impact_rows
from ofiml.study.report import Report
from ofiml.ui.format import DASH, choose_money_form, format_interval, format_markdown_table, format_number

#: The columns of `list_strata_rows` and of `list_decay_rows`.
STRATA = ("kind", "stratum", "rows", "IC", "interval", "rank IC", "R²", "hit rate", "net P&L")
DECAY = ("horizon", "rows", "IC", "interval", "rank IC", "IC of the new part", "its interval")


def write_tables(report: Report) -> str:
    """Write the results by stratum and, for a forecast, by horizon, each under a heading."""
    level = f"{report.metrics.bootstrap.level:.0%}"
    money = f"; net P&L in {report.performance.currency}" if report.performance else ""
    strata = format_markdown_table(STRATA, list_strata_rows(report.strata))
    parts = [f"## By stratum\n\nOut of sample; intervals {level}{money}.\n\n{strata}"]
    if report.decay:
        parts.append(
            f"## By horizon\n\nThe same forecasts against the move over each horizon. "
            f"The new part is the move since the horizon in the row above.\n\n"
            f"{format_markdown_table(DECAY, list_decay_rows(report.decay))}"
        )
    if isinstance(report.impact, ImpactScore) and report.impact.windows:
        rows = format_markdown_table(WINDOWS, list_impact_rows(report.impact.windows))
        parts.append(f"## By half hour\n\nIn sample; slopes β in ticks per 1,000 lots, depth in lots.\n\n{rows}")
    return "\n\n".join(parts) + "\n"


def list_strata_rows(strata: list[StratumScore]) -> list[list[str]]:
    """List one row of cells per stratum; net P&L in the currency of the backtest, a dash without one."""
    form = choose_money_form(s.net_pnl for s in strata if s.net_pnl is not None)
    return [
        [
            s.kind.replace("_", " "),
            s.stratum,
            f"{s.rows:,}",
            format_number(s.ic),
            format_interval(s.low, s.high),
            format_number(s.rank_ic),
            format_number(s.r2, ".4f"),
            format_number(s.hit_rate),
            DASH if s.net_pnl is None else format(s.net_pnl, form),
        ]
        for s in strata
    ]


def list_decay_rows(decay: list[HorizonScore]) -> list[list[str]]:
    """List one row of cells per horizon."""
    return [
        [
            d.horizon,
            f"{d.rows:,}",
            format_number(d.ic),
            format_interval(d.low, d.high),
            format_number(d.rank_ic),
            format_number(d.new_ic),
            format_interval(d.new_low, d.new_high),
        ]
        for d in decay
    ]
