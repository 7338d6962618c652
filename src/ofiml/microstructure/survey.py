"""Survey of a dataset without a study: its sessions, their quality, and the shape of their books."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ofiml._typing import Per
from ofiml.backtest.instruments import (
    Listing,
    assign_instruments,
    describe_instrument,
    describe_unfitting_patterns,
)
from ofiml.bars.time import select_states
from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.bad_files import (
    UnreadableInputError,
    describe_bad_files,
    list_left_out,
    make_all_bad_error,
    read_source,
    skips_bad_files,
)
from ofiml.data.causes import list_counts
from ofiml.data.quality import BadFile, Quality
from ofiml.data.schema import Session
from ofiml.data.sessions import Source, UniqueSessions, list_sources
from ofiml.errors import ConfigError, DataError
from ofiml.microstructure.facts import book as shape
from ofiml.microstructure.facts import memory
from ofiml.microstructure.facts.session import Facts, average_facts
from ofiml.parallel import Workers, run_pieces
from ofiml.ui.format import format_number
from ofiml.ui.lines import print_line
from ofiml.ui.progress import Stages
from ofiml.units import PRICE_SCALE, SECOND


@dataclass(slots=True)
class SessionSummary:
    """One session of a survey: identity, quality, facts if measured, files if written.

    `instrument` describes what a backtest would trade, or what it would need to know.
    """

    symbol: str
    date: str
    open: int
    close: int
    levels: int
    source: str
    quality: Quality
    instrument: str
    facts: Facts = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """A survey: all sessions in order, one error message per refused input, and sentences on those left out.

    `warnings` are about the config beside the data; those of a session are in its quality.
    """

    sessions: list[SessionSummary]
    refused: list[str]
    skipped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def survey_dataset(
    dataset: SyntheticDataset | FileDataset,
    stages: Stages,
    *,
    threads: int,
    facts_per: Per | None = None,
    write: Callable[[Session], list[Path]] | None = None,
) -> Survey:
    """Survey every session of the dataset, one input at a time per thread; release its events after use.

    With `facts_per`, the facts of each session are measured, with one book state per message or row. `write` writes a
    session and returns its files. An input with an error is reported and does not end the survey. At most
    `max_sessions` sessions are surveyed, as in a study.
    """
    inputs = list_sources(dataset)
    skips = skips_bad_files(dataset)

    def work(source: Source) -> tuple[list[SessionSummary], list[str], list[BadFile]]:
        summaries: list[SessionSummary] = []
        refused: list[str] = []
        bad_files: list[BadFile] = []
        try:
            for session in read_source(source):
                summary = _summarise(session, dataset, facts_per)
                summary.written = write(session) if write else []
                summaries.append(summary)
        except UnreadableInputError as error:
            if skips:
                summaries, bad_files = [], [error.bad_file]
            else:
                refused.append(str(error))
        except DataError as error:
            refused.append(str(error))
        return summaries, refused, bad_files

    with stages.start_stage("inputs", len(inputs)) as bar:
        parts = run_pieces(work, inputs, Workers(threads), bar.step)  # threads, which share `write`
    sessions = [one for summaries, _, _ in parts for one in summaries][: dataset.max_sessions]
    refused = [sentence for _, sentences, _ in parts for sentence in sentences]
    bad_files = [bad for _, _, several in parts for bad in several]
    if bad_files and len(bad_files) == len(inputs):
        refused.append(str(make_all_bad_error(bad_files)))
    unique = UniqueSessions()
    for one in sessions:
        try:
            unique.add(one.symbol, one.date, one.source)
        except DataError as error:
            refused.append(str(error))
    if not sessions and not refused:
        refused.append("no session between dataset.first_date and dataset.last_date.")
    left_out = list_left_out(bad_files, (one.quality for one in sessions))
    warnings = describe_unfitting_patterns(dataset, (one.symbol for one in sessions))
    return Survey(sessions, refused, describe_bad_files(left_out), warnings)


def _summarise(session: Session, dataset: SyntheticDataset | FileDataset, per: Per | None) -> SessionSummary:
    s = session
    instrument = _describe_instrument(session, dataset)
    summary = SessionSummary(s.symbol, s.date, s.open, s.close, s.levels, s.source, s.quality, instrument)
    if per is not None:
        book = select_states(session, per)
        summary.facts = {
            "spread_ticks": shape.measure_spread(session, book),
            **shape.measure_depth(session, book),
            "messages": shape.measure_messages(session, book, per),
            "intraday": memory.measure_intraday(session, book),
        }
    return summary


def _describe_instrument(session: Session, dataset: SyntheticDataset | FileDataset) -> str:
    """Describe tick, lot, contract and fees of a session's symbol, or what a backtest would need to know."""
    s = session
    start = f"tick {s.tick / PRICE_SCALE:.10g}, lot {s.size_unit:.10g}"
    try:
        (one,) = assign_instruments([Listing(s.symbol, s.calendar, s.home, s.source)], dataset).values()
    except ConfigError as error:
        return f"{start}. A backtest needs more. {error}"
    assumed = f" (fees assumed: {one.assumed})" if one.assumed else ""
    return f"{start}, {describe_instrument(one.instrument)}{assumed}."


def print_survey(survey: Survey, console: Console) -> None:
    """Print the sessions, their quality, the facts of each symbol if measured, and the errors of refused inputs."""
    table = Table(box=None, pad_edge=False)
    for column in ("symbol", "session", "open", "close (UTC)", "levels", "events", "of rows"):
        table.add_column(column, justify="right" if column in ("levels", "events", "of rows") else "left", no_wrap=True)
    for s in survey.sessions:
        numbers = (str(s.levels), f"{s.quality.used:,}", f"{s.quality.rows:,}")
        table.add_row(s.symbol, s.date, _format_clock(s.open), _format_clock(s.close), *numbers)
    if survey.sessions:
        console.print(table)
    for s in survey.sessions:
        counts = (("dropped", s.quality.dropped), ("irregular but kept", s.quality.kept))
        parts = [f"{word} {list_counts(count)}" for word, count in counts if count] + s.quality.notes
        if parts:
            print_line(console, f"{s.symbol} {s.date}: {'; '.join(parts)}")
        for warning in s.quality.warnings.values():
            line = f"{s.symbol} {s.date}: {warning}."
            print_line(console, line, style="yellow")
    for symbol, text in {s.symbol: s.instrument for s in survey.sessions}.items():
        print_line(console, f"{symbol}: {text}")
    for symbol, facts in _average_by_symbol(survey):
        console.print()
        _print_facts(symbol, facts, console)
    for path in [p for s in survey.sessions for p in s.written]:
        print_line(console, f"wrote {path}")
    for warning in survey.warnings:
        print_line(console, f"{warning}.", style="yellow")
    for sentence in survey.skipped:
        print_line(console, sentence)
    for sentence in survey.refused:
        print_line(console, f"refused: {sentence}", style="red")


def survey_to_json(survey: Survey) -> dict[str, Any]:
    """Convert the survey to JSON-compatible data; undefined numbers are null."""
    sessions = [
        {
            "symbol": s.symbol,
            "session": s.date,
            "open": s.open,
            "close": s.close,
            "levels": s.levels,
            "instrument": s.instrument,
            "quality": asdict(s.quality),
            "facts": {t: {k: v if np.isfinite(v) else None for k, v in c.items()} for t, c in s.facts.items()},
        }
        for s in survey.sessions
    ]
    return {"sessions": sessions, "refused": survey.refused, "skipped": survey.skipped, "warnings": survey.warnings}


def _average_by_symbol(survey: Survey) -> Iterator[tuple[str, Facts]]:
    for symbol in sorted({s.symbol for s in survey.sessions if s.facts}):
        yield symbol, average_facts([s.facts for s in survey.sessions if s.symbol == symbol])


def _print_facts(symbol: str, facts: Facts, console: Console) -> None:
    spread, mix = facts["spread_ticks"], facts["messages"]
    console.print(f"{symbol}, averages over its sessions", style="bold")
    print_line(
        console,
        f"spread {format_number(spread['mean'], ',.2f')} ticks on average, "
        f"{format_number(spread['median'], ',.1f')} in the median, "
        f"one tick for {format_number(100 * spread['one_tick'], ',.1f')} % of the time",
    )
    names = ("add", "cancel", "modify", "trade", "other")
    kinds = ", ".join(f"{name} {format_number(100 * mix[name], ',.1f')} %" for name in names)
    moves = format_number(100 * mix["price_changed"], ",.1f")
    print_line(
        console, f"{format_number(mix['per_second'], ',.2f')} messages per second: {kinds}; {moves} % move a best price"
    )
    depth = Table(box=None, pad_edge=False)
    for column in ("level", "bid size", "ask size", "ticks from mid"):
        depth.add_column(column, justify="right")
    for m in facts["bid_size"]:
        depth.add_row(
            m,
            *(format_number(facts[side][m], ",.1f") for side in ("bid_size", "ask_size")),
            format_number(facts["distance_ticks"][m], ",.2f"),
        )
    console.print(depth)
    bars = "▁▂▃▄▅▆▇█"
    rates = list(facts["intraday"].values())
    top = max((r for r in rates if r == r), default=0.0)
    chart = "".join(bars[min(7, int(8 * r / top))] if r == r and top else " " for r in rates)
    numbers = " ".join(format_number(r, ",.2f") for r in rates)
    print_line(console, f"messages by tenth of the session (1 is even): {chart}  {numbers}")


def _format_clock(stamp: int) -> str:
    return str(np.datetime64(stamp // SECOND, "s"))[11:]
