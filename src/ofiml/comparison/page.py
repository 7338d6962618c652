"""A comparison in words, tables and a figure."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ofiml.comparison.groups import safe
from ofiml.comparison.trials import Trials
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.ui.figure import BLUE, GREY, styled

NAMES = {"ic": "IC", "r2": "R²", "sharpe": "Sharpe"}

LEGEND = (
    "IC, R², net and the annualised Sharpe are each run's own; DSR is its deflated Sharpe ratio; common is the measure "
    "of a bar over the times that all have, t its HAC statistic, p that of Diebold-Mariano against the best, set "
    "whether the run is in the model confidence set."
)
_MOST_PAIRS = 12  # runs that a matrix has room for


def header(group: dict[str, Any]) -> list[str]:
    measure = NAMES[group["measure"]]
    money = ["net", "Sharpe", "DSR"] if group["kind"] == "forecast" else []
    return ["run", "model", "inputs", "IC", "interval", "R²", *money, f"common {measure}", "t", "p", "set"]


def lines(group: dict[str, Any]) -> list[list[str]]:
    """A line a run, as `header` names it."""
    out = []
    for row in group["runs"]:
        money = [_number(row["net"], 2), _number(row["sharpe_annual"], 1), _number(row["dsr"], 3)]
        more = f" (×{row['repeated'] + 1})" if row["repeated"] else ""
        out.append(
            [
                f"{row['run'][:8]}{more}",
                safe(row["model"]),
                safe(row["ofi"] if row["features"] in ("", "ofi_only") else f"{row['ofi']} + {row['features']}"),
                _number(row["ic"], 3),
                f"{_number(row['ic_low'], 3)} … {_number(row['ic_high'], 3)}",
                _number(row["r2"], 4),
                *(money if group["kind"] == "forecast" else []),
                _number(row["value"], 4),
                _number(row["t"], 1),
                _p(row["p_best"]),
                "–" if row["in_set"] is None else "in" if row["in_set"] else "out",
            ]
        )
    return out


def sentences(group: dict[str, Any]) -> list[str]:
    """What may be said of all runs of the group."""
    tests, measure, out = group["tests"], NAMES[group["measure"]], []
    if tests is None:
        out.append(f"No tests of the {measure}: not enough times are common to these runs, or one has no backtest.")
    else:
        than = f"beats {tests['benchmark'][:8]}" if tests["benchmark"] else "is better than nothing"
        members = sum(bool(row["in_set"]) for row in group["runs"])
        out.append(
            f"By {measure} over {tests['times']:,} common times, labels reaching {tests['overlap']} on, "
            f"{tests['blocks']} blocks of about {tests['block']}: that no run {than} has p {_p(tests['spa'])} (SPA; "
            f"reality check {_p(tests['reality_check'])}); the {1 - tests['level']:.0%} model confidence set holds "
            f"{members} of {len(group['runs'])}."
        )
        if tests["blocks"] < MIN_BLOCKS:
            out.append(
                f"SPA and reality check need {MIN_BLOCKS} blocks: more sessions, or a shorter evaluation.block_length."
            )
        if tests["pbo"]["combinations"]:
            out.append(
                f"Probability of backtest overfitting {tests['pbo']['pbo']:.2f}: how often the best of one half of the "
                f"time is below the middle in the other ({tests['pbo']['combinations']:,} ways to halve it). It sees "
                "these finished runs alone, not the trials that each was tuned by, which the deflated Sharpe counts."
            )
    best = max((row for row in group["runs"] if row["dsr"] == row["dsr"]), key=lambda row: row["dsr"], default=None)
    if best is not None:
        out.append(
            f"The best Sharpe ratio, of {best['run'][:8]}, is {best['sharpe_block']:.3f} a block ({best['blocks']} "
            f"blocks); luck alone brings the best of so many trials to {best['luck']:.3f}; it exceeds that with "
            f"probability {best['dsr']:.3f} (deflated Sharpe)."
        )
    return out + [f"Left out: {safe_sentence(reason)}" for reason in group["left_out"]]


def safe_sentence(text: str) -> str:
    """A message that may quote a stranger, on one line."""
    return " ".join(safe(word) for word in text.split())


def show(groups: list[dict[str, Any]], trials: Trials, console: Console) -> None:
    for group in groups:
        console.print(Text(group["heading"], style="bold"), soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for name in header(group):
            table.add_column(name, justify="left" if len(table.columns) < 3 else "right", no_wrap=True)
        console.width = max(console.width, 116)
        for line in lines(group):
            table.add_row(*(Text(cell) for cell in line))
        console.print(table)
        for sentence in sentences(group):
            console.print(Text(sentence), soft_wrap=True)
        console.print()
    console.print(Text(LEGEND), soft_wrap=True)
    console.print(Text(trials.words()), soft_wrap=True)


def markdown(experiment: str, groups: list[dict[str, Any]], trials: Trials) -> str:
    out = [f"# Runs of {safe(experiment)}", "", trials.words(), "", LEGEND, ""]
    for group in groups:
        out += [f"## {group['heading']}", "", *_table(header(group), lines(group)), ""]
        out += [f"- {sentence}" for sentence in sentences(group)] + [""]
        if group["tests"] and 1 < len(group["runs"]) <= _MOST_PAIRS:
            ids = [row["run"][:8] for row in group["runs"]]
            rows = [[ids[i], *(_p(p) for p in pairs)] for i, pairs in enumerate(group["tests"]["pairs"])]
            out += ["Diebold-Mariano, two-sided p that two runs are equally good:", "", *_table(["", *ids], rows), ""]
    return "\n".join(out)


def figure(groups: list[dict[str, Any]]) -> Figure:
    """Each run's measure over the common times with its 95 % interval (HAC t); filled: in the model confidence set."""
    tested = [group for group in groups if group["tests"]]

    def draw(canvas: Figure) -> None:
        heights = [len(group["runs"]) + 1 for group in tested]
        canvas.set_size_inches(9, max(3.0, 0.45 * sum(heights) + 1.2 * len(tested)))
        panels = np.atleast_1d(canvas.subplots(len(tested), 1, height_ratios=heights))
        for axis, group in zip(panels, tested, strict=True):
            for place, row in enumerate(reversed(group["runs"])):
                axis.errorbar(
                    row["value"],
                    place,
                    xerr=None if row["error"] != row["error"] else row["error"],
                    fmt="o",
                    color=BLUE,
                    markerfacecolor=BLUE if row["in_set"] else "white",
                    capsize=3,
                )
            names = [f"{row['run'][:8]}  {safe(row['model'])}, {safe(row['ofi'])}" for row in reversed(group["runs"])]
            axis.set_yticks(range(len(names)), names, fontsize=8)
            axis.set_ylim(-0.7, len(names) - 0.3)
            axis.axvline(0, color=GREY, linewidth=0.8)
            per = " of a bar" if group["measure"] == "sharpe" else ""
            axis.set_xlabel(f"{NAMES[group['measure']]}{per} over {group['tests']['times']:,} common times, 95 % (HAC)")
            axis.set_title(group["heading"].partition(";")[0] + "; filled: in the model confidence set", fontsize=9)

    return styled(draw, legend_columns=1)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else _number(value, 3)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def _number(value: float, digits: int) -> str:
    return "–" if value != value else f"{value:,.{digits}f}"
