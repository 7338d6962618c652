"""The parts of a study's results as Markdown: by stratum and by horizon."""

import math
from typing import Any

from ofiml.study.report import Report

_STRATA = ("kind", "stratum", "rows", "IC", "interval", "rank IC", "R²", "hit rate", "net P&L")
_DECAY = ("horizon", "rows", "IC", "interval", "rank IC", "IC of the new part", "its interval")


def markdown(report: Report) -> str:
    """`strata` and `decay` of the report."""
    level = f"{report.metrics['bootstrap']['level']:.0%}"
    parts = [f"## By stratum\n\nOut of sample; intervals {level}.\n\n{strata_table(report.strata)}"]
    if report.decay:
        rows = [
            [
                d["horizon"],
                f"{d['rows']:,}",
                number(d["ic"]),
                between(d["low"], d["high"]),
                number(d["rank_ic"]),
                number(d["new_ic"]),
                between(d["new_low"], d["new_high"]),
            ]
            for d in report.decay
        ]
        parts.append(
            f"## By horizon\n\nThe same forecasts; the new part is the move since the horizon above.\n\n"
            f"{_table(_DECAY, rows)}"
        )
    return "\n\n".join(parts) + "\n"


def strata_table(strata: list[dict[str, Any]]) -> str:
    """A row a stratum; net P&L in currency."""
    rows = [
        [
            s["kind"].replace("_", " "),
            s["stratum"],
            f"{s['rows']:,}",
            number(s["ic"]),
            between(s["low"], s["high"]),
            number(s["rank_ic"]),
            number(s["r2"], 4),
            number(s["hit_rate"]),
            "–" if s["net_pnl"] is None else f"{s['net_pnl']:,.2f}",
        ]
        for s in strata
    ]
    return _table(_STRATA, rows)


def number(value: float, digits: int = 3) -> str:
    """A dash for what is not defined."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def between(low: float, high: float) -> str:
    """An interval."""
    return "–" if math.isnan(low) else f"{low:.3f} … {high:.3f}"


def _table(header: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
