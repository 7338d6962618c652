"""Write the verdict of a study as text: for the terminal, for verdict.md, and for the page of its MLflow run."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ofiml.config import Features, Ofi
from ofiml.reporting.names import MEASURES
from ofiml.reporting.sentences import write_sentences
from ofiml.study.run import Study
from ofiml.ui.format import format_markdown_table, format_number, format_range
from ofiml.ui.lines import print_line

_MAX_FOLDS = 8  # more do not fit on a line
_MAIN_FIGURES = ("strata", "predicted_realised", "controls", "equity", "cost_grid", "importance")


def write_title(study: Study) -> str:
    """Write the title of a study: target, model, inputs, horizon, dataset."""
    config, report = study.config, study.report
    span = f"horizon {config.horizon.label}" if report.kind == "forecast" else f"same {config.bars.label} bar"
    inputs = name_inputs(config.ofi, config.features)
    of = f"{config.target.label}: {config.model.name} on {inputs}"
    return f"{of}, {span}, {config.dataset.label} ({name_market(study)})"


def name_inputs(ofi: Ofi, features: Features) -> str:
    """Name the inputs of the model, such as `mlofi` or `mlofi + full`."""
    return ofi.name if features.name == "ofi_only" else f"{ofi.name} + {features.name}"


def name_market(study: Study) -> str:
    """Name symbols and days, such as `AMZN 2012-06-21` or `SYN, 6 sessions from 2024-01-01`."""
    sessions = study.report.dataset.sessions
    symbols = ", ".join(sorted({s.symbol for s in sessions}))
    days = sorted(s.session for s in sessions)
    return f"{symbols} {days[0]}" if len(days) == 1 else f"{symbols}, {len(days)} sessions from {days[0]}"


def print_verdict(study: Study, folder: Path, run: str | None, console: Console) -> None:
    """Print the verdict of `study`, the folder of its files and, if tracked, its MLflow run."""
    print_line(console, write_title(study), style="bold")
    table = Table(box=None, pad_edge=False)
    for column in _list_columns(study):
        table.add_column(column, justify="right" if table.columns else "left")
    for row in _list_rows(study):
        table.add_row(*row)
    console.print(table)
    for line in [*write_sentences(study), f"Files: {folder}"]:
        print_line(console, line)
    if run:
        print_line(console, f"MLflow run {run}: `make ui` shows it, `ofiml reproduce {run}` repeats it.")


def write_page(study: Study) -> str:
    """Write the verdict as Markdown: the title, the finding, the table of measures, and one item per other sentence."""
    table = format_markdown_table(_list_columns(study), _list_rows(study))
    finding, *sentences = write_sentences(study)
    items = [f"- {line}" for line in sentences]
    return "\n".join([f"**{write_title(study)}**", "", finding, "", table, "", *items, ""])


def write_note(study: Study, files: list[str], max_length: int) -> str:
    """Write the verdict for the run's MLflow page, with report.html and the main figures if they are among its `files`.

    A verdict longer than `max_length` characters ends with the last line that fits, and with where the rest is.
    """
    shown = [n for n in ("report.html", *(f"figures/{figure}.png" for figure in _MAIN_FIGURES)) if n in files]
    end = f"\nUnder Artifacts: {', '.join(shown)}." if shown else ""
    rest = "\nThe rest is in verdict.md, under Artifacts."
    page = write_page(study)
    if len(page) + len(end) > max_length:
        page = page[: max_length - len(end) - len(rest)].rpartition("\n")[0] + rest
    return page + end


def _list_columns(study: Study) -> list[str]:
    return ["out of sample", "pooled", f"{study.report.metrics.bootstrap.level:.0%} interval", "by fold"]


def _list_rows(study: Study) -> list[list[str]]:
    scores, rows = study.report.metrics, []
    for name, m in scores.pooled.items():
        of_folds = [f.values[name] for f in scores.folds]
        if len(of_folds) > _MAX_FOLDS:
            known = format_range(of_folds, ".3f")
            by_fold = f"{known} in {len(of_folds)}" if any(v == v for v in of_folds) else known
        else:
            by_fold = " ".join(f"{format_number(value):>6}" for value in of_folds)
        interval = f"{format_number(m.low, '.4f')} … {format_number(m.high, '.4f')}"
        rows.append([MEASURES[name], format_number(m.value, ".4f"), interval, by_fold])
    return rows
