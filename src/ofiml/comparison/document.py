"""Write a comparison as one HTML document: the leaderboard with intervals, the tests, and the number of trials."""

from collections.abc import Sequence

from ofiml.comparison import page
from ofiml.comparison.trials import Trials
from ofiml.comparison.verdicts import ComparedGroup, ComparedRun
from ofiml.reporting.html.blocks import Block, Document, Figure, KeyFigure, Section, Sentences, Table
from ofiml.reporting.html.data import fold_long
from ofiml.reporting.html.render import render_document
from ofiml.reporting.html.svg import write_inline_svg
from ofiml.ui.format import DASH, format_interval, format_number, format_p

_LABELS = 3  # the columns of a leaderboard that are text: run, model, inputs
_COMMON = -4  # from here on the columns of a leaderboard are over the times common to all runs
_MAX_VERDICTS = 4  # of groups in the headline
_MAX_PAIRED = 12  # a matrix of more runs is too wide
_CAPTION = (
    "Runs whose intervals lie right of 0 have skill on the common times; filled points do not differ significantly "
    "from the best run."
)


def write_document(
    title: str, context: str, groups: Sequence[ComparedGroup], trials: Trials, first: Sequence[Section] = ()
) -> str:
    """Write the comparison of `groups` of comparable runs; `first` are sections of the caller, before theirs."""
    sections = [*first, *(_describe_group(group, k) for k, group in enumerate(groups))]
    sections.append(
        Section("trials", "Trials, and what the columns mean", [Sentences([trials.describe(), page.LEGEND])])
    )
    ranked = [group for group in groups if group.runs]
    return render_document(
        Document(
            title=title,
            context=context,
            verdict=" ".join(_write_verdicts(ranked)) if ranked else "No finished run is compared.",
            key_figures=_list_key_figures(ranked, trials) if ranked else (),
            warnings=[f"Left out: {page.sanitise_sentence(r)}" for group in groups for r in group.left_out],
            sections=sections,
        )
    )


def _write_verdicts(groups: Sequence[ComparedGroup]) -> list[str]:
    """Write the verdict of each group, which several groups begin with their headings; of many groups the first few."""
    if len(groups) == 1:
        return [_write_verdict(groups[0], groups[0].runs[0])]
    shown = groups[:_MAX_VERDICTS]
    out = [f"{_capitalise(group.heading.partition(';')[0])}: {_write_verdict(group, group.runs[0])}" for group in shown]
    more = len(groups) - len(shown)
    return [*out, f"{_count(more, 'more group')} below."] if more else out


def _write_verdict(group: ComparedGroup, best: ComparedRun) -> str:
    """Write which run is first, and whether it differs from chance and from the others."""
    name = page.NAMES[group.measure]
    others = len(group.runs) - 1
    tests = group.tests
    if others == 0:
        return f"One run is compared: {best.run[:8]}. There is nothing to compare it with."
    if tests is None:
        return f"{best.run[:8]} stands first of {_count(len(group.runs), 'run')}; the {name} could not be tested."
    size = sum(bool(run.in_set) for run in group.runs)
    if tests.spa <= tests.level:
        what = "has skill" if tests.benchmark is None else f"beats {tests.benchmark[:8]}"
        chance = f"Corrected for their number, at least one of them {what} (SPA, p {_compare(tests.spa)})."
    else:
        what = "skill" if tests.benchmark is None else f"a run that beats {tests.benchmark[:8]}"
        chance = f"Corrected for their number, there is no evidence of {what} (SPA, p {_compare(tests.spa)})."
    same = (
        "which stands alone in the model confidence set"
        if size == 1
        else f"one of {size} that do not differ significantly"
    )
    return f"The best of {_count(len(group.runs), 'run')} by {name} is {best.run[:8]}, {same}. {chance}"


def _compare(p: float) -> str:
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _list_key_figures(groups: Sequence[ComparedGroup], trials: Trials) -> list[KeyFigure]:
    """List the IC of the first run of each group, as in the headline, the best deflated ratio of all, and the trials;
    also the probability of overfitting, if there is one group.
    """
    shown = []
    for group in groups[:_MAX_VERDICTS]:
        best = group.runs[0]
        interval = format_interval(best.ic_low, best.ic_high)
        shown.append(KeyFigure(f"IC of the first run, {best.run[:8]}", format_number(best.ic), interval))
    dsr = max((run.dsr for group in groups for run in group.runs if run.dsr == run.dsr), default=float("nan"))
    if dsr == dsr:
        shown.append(KeyFigure("highest deflated Sharpe ratio", format_number(dsr), "probability of beating luck"))
    group = groups[0]
    if len(groups) == 1 and group.tests is not None and group.tests.pbo.combinations:
        beside = f"{group.tests.pbo.combinations:,} splits of the time"
        shown.append(KeyFigure("probability of overfitting", format_number(group.tests.pbo.pbo, ".2f"), beside))
    return [*shown, KeyFigure("trials", f"{trials.total:,}", "runs, and tuning in all folds")]


def _describe_group(group: ComparedGroup, number: int) -> Section:
    """Describe one group: its leaderboard, its figure, its tests, and the test of each pair."""
    heading = group.heading.partition(";")
    header, *rows = [page.write_header(group), *page.write_rows(group)]
    if group.tests is not None:  # the table of the tests has the columns of the common times but the last
        header, *rows = [[*line[:_COMMON], line[-1]] for line in (header, *rows)]
    board = Table(f"Leaderboard{_name_units(group)}", header, rows, labels=_LABELS)
    blocks: list[Block] = [
        *([Sentences([f"Shared settings: {heading[2].strip()}."])] if heading[2].strip() else []),
        board,
    ]
    if group.tests is not None:
        figure = page.draw_figure([group])
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        label = f"{page.NAMES[group.measure]} of each run with its interval"
        blocks.append(Figure(write_inline_svg(figure, f"group{number}", label), _CAPTION))
        blocks.append(_tabulate_tests(group))
    blocks.append(Sentences(page.write_sentences(group), "In words", listed=True))
    blocks += _tabulate_pairs(group)
    return Section(f"group-{number + 1}", _capitalise(heading[0]), blocks)


def _name_units(group: ComparedGroup) -> str:
    return " (net in the currency of the backtest)" if group.kind == "forecast" else " (without unit)"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tabulate_tests(group: ComparedGroup) -> Table:
    """Tabulate the test statistics of each run over the common times."""
    rows = []
    for run in group.runs:
        deflated = [format_number(run.sharpe_block), format_number(run.luck), format_number(run.dsr)]
        rows.append(
            [
                run.run[:8],
                format_number(run.value, ",.4f"),
                format_interval(run.value - run.error, run.value + run.error, ",.4f"),
                format_number(run.t, ",.1f"),
                format_p(run.p),
                format_p(run.p_best),
                format_p(run.set_p),
                *(deflated if group.kind == "forecast" else []),
            ]
        )
    columns = ["run", page.NAMES[group.measure], "95% interval", "HAC t", "p", "p, best run", "p, confidence set"]
    columns += ["Sharpe by block", "luck", "DSR"] if group.kind == "forecast" else []
    note = (
        "Luck is the Sharpe ratio per block that the best of all trials reaches by chance; DSR is the probability that "
        "the true ratio exceeds it."
    )
    heading = "Tests over the times common to all runs (without unit)"
    return Table(heading, columns, rows, note=note if group.kind == "forecast" else "")


def _tabulate_pairs(group: ComparedGroup) -> list[Block]:
    if group.tests is None or not 1 < len(group.runs) <= _MAX_PAIRED:
        return []
    ids = [run.run[:8] for run in group.runs]
    rows = [
        [ids[i], *(DASH if i == j else format_p(p) for j, p in enumerate(pairs))]
        for i, pairs in enumerate(group.tests.pairs)
    ]
    heading = "Paired tests: two-sided p that two runs are equally good (Diebold-Mariano)"
    return [fold_long(Table(heading, ["run", *ids], rows))]
