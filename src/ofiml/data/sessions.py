"""Sessions of a dataset: read from its files or simulated, checked, one at a time."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.config.dataset import AUTO, Instrument
from ofiml.data import cache as store
from ofiml.data import calendar
from ofiml.data.calendar import ALWAYS, Window
from ofiml.data.checks import Checker, carry_flags
from ofiml.data.conditions import has_own_receipt
from ofiml.data.feed import Blob, Feed
from ofiml.data.inputs import describe_same_session, explain_wrong_reader, group_inputs
from ofiml.data.joining import chain_inputs, join_sessions
from ofiml.data.plausibility import list_doubts
from ofiml.data.quality import Quality, add_counts
from ofiml.data.readers import READERS, Groups
from ofiml.data.schema import (
    Int64,
    Session,
    extract_times,
    make_schema,
)
from ofiml.data.snapshots import defer_snapshots
from ofiml.errors import DataError
from ofiml.provenance import hash_files
from ofiml.units import PRICE_SCALE, SECOND


@dataclass(frozen=True, slots=True)
class Source:
    """One input, or one simulated day; a call yields its sessions.

    `name` returns a hash of everything that determines the sessions, content included; None if it is unknown. `files`
    are those of the input; a simulated day has none.
    """

    sessions: Callable[[], Iterator[Session]]
    name: Callable[[], str | None] = lambda: None
    files: tuple[Path, ...] = ()

    def __call__(self) -> Iterator[Session]:
        return self.sessions()


@dataclass(slots=True)
class UniqueSessions:
    """The sessions of a study: their sources by symbol and date, which no two sessions may share."""

    sources: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, symbol: str, date: str, source: str) -> None:
        """Add a session. Raises DataError, naming both sources, if that symbol and date exist already."""
        if (symbol, date) in self.sources:
            raise DataError(describe_same_session(symbol, date, self.sources[symbol, date], source))
        self.sources[symbol, date] = source


def list_sources(dataset: SyntheticDataset | FileDataset) -> list[Source]:
    """List one source per input (a file, or files that belong together) or simulated day, in order.

    A call reads and yields its sessions, of at most `max_events` events each; the rest count as dropped.
    """
    if isinstance(dataset, SyntheticDataset):
        from ofiml.data.synthetic import simulate  # compiles its kernel, so only where it is used

        symbols = len(dataset.impact)  # a simulated day has one session per symbol
        count = min(dataset.sessions, -(-(dataset.max_sessions or dataset.sessions * symbols) // symbols))

        def make_simulated(index: int) -> Source:
            return Source(
                lambda: (_limit_events(s, dataset.max_events) for s in simulate(dataset, index)),
                lambda: store.make_cache_key([str(index)], "", dataset, max_events=dataset.max_events),
            )

        return [make_simulated(index) for index in range(count)]
    chains = chain_inputs(group_inputs(dataset), dataset)

    def make_source(chain: Groups) -> Source:
        alone = len(chains) == 1 and len(chain) == 1

        def read() -> Iterator[Session]:
            inputs = (explain_wrong_reader(_read_input(group, dataset, alone=alone), group, dataset) for group in chain)
            sessions = join_sessions(inputs, dataset) if len(chain) > 1 else next(inputs)
            judged = (_warn_of_doubts(s, dataset) for s in sessions if _is_in_range(s, dataset))
            return (_limit_events(s, dataset.max_events) for s in _take_first(judged, dataset.max_sessions))

        chosen = {k: getattr(dataset, k) for k in ("first_date", "last_date", "max_sessions", "max_events")}
        paths = [path for group in chain for path in group]
        return Source(read, partial(_name_input, paths, dataset, alone=alone, **chosen), tuple(paths))

    everything = dataset.first_date is None and dataset.last_date is None
    return [make_source(chain) for chain in chains[: dataset.max_sessions if everything else None]]


def _warn_of_doubts(session: Session, dataset: FileDataset) -> Session:
    """Add what is implausible about the session to its warnings. Raises DataError for a grave doubt."""
    doubts = list_doubts(session)
    for doubt in doubts:
        if doubt.grave and dataset.implausible == "raise":
            raise DataError(
                f"{session.source}, {session.symbol} {session.date}: {doubt.sentence}. If the data are right as they "
                "are, set dataset.implausible=warn."
            )
    if not doubts:
        return session
    warnings = {doubt.kind: doubt.sentence for doubt in doubts}
    return replace(session, quality=replace(session.quality, warnings=warnings))


def _name_input(paths: Sequence[Path], dataset: FileDataset, **other: Any) -> str:
    return _hash_input(paths, hash_files(paths), dataset, **other)


def _hash_input(paths: Sequence[Path], content: str, dataset: FileDataset, **other: Any) -> str:
    code = READERS.source_digest(dataset.name)
    other |= {} if code is None else {"reader": code}
    return store.make_cache_key([p.name for p in paths], content, dataset, **other)


def _take_first(sessions: Iterator[Session], count: int | None) -> Iterator[Session]:
    """Yield the first `count` sessions.

    Reads one more: only an input that is read to its end can be cached.
    """
    yield from islice(sessions, count)
    next(sessions, None)


def _read_input(paths: Sequence[Path], dataset: FileDataset, *, alone: bool) -> Iterator[Session]:
    content = hash_files(paths)

    def make() -> Iterator[Session]:
        blobs = [Blob(path.name, path=path) for path in paths]
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
    return store.cache_sessions(Path(dataset.store), _hash_input(paths, content, dataset, alone=alone), make)


def _read_sessions(blobs: Sequence[Blob], dataset: FileDataset, content: str) -> Iterator[Session]:
    """Yield the sessions of an input with the digest `content`. Raises _OutsideHours if all its events are outside."""
    last, outside = None, []
    for feed in READERS[dataset.name].read_feeds(blobs, dataset):
        try:
            for session in _cut_sessions(feed, dataset, content):
                if last is not None:
                    yield last
                last = session
        except _OutsideHours as error:  # raised only if no other symbol has a session
            outside.append(error)
    if last is not None:
        yield _count_outside(last, outside)
    elif outside:
        raise outside[0]


class _OutsideHours(DataError):
    """The error for a feed without an event in its sessions' hours."""

    def __init__(self, sentence: str, feed: Feed) -> None:
        super().__init__(sentence)
        self.symbol, self.date, self.rows = feed.symbol, feed.date, feed.rows
        self.dropped, self.kept = feed.checker.dropped, feed.checker.kept


def _count_outside(session: Session, outside: list[_OutsideHours]) -> Session:
    """Add the rows of the input's other feeds, all outside the hours, to the session's counts."""
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


def _is_in_range(session: Session, dataset: FileDataset) -> bool:
    return (dataset.first_date or "") <= session.date <= (dataset.last_date or "9")


def _cut_sessions(feed: Feed, dataset: FileDataset, content: str) -> Iterator[Session]:
    """Yield the checked sessions of a feed. Rows outside every session count as dropped in the nearest one."""
    checker, source = feed.checker, feed.checker.source
    _require_rows(feed.events, checker)
    notes = [*feed.notes, *checker.notes]
    delay = _compute_delay(feed.events)
    if delay < 0:
        if checker.policy.clock != "keep":
            raise DataError(
                f"{source}: most events are later than their receipt: ts_event and ts_recv are swapped, or one "
                "clock is wrong (if so, set dataset.policy.clock=keep)."
            )
        notes.append(f"the receipt clock is {-delay / SECOND:.3f} s behind the event clock (median)")
    n_dropped = sum(checker.dropped.get(cause, 0) for cause in ("unreadable", "negative_size"))
    if n_dropped and READERS[dataset.name].book_from_messages:
        notes.append(
            f"the book is built message by message and may be wrong after the first of {n_dropped} dropped rows"
        )
    numbered = feed.events.with_row_index("row")
    events = _require_rows(carry_flags(numbered, checker.check_times(numbered)), checker)
    events = defer_snapshots(events, lambda stamps: _number_windows(stamps, dataset))
    before = Quality(feed.rows - events.height, 0, checker.dropped, checker.kept)
    stamps = extract_times(events)
    instrument = _find_instrument(feed, dataset)
    if dataset.find_instrument(feed.symbol).calendar == AUTO:
        notes.append(f"calendar {instrument.calendar}, that of {feed.venue or 'the source'}")
    elif feed.calendar is not None and instrument.calendar != feed.calendar and dataset.hours == "regular":
        notes.append(
            f"the data are of {feed.venue}, whose calendar is {feed.calendar}, and the hours are those of "
            f"{instrument.calendar}: dataset.calendar=auto takes its own"
        )
    windows = _list_windows(feed, dataset, instrument.calendar, stamps)
    index, outside = _assign_windows(stamps, windows)

    def list_auctions() -> tuple[Int64, Int64]:
        return calendar.list_auctions(instrument.calendar, windows[0].open, windows[-1].close)

    for k, window in enumerate(windows):
        rows = events if len(windows) == 1 and not outside[k] else events.filter(pl.Series(index == k))
        of_session = checker.with_zero_counts()
        checked = _require_rows(carry_flags(rows, of_session.check_book(rows, feed.levels, list_auctions)), of_session)
        _check_ticks(checked, instrument.tick, of_session)
        checked = _convert_lots(checked, feed.levels, instrument, dataset.size_unit, of_session)
        quality = Quality(
            rows=before.rows + rows.height + outside[k],
            used=checked.height,
            dropped=add_counts(add_counts(before.dropped, of_session.dropped), {"outside_hours": outside[k]}),
            kept=add_counts(before.kept, of_session.kept),
            notes=[*notes, *of_session.notes],
        )
        before = Quality()
        yield Session(
            symbol=feed.symbol,
            date=window.date,
            events=checked.with_columns(pl.lit(feed.symbol).alias("symbol")).select(list(make_schema(feed.levels))),
            open=window.open,
            close=window.close,
            scheduled_close=window.scheduled,
            calendar=instrument.calendar,
            tick=round(instrument.tick * PRICE_SCALE),
            levels=feed.levels,
            size_unit=instrument.size_unit,
            source=source,
            digest=feed.digest or content,
            quality=quality,
        )


def _compute_delay(events: pl.DataFrame) -> float:
    """Compute the median delay of receipts, ns, over the rows with a receipt of their own; 0 if there are none."""
    own = events.filter(has_own_receipt())
    delays = (own["ts_recv"].to_physical() - own["ts_event"].to_physical()).to_numpy()
    return float(np.median(delays)) if len(delays) else 0.0


def _number_windows(stamps: Int64, dataset: FileDataset) -> Int64:
    """Return the number of the session that contains each time, -1 for none."""
    windows = calendar.list_windows(dataset.calendar, dataset.hours, int(stamps[0]), int(stamps[-1]))
    return _assign_windows(stamps, windows)[0]


def _require_rows(events: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    if events.height == 0:
        raise checker.make_no_rows_error()
    return events


def _find_instrument(feed: Feed, dataset: FileDataset) -> Instrument:
    """Return the tick, lot and calendar of the feed's symbol. Raises DataError for a calendar that nothing states."""
    instrument = dataset.find_instrument(feed.symbol)
    if instrument.calendar != AUTO:
        return instrument
    if feed.calendar is None:
        venue = f"no calendar is known for {feed.venue}" if feed.venue else "the file does not state its exchange"
        raise DataError(
            f"{feed.checker.source}: {venue}, so dataset.calendar=auto cannot choose its sessions: set "
            "dataset.calendar to XNYS, CMES, 24/7 or another name of exchange_calendars."
        )
    return replace(instrument, calendar=feed.calendar)


def _convert_lots(
    events: pl.DataFrame, levels: int, instrument: Instrument, unit: float, checker: Checker
) -> pl.DataFrame:
    """Convert sizes from lots of `unit` to lots of the instrument. Raises DataError for a part of a lot."""
    ratio = round(instrument.size_unit / unit)
    if abs(instrument.size_unit / unit - ratio) > 1e-9 * ratio or ratio < 1:
        raise DataError(
            f"{checker.source}: the lot of {instrument.size_unit:g} is not a whole multiple of "
            f"dataset.size_unit={unit:g}: set dataset.size_unit to the finest lot of all symbols."
        )
    if ratio == 1:
        return events
    sizes = ["size", *(f"{side}_sz_{m:02d}" for m in range(levels) for side in ("bid", "ask"))]
    for column in sizes:
        part = events.filter(pl.col(column) % ratio != 0)
        if part.height:
            raise DataError(
                f"{checker.source}, {checker.place} {part['line'][0]}, column {column}: "
                f"{part[column][0] * unit:g} is not a multiple of the lot of {instrument.size_unit:g} "
                f"({part.height} such rows): give the symbol's lot in dataset.instruments."
            )
    return events.with_columns(pl.col(sizes) // ratio)


def _list_windows(feed: Feed, dataset: FileDataset, name: str, stamps: Int64) -> list[Window]:
    """List the sessions that contain events of the feed. Raises _OutsideHours if there are none."""
    span = int(stamps[0]), int(stamps[-1])
    try:
        windows = calendar.list_windows(name, dataset.hours, *span)
    except DataError as error:  # the calendar does not know the file's name
        raise DataError(f"{feed.checker.source}: {error}") from error
    if feed.open is not None and feed.close is not None and feed.date is not None:
        named = Window(feed.date, feed.open, feed.close)
        same_day = [w for w in windows if w.date == feed.date and dataset.hours != "all"]
        if isinstance(dataset.hours, list) and not same_day:
            # By its name the file is of a day that the calendar does not have.
            day = dt.date.fromisoformat(feed.date)
            same_day = [calendar.make_window(day, dataset.hours, calendar.find_time_zone(name))]
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
    if feed.open is None and (name == ALWAYS or dataset.hours == "all"):
        return [w.trim(stamps) for w in used]
    return used


def _format_span(first: int, last: int) -> str:
    return " to ".join(str(np.datetime64(t // SECOND, "s")) for t in (first, last)) + " UTC"


def _assign_windows(stamps: Int64, windows: list[Window]) -> tuple[Int64, list[int]]:
    """Return each row's window, -1 where it is in none, and per window the number of such rows nearest to it."""
    index = np.full(len(stamps), -1, np.int64)
    for k, w in enumerate(windows):
        index[np.searchsorted(stamps, w.open) : np.searchsorted(stamps, w.close, side="right")] = k
    halfway = [(a.close + b.open) // 2 for a, b in pairwise(windows)]
    nearest = np.searchsorted(np.array(halfway, np.int64), stamps[index < 0])
    return index, np.bincount(nearest, minlength=len(windows)).tolist()


def _check_ticks(events: pl.DataFrame, tick_size: float, checker: Checker) -> None:
    """Raise DataError for best quotes off the tick: a wrong tick would silently scale every number."""
    tick = round(tick_size * PRICE_SCALE)
    for column in ("bid_px_00", "ask_px_00"):
        off = events.filter(pl.col(column) % tick != 0)
        if off.height:
            raise DataError(
                f"{checker.source}, {checker.place} {off['line'][0]}, column {column}: "
                f"{off[column][0] / PRICE_SCALE:g} is not a multiple of "
                f"dataset.tick={tick / PRICE_SCALE:g} ({off.height} such rows): give the instrument's tick."
            )


def _limit_events(session: Session, max_events: int | None) -> Session:
    if max_events is None or session.events.height <= max_events:
        return session
    beyond = session.events.height - max_events
    events = session.events.head(max_events)
    quality = session.quality
    return replace(
        session,
        events=events,
        close=int(extract_times(events)[-1]),
        scheduled_close=session.close if session.scheduled_close is None else session.scheduled_close,
        quality=replace(quality, used=max_events, dropped=add_counts(quality.dropped, {"beyond_max_events": beyond})),
        truth=None if session.truth is None else session.truth.head(max_events),
    )
