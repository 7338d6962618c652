"""The sections on the data and the folds of a study."""

from ofiml.data.bad_files import describe_bad_files
from ofiml.data.causes import name_cause
from ofiml.data.quality import Quality
from ofiml.reporting.folds import join_spans
from ofiml.reporting.html.blocks import Block, Details, Sentences, Table
from ofiml.reporting.instruments import describe_instruments
from ofiml.study.report import FoldReport, Report
from ofiml.ui.format import format_number, format_span

_MAX_ROWS = 12  # a longer table is folded


def fold_long(table: Table) -> Block:
    """Fold a table that is long."""
    return table if len(table.rows) <= _MAX_ROWS else Details(f"{table.heading}: {len(table.rows)} rows", [table])


def describe_data(report: Report) -> list[Block]:
    """Describe sessions, rows dropped and kept by cause, warnings, notes, instruments and inputs left out."""
    dataset, rows = report.dataset, report.rows
    symbols = len({s.symbol for s in dataset.sessions})
    days = len({s.session for s in dataset.sessions})
    summary = (
        f"{dataset.events:,} events of {_count(symbols, 'symbol')} in {_count(days, 'session')}, with up to "
        f"{_count(dataset.levels, 'price level')} a side; {rows.used:,} of {rows.bars:,} bars have a mid and a "
        "label, and are used."
    )
    notes = [f"{note}." for note in dataset.notes]
    if rows.never_known:
        notes.append(f"Features without any value in these data: {', '.join(rows.never_known)}.")
    instruments = describe_instruments(dataset.instruments)
    bad = describe_bad_files(dataset.bad_files)
    return [
        Sentences([summary]),
        *([_tabulate_causes(report)] if _list_causes(report) else [Sentences(["No row was dropped or flagged."])]),
        fold_long(_tabulate_sessions(report)),
        *([Sentences(notes, "Notes on the data", listed=True)] if notes else []),
        *([Sentences(instruments, "Instruments and fees", listed=True)] if instruments else []),
        *([Sentences(bad, "Inputs left out", listed=True)] if bad else []),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _list_causes(report: Report) -> list[tuple[str, int, int]]:
    """List (cause, dropped, kept) of events and of bars."""
    dropped, kept = report.dataset.dropped, report.dataset.kept
    events = [(cause, dropped.get(cause, 0), kept.get(cause, 0)) for cause in {**dropped, **kept}]
    return [*events, *((cause, count, 0) for cause, count in report.rows.dropped.items() if count)]


def _tabulate_causes(report: Report) -> Table:
    rows = [
        [name_cause(cause), f"{dropped:,}" if dropped else "", f"{kept:,}" if kept else ""]
        for cause, dropped, kept in _list_causes(report)
    ]
    return Table(
        "Rows and bars that are not ordinary, by cause (counts)",
        ["cause", "dropped", "kept, but flagged"],
        rows,
    )


def _tabulate_sessions(report: Report) -> Table:
    rows = [
        [s.symbol, s.session, f"{s.events:,}", *_count_quality(s.quality), f"{s.tick:.10g}", f"{s.size_unit:.10g}"]
        for s in report.dataset.sessions
    ]
    heading = "Sessions (events and rows are counts; the tick is in currency, the lot in shares, contracts or coins)"
    columns = ["symbol", "session", "events", "rows dropped", "rows flagged", "tick", "lot"]
    return Table(heading, columns, rows, labels=2)


def _count_quality(quality: Quality) -> list[str]:
    return [f"{sum(quality.dropped.values()):,}", f"{sum(quality.kept.values()):,}"]


def describe_folds(report: Report) -> list[Block]:
    """Describe train and test rows of each fold, and its scores."""
    bands = any(fold.dead_band_ticks is not None for fold in report.folds)
    by_fold = {scores.fold: scores.values for scores in report.metrics.folds}
    rows = []
    for fold in report.folds:
        values = by_fold[fold.fold]
        rows.append(
            [
                str(fold.fold),
                format_span(fold.train_from, fold.train_to, gap="\n"),
                _name_tested(fold),
                *(f"{n:,}" for n in (fold.train_rows, fold.purged, fold.embargoed, fold.test_rows)),
                *([format_number(_or_nan(fold.dead_band_ticks), ".2f")] if bands else []),
                format_number(values["ic"]),
                format_number(values["r2"], ".4f"),
            ]
        )
    columns = ["fold", "trains on", "tested on", "train rows", "purged", "embargoed", "test rows"]
    columns += [*(["dead band (ticks)"] if bands else []), "IC", "R²"]
    return [Table("Folds (times in UTC, rows are counts, scores out of sample)", columns, rows, labels=3)]


def _or_nan(number: float | None) -> float:
    return float("nan") if number is None else number


def _name_tested(fold: FoldReport) -> str:
    """Name the times of the tested rows; spans that follow each other are one."""
    joined = join_spans((span.start, span.until) for span in fold.spans)
    if len(joined) < 2:
        return format_span(fold.test_from, fold.test_to, gap="\n")
    return ",\n".join(format_span(start, until, gap="\n") for start, until in joined)
