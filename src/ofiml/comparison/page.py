"""Write a comparison as sentences, tables and a figure."""

import re

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ofiml.comparison.groups import sanitise
from ofiml.comparison.trials import Trials
from ofiml.comparison.verdicts import MIN_TIMES, ComparedGroup
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.ui.figure import BLUE, GREY, style_figure
from ofiml.ui.format import DASH, format_interval, format_markdown_table, format_number, format_p

NAMES = {"ic": "IC", "r2": "R²", "sharpe": "Sharpe"}

LEGEND = (
    "IC, interval, R², net P&L, annualised Sharpe ratio and DSR (deflated Sharpe ratio) are over each run's own bars. "
    "The other columns are over the times common to all runs: the measure (a Sharpe ratio per bar), its HAC "
    "t-statistic, the Diebold-Mariano p-value against the best run, and whether the run is in the model confidence set."
)
_MAX_PAIRED = 12  # a matrix of more runs is too wide
_CHOICES = "other choices"  # the column that a terminal wraps
_MAX_CHOICES = 6  # of one run
_MIN_CHOICES = 12  # characters of that column, which wraps; narrower if its cells are
_GAP = 2  # between columns
_PIPE_WIDTH = 10_000


def write_header(group: ComparedGroup) -> list[str]:
    """Write the column names of `write_rows`; only forecasts have P&L columns, with the currency if all have one."""
    measure, currencies = NAMES[group.measure], _list_currencies(group)
    net = f"net ({currencies[0]})" if len(currencies) == 1 and currencies[0] else "net"
    money = [net, "Sharpe", "DSR"] if group.kind == "forecast" else []
    choices = [_CHOICES] if any(run.choices for run in group.runs) else []
    return ["run", "model", "inputs", *choices, "IC", "interval", "R²", *money, f"common {measure}", "t", "p", "set"]


def write_rows(group: ComparedGroup) -> list[list[str]]:
    """Write one row per run. With several currencies each net P&L has its own."""
    out, is_mixed = [], len(_list_currencies(group)) > 1
    for row in group.runs:
        currency = f" {sanitise(row.currency) or '?'}" if is_mixed and row.net == row.net else ""
        money = [
            format_number(row.net, ",.2f") + currency,
            format_number(row.sharpe_annual, ",.1f"),
            format_number(row.dsr, ",.3f"),
        ]
        repetitions = f" (×{row.repeated + 1})" if row.repeated else ""
        out.append(
            [
                f"{row.run[:8]}{repetitions}",
                sanitise(row.model),
                sanitise(row.ofi if row.features in ("", "ofi_only") else f"{row.ofi} + {row.features}"),
                *([_list_choices(row.choices)] if row.choices else []),
                format_number(row.ic, ",.3f"),
                format_interval(row.ic_low, row.ic_high),
                format_number(row.r2, ",.4f"),
                *(money if group.kind == "forecast" else []),
                format_number(row.value, ",.4f"),
                format_number(row.t, ",.1f"),
                format_p(row.p_best),
                DASH if row.in_set is None else "in" if row.in_set else "out",
            ]
        )
    return out


def _list_currencies(group: ComparedGroup) -> list[str]:
    """List the currencies of the runs that were traded; "" is one that a run does not name."""
    return sorted({sanitise(row.currency) for row in group.runs if row.net == row.net})


def _list_choices(choices: dict[str, str]) -> str:
    """List choices by the last part of their keys, as `split cpcv, n_folds 3`; the first few of many."""
    words = [f"{_name_param(name)} {_write_value(value)}" for name, value in choices.items()]
    more = f", {len(words) - _MAX_CHOICES} more" if len(words) > _MAX_CHOICES else ""
    return ", ".join(words[:_MAX_CHOICES]) + more


def _write_value(value: str) -> str:
    """Write a logged value without the marks of lists.

    >>> _write_value("['1s', '10s']"), _write_value("[]")
    ('1s, 10s', 'none')
    """
    return sanitise(re.sub(r"[][']", "", value)) or "none"


def _name_param(name: str) -> str:
    """Name a param by the last part of its key, a choice by its group.

    >>> _name_param("split.name"), _name_param("ofi.windows"), _name_param("seed")
    ('split', 'windows', 'seed')
    """
    group, _, key = name.rpartition(".")
    return sanitise(group if key == "name" else key)


def write_sentences(group: ComparedGroup) -> list[str]:
    """Write the test results of a group as sentences."""
    tests, measure, out = group.tests, NAMES[group.measure], []
    if len(group.runs) == 1:
        out.append("There is nothing to compare: the group has one run.")
    elif tests is None:
        missing = ", or one has no backtest" if group.measure == "sharpe" else ""
        out.append(f"No tests of the {measure}: the runs share fewer than {MIN_TIMES} times{missing}.")
    else:
        than = f"beats {tests.benchmark[:8]}" if tests.benchmark else "has skill"
        members = sum(bool(row.in_set) for row in group.runs)
        out.append(
            f"{measure} over {tests.times:,} common times (a label overlaps up to {tests.overlap} later times; "
            f"{tests.blocks} blocks of about {tests.block} times). p-value of the null hypothesis that no run {than}: "
            f"{format_p(tests.spa)} (SPA), {format_p(tests.reality_check)} (reality check). The "
            f"{1 - tests.level:.0%} model confidence set contains {members} of {len(group.runs)} runs."
        )
        if tests.blocks < MIN_BLOCKS:
            out.append(
                f"SPA and reality check need {MIN_BLOCKS} blocks: add sessions, or shorten evaluation.block_length."
            )
        if tests.pbo.combinations:
            out.append(
                f"Probability of backtest overfitting {tests.pbo.pbo:.2f}: how often the best run of one half of the "
                f"time ranks below the median in the other half ({tests.pbo.combinations:,} splits). It covers only "
                "these finished runs; the deflated Sharpe ratio also counts their tuning trials."
            )
    currencies = [name or "one not named" for name in _list_currencies(group)]
    if len(currencies) > 1:
        out.append(
            f"Net P&L is in several currencies ({', '.join(currencies)}) and cannot be compared. Sharpe ratios "
            "can: they have no currency."
        )
    best = max((row for row in group.runs if row.dsr == row.dsr), key=lambda row: row.dsr, default=None)
    if best is not None:
        out.append(
            f"Run {best.run[:8]} has the highest deflated Sharpe ratio, {best.dsr:.3f}: the probability that its true "
            f"Sharpe ratio exceeds {best.luck:.3f} per block, which the best of all trials would reach by chance. Its "
            f"own estimate is {best.sharpe_block:.3f} per block ({best.blocks} blocks)."
        )
    return out + [f"Left out: {sanitise_sentence(reason)}" for reason in group.left_out]


def sanitise_sentence(text: str) -> str:
    """Put a message that may quote untrusted text on one line, without markup or control characters."""
    return " ".join(sanitise(word) for word in text.split())


def show_page(groups: list[ComparedGroup], trials: Trials, console: Console) -> None:
    """Print each group as a table with sentences, then the number of trials.

    On a terminal that is too narrow, a table becomes several, each with the runs in its first column, and sentences
    wrap between words. In a pipe every row and sentence is one line.
    """
    whole = not console.is_terminal
    for group in groups:
        console.print(Text(group.heading, style="bold"), soft_wrap=whole)
        for table in _make_tables(write_header(group), write_rows(group), _PIPE_WIDTH if whole else console.width):
            width = Measurement.get(console, console.options.update(max_width=_PIPE_WIDTH), table)
            console.width = max(console.width, width.maximum if whole else width.minimum)
            console.print(table)
            if not whole:
                console.print()
        for sentence in write_sentences(group):
            console.print(Text(sentence), soft_wrap=whole)
        console.print()
    console.print(Text(LEGEND), soft_wrap=whole)
    console.print(Text(trials.describe()), soft_wrap=whole)


def _make_tables(header: list[str], rows: list[list[str]], limit: int) -> list[Table]:
    """Make one table of at most `limit` characters a line or, if it is wider, several with the runs in each.

    Skill ends the first of several; one that is still too wide is divided again.
    """
    widths = [_measure_column(name, [row[k] for row in rows]) for k, name in enumerate(header)]
    columns = list(range(len(header)))
    half = header.index("R²") + 1
    if _measure_line(columns, widths) <= limit:
        parts = [columns]
    else:
        parts = [part for place in (columns[1:half], columns[half:]) for part in _divide(place, widths, limit)]
    return [_make_table(header, rows, part) for part in parts]


def _divide(columns: list[int], widths: list[int], limit: int) -> list[list[int]]:
    """Divide columns into parts that fit beside the first one, each with at least one of them."""
    parts = [[0]]
    for column in columns:
        if len(parts[-1]) > 1 and _measure_line([*parts[-1], column], widths) > limit:
            parts.append([0])
        parts[-1].append(column)
    return parts


def _measure_column(name: str, cells: list[str]) -> int:
    """Measure the width of a column; that of choices wraps, down to its longest word."""
    if name == _CHOICES:
        words = [word for text in (name, *cells) for word in text.split()]
        return max(max(map(len, words)), min(_MIN_CHOICES, max(map(len, (name, *cells)))))
    return max(map(len, (name, *cells)))


def _measure_line(columns: list[int], widths: list[int]) -> int:
    return sum(widths[column] for column in columns) + _GAP * (len(columns) - 1)


def _make_table(header: list[str], rows: list[list[str]], columns: list[int]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in (header[column] for column in columns):
        text = name in ("run", "model", "inputs", _CHOICES)
        table.add_column(name, justify="left" if text else "right", no_wrap=name != _CHOICES)
    for row in rows:
        table.add_row(*(Text(row[column]) for column in columns))
    return table


def write_page(experiment: str, groups: list[ComparedGroup], trials: Trials) -> str:
    """Write the comparison as Markdown, with pairwise Diebold-Mariano p-values for up to 12 runs."""
    out = [f"# Runs of {sanitise(experiment)}", "", trials.describe(), "", LEGEND, ""]
    for group in groups:
        out += [f"## {group.heading}", "", format_markdown_table(write_header(group), write_rows(group)), ""]
        out += [f"- {sentence}" for sentence in write_sentences(group)] + [""]
        if group.tests and 1 < len(group.runs) <= _MAX_PAIRED:
            ids = [row.run[:8] for row in group.runs]
            rows = [[ids[i], *(format_p(p) for p in pairs)] for i, pairs in enumerate(group.tests.pairs)]
            out += [
                "Diebold-Mariano, two-sided p that two runs are equally good:",
                "",
                format_markdown_table(["", *ids], rows),
                "",
            ]
    return "\n".join(out)


def draw_figure(groups: list[ComparedGroup]) -> Figure:
    """Draw the measure of each run over the common times with its 95 % interval; the confidence set is filled."""
    tested = [(group, group.tests) for group in groups if group.tests]

    def draw(canvas: Figure) -> None:
        heights = [len(group.runs) + 1 for group, _ in tested]
        canvas.set_size_inches(9, max(3.0, 0.45 * sum(heights) + 1.2 * len(tested)))
        panels = np.atleast_1d(canvas.subplots(len(tested), 1, height_ratios=heights))
        for axis, (group, tests) in zip(panels, tested, strict=True):
            for y, row in enumerate(reversed(group.runs)):
                axis.errorbar(
                    row.value,
                    y,
                    xerr=None if row.error != row.error else row.error,
                    fmt="o",
                    color=BLUE,
                    markerfacecolor=BLUE if row.in_set else "white",
                    capsize=3,
                )
            names = [f"{row.run[:8]}  {sanitise(row.model)}, {sanitise(row.ofi)}" for row in reversed(group.runs)]
            axis.set_yticks(range(len(names)), names, fontsize=8)
            axis.set_ylim(-0.7, len(names) - 0.3)
            axis.axvline(0, color=GREY, linewidth=0.8)
            per = " per bar" if group.measure == "sharpe" else ""
            axis.set_xlabel(f"{NAMES[group.measure]}{per} over {tests.times:,} common times, 95 % (HAC)")
            axis.set_title(group.heading.partition(";")[0] + "; filled: in the model confidence set", fontsize=9)

    return style_figure(draw, legend_columns=1)
