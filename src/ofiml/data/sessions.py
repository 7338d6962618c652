"""From a dataset config to its checked sessions, one at a time."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ofiml.config import FileDataset, SyntheticDataset, files
from ofiml.data import cache as store
from ofiml.data import calendar
from ofiml.data.calendar import ALWAYS, Window
from ofiml.data.checks import Checker, carry_flags
from ofiml.data.feed import Blob, Feed
from ofiml.data.quality import Quality, add_counts
from ofiml.data.readers import READERS
from ofiml.data.schema import (
    Int64,
    Session,
    schema,
    times,
)
from ofiml.errors import DataError
from ofiml.provenance import hash_files
from ofiml.units import PRICE_SCALE, SECOND


@dataclass(frozen=True, slots=True)
class Source:
    """An input, or a simulated day: calling it yields its sessions. `name` identifies what they are made from, content
    and all; None where that is not known.
    """

    sessions: Callable[[], Iterator[Session]]
    name: Callable[[], str | None] = lambda: None

    def __call__(self) -> Iterator[Session]:
        return self.sessions()


@dataclass(slots=True)
class UniqueSessions:
    """The sessions of a study by symbol and date, each with its source; no two may share symbol and date."""

    taken: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, symbol: str, date: str, source: str) -> None:
        """Add a session. Raises DataError, naming both sources, if that symbol and date exist already."""
        if (symbol, date) in self.taken:
            both = f"{self.taken[symbol, date]} and {source}"
            raise DataError(f"{both} contain the same session, {symbol} on {date}: join them, or choose one.")
        self.taken[symbol, date] = source


def sources(dataset: SyntheticDataset | FileDataset) -> list[Source]:
    """List one source per input (a file, or files that belong together) or simulated session, in order.

    Calling it reads and yields its sessions, of at most `max_events` events each, the rest counted as dropped.
    """
    if isinstance(dataset, SyntheticDataset):
        from ofiml.data.synthetic import simulate  # compiles its kernel, so only where it is used

        symbols = len(dataset.impact)  # a day has a session of each
        count = min(dataset.sessions, -(-(dataset.max_sessions or dataset.sessions * symbols) // symbols))

        def simulated(index: int) -> Source:
            return Source(
                lambda: (_limit(s, dataset.max_events) for s in simulate(dataset, index)),
                lambda: store.cache_key([str(index)], "", dataset, max_events=dataset.max_events),
            )

        return [simulated(index) for index in range(count)]
    groups = READERS[dataset.name].group_files(files(dataset.path))

    def source(group: list[Path]) -> Source:
        alone = len(groups) == 1

        def run() -> Iterator[Session]:
            sessions = (s for s in _read(group, dataset, alone=alone) if _in_range(s, dataset))
            return (_limit(s, dataset.max_events) for s in _take_first(sessions, dataset.max_sessions))

        chosen = {k: getattr(dataset, k) for k in ("first_date", "last_date", "max_sessions", "max_events")}
        return Source(run, lambda: _name(group, hash_files(group), dataset, alone=alone, **chosen))

    everything = dataset.first_date is None and dataset.last_date is None
    return [source(group) for group in groups[: dataset.max_sessions if everything else None]]


def _name(paths: Sequence[Path], content: str, dataset: FileDataset, **other: Any) -> str:
    code = READERS.source_digest(dataset.name)
    other |= {} if code is None else {"reader": code}
    return store.cache_key([p.name for p in paths], content, dataset, **other)


def _take_first(sessions: Iterator[Session], count: int | None) -> Iterator[Session]:
    """Yield the first `count`; one more is read, so that an input without more is known to be whole."""
    yield from islice(sessions, count)
    next(sessions, None)


def _read(paths: Sequence[Path], dataset: FileDataset, *, alone: bool) -> Iterator[Session]:
    content = hash_files(paths)

    def make() -> Iterator[Session]:
        blobs = [Blob(path.name, path.read_bytes()) for path in paths]
        try:
            yield from _read_sessions(blobs, dataset, content)
        except _OutsideHours:
            # A single input without regular hours is read whole; a note reports it.
            if not alone or dataset.hours != "regular":
                raise
            for session in _read_sessions(blobs, replace(dataset, hours="all"), content):
                session.quality.notes.append("no events in regular hours, so all hours are used")
                yield session

    if dataset.store is None:
        return make()
    return store.cached_sessions(Path(dataset.store), _name(paths, content, dataset, alone=alone), make)


def _read_sessions(blobs: Sequence[Blob], dataset: FileDataset, whole: str) -> Iterator[Session]:
    """The sessions of an input, whose digest is `whole`. Raises _OutsideHours if none of its events lies in them."""
    last, outside = None, []
    for feed in READERS[dataset.name].read_feeds(blobs, dataset):
        try:
            for session in _cut_sessions(feed, dataset, whole):
                if last is not None:
                    yield last
                last = session
        except _OutsideHours as error:  # of one symbol among others it is counted, not raised
            outside.append(error)
    if last is not None:
        yield _count_outside(last, outside)
    elif outside:
        raise outside[0]


class _OutsideHours(DataError):
    """A feed without an event in its sessions' hours."""

    def __init__(self, sentence: str, feed: Feed) -> None:
        super().__init__(sentence)
        self.symbol, self.date, self.rows = feed.symbol, feed.date, feed.rows
        self.dropped, self.kept = feed.checker.dropped, feed.checker.kept


def _count_outside(session: Session, outside: list[_OutsideHours]) -> Session:
    """The session, its report with the rows of the input's feeds that lie outside all hours."""
    quality = session.quality
    for one in outside:
        rest = one.rows - sum(one.dropped.values())
        quality = Quality(
            rows=quality.rows + one.rows,
            used=quality.used,
            dropped=add_counts(add_counts(quality.dropped, one.dropped), {"outside_hours": rest}),
            kept=add_counts(quality.kept, one.kept),
            notes=[*quality.notes, f"{one.symbol} {one.date or ''}".strip() + " has no events in these hours"],
        )
    return replace(session, quality=quality)


def _in_range(session: Session, dataset: FileDataset) -> bool:
    return (dataset.first_date or "") <= session.date <= (dataset.last_date or "9")


def _cut_sessions(feed: Feed, dataset: FileDataset, whole: str) -> Iterator[Session]:
    """The sessions of a feed, checked. Rows outside every session count as dropped with the nearest one."""
    checker, source = feed.checker, feed.checker.source
    _require_rows(feed.events, checker)
    received, happened = (feed.events[c].to_physical() for c in ("ts_recv", "ts_event"))
    notes = [*feed.notes, *checker.notes]
    delay = float(np.median(received - happened))
    if delay < 0:
        if checker.policy.clock != "keep":
            raise DataError(
                f"{source}: most events are later than their receipt: ts_event and ts_recv are swapped, or one of the "
                "two clocks was wrong (if so, set dataset.policy.clock=keep)."
            )
        notes.append(f"the receipt clock is {-delay / SECOND:.3f} s behind the event clock (median)")
    missed = sum(checker.dropped.get(cause, 0) for cause in ("unreadable", "negative_size"))
    if missed and READERS[dataset.name].book_from_messages:
        notes.append(f"the book is built message by message and may be wrong after the first of {missed} dropped rows")
    numbered = feed.events.with_row_index("row")
    events = _require_rows(carry_flags(numbered, checker.check_times(numbered)), checker)
    before = Quality(feed.rows - events.height, 0, checker.dropped, checker.kept)
    stamps = times(events)
    windows = _windows(feed, dataset, stamps)
    index, outside = _assign_windows(stamps, windows)
    for k, window in enumerate(windows):
        rows = events if len(windows) == 1 and not outside[k] else events.filter(pl.Series(index == k))
        of_session = checker.with_zero_counts()
        checked = _require_rows(carry_flags(rows, of_session.check_book(rows, feed.levels)), of_session)
        _check_ticks(checked, dataset, of_session)
        quality = Quality(
            rows=before.rows + rows.height + outside[k],
            used=checked.height,
            dropped=add_counts(add_counts(before.dropped, of_session.dropped), {"outside_hours": outside[k]}),
            kept=add_counts(before.kept, of_session.kept),
            notes=list(notes),
        )
        before = Quality()
        yield Session(
            symbol=feed.symbol,
            date=window.date,
            events=checked.with_columns(pl.lit(feed.symbol).alias("symbol")).select(list(schema(feed.levels))),
            open=window.open,
            close=window.close,
            scheduled_close=window.scheduled,
            tick=round(dataset.tick * PRICE_SCALE),
            levels=feed.levels,
            size_unit=dataset.size_unit,
            source=source,
            digest=feed.digest or whole,
            quality=quality,
        )


def _require_rows(events: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    if events.height == 0:
        raise checker.no_rows_error()
    return events


def _windows(feed: Feed, dataset: FileDataset, stamps: Int64) -> list[Window]:
    """The sessions that hold events of the feed. Raises _OutsideHours where there are none."""
    span = int(stamps[0]), int(stamps[-1])
    try:
        windows = calendar.list_windows(dataset.calendar, dataset.hours, *span)
    except DataError as error:  # the calendar does not know whose times these are
        raise DataError(f"{feed.checker.source}: {error}") from error
    if feed.open is not None and feed.close is not None and feed.date is not None:
        named = Window(feed.date, feed.open, feed.close)
        same_day = [w for w in windows if w.date == feed.date and dataset.hours != "all"]
        if isinstance(dataset.hours, list) and not same_day:
            # The name says that the market was open, on a day that the calendar does not know.
            day = dt.date.fromisoformat(feed.date)
            same_day = [calendar.make_window(day, dataset.hours, calendar.time_zone(dataset.calendar))]
        windows = [named.intersect(w) for w in same_day] or [named]
    used = [w for w in windows if w.contains_any(stamps)]
    if not used:
        hours = [(w.open, w.close) for w in windows if w.open < w.close]
        where = (
            f"within the session's hours, {_format_span(hours[0][0], hours[-1][1])}" if hours else "within a session"
        )
        raise _OutsideHours(
            f"{feed.checker.source}: no events {where}; its events span {_format_span(*span)}. "
            "See dataset.hours and dataset.calendar; dataset.hours=all uses every hour.",
            feed,
        )
    if feed.open is None and (dataset.calendar == ALWAYS or dataset.hours == "all"):
        return [w.trim(stamps) for w in used]
    return used


def _format_span(first: int, last: int) -> str:
    return " to ".join(str(np.datetime64(t // SECOND, "s")) for t in (first, last)) + " UTC"


def _assign_windows(stamps: Int64, windows: list[Window]) -> tuple[Int64, list[int]]:
    """(the window of each row, -1 where it is in none; how many rows in none are nearest to each window)."""
    index = np.full(len(stamps), -1, np.int64)
    for k, w in enumerate(windows):
        index[np.searchsorted(stamps, w.open) : np.searchsorted(stamps, w.close, side="right")] = k
    halfway = [(a.close + b.open) // 2 for a, b in pairwise(windows)]
    nearest = np.searchsorted(np.array(halfway, np.int64), stamps[index < 0])
    return index, np.bincount(nearest, minlength=len(windows)).tolist()


def _check_ticks(events: pl.DataFrame, dataset: FileDataset, checker: Checker) -> None:
    """Raises DataError for best quotes off the tick: a wrong tick would scale numbers in silence."""
    tick = round(dataset.tick * PRICE_SCALE)
    for column in ("bid_px_00", "ask_px_00"):
        off = events.filter(pl.col(column) % tick != 0)
        if off.height:
            raise DataError(
                f"{checker.source}, {checker.place} {off['line'][0]}, column {column}: "
                f"{off[column][0] / PRICE_SCALE:g} is not a multiple of "
                f"dataset.tick={tick / PRICE_SCALE:g} ({off.height} such rows): give the instrument's tick."
            )


def _limit(session: Session, max_events: int | None) -> Session:
    if max_events is None or session.events.height <= max_events:
        return session
    beyond = session.events.height - max_events
    events = session.events.head(max_events)
    quality = session.quality
    return replace(
        session,
        events=events,
        close=int(times(events)[-1]),
        scheduled_close=session.close if session.scheduled_close is None else session.scheduled_close,
        quality=replace(quality, used=max_events, dropped=add_counts(quality.dropped, {"beyond_max_events": beyond})),
        truth=None if session.truth is None else session.truth.head(max_events),
    )
