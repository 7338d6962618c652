"""Sessions of a dataset: read from its files or simulated, checked, one at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.config.instrument import collect_keys
from ofiml.data import cache as store
from ofiml.data.chains import chain_inputs, describe_stream, name_paths, split_streams
from ofiml.data.cutting import OutsideHoursError, count_outside, cut_sessions
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats.archives import is_archive
from ofiml.data.inputs import describe_same_session, explain_wrong_reader, group_inputs
from ofiml.data.joining import join_sessions
from ofiml.data.plausibility import list_doubts
from ofiml.data.quality import add_counts
from ofiml.data.readers import READERS, Groups
from ofiml.data.schema import (
    Session,
    extract_times,
)
from ofiml.data.silence import end_at_silence
from ofiml.errors import DataError
from ofiml.provenance import hash_files
from ofiml.storage import open_storage


@dataclass(frozen=True, slots=True)
class Source:
    """One input, or one simulated day; a call yields its sessions.

    `name` returns a hash of everything that determines the sessions, content included; None if it is unknown. `files`
    are those of the input; a simulated day has none. A source can be sent to another process.
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
        symbols = len(dataset.impact)  # a simulated day has one session per symbol
        count = min(dataset.sessions, -(-(dataset.max_sessions or dataset.sessions * symbols) // symbols))

        return [
            Source(partial(_simulate_day, dataset, index), partial(_name_day, dataset, index)) for index in range(count)
        ]
    chains = chain_inputs(group_inputs(dataset), dataset)

    def make_source(chain: Groups) -> Source:
        alone = len(chains) == 1 and len(chain) == 1

        chosen = {k: getattr(dataset, k) for k in ("first_date", "last_date", "max_sessions", "max_events")}
        if len(chain) > 1:  # an input left out of a chain leaves its other sessions valid, but not as a whole chain
            chosen["bad_files"] = dataset.bad_files
        paths = [path for group in chain for path in group]
        return Source(
            partial(_read_chain, chain, dataset, alone=alone),
            partial(_name_input, paths, dataset, alone=alone, **chosen),
            tuple(paths),
        )

    everything = dataset.first_date is None and dataset.last_date is None
    return [make_source(chain) for chain in chains[: dataset.max_sessions if everything else None]]


def _simulate_day(dataset: SyntheticDataset, index: int) -> Iterator[Session]:
    from ofiml.data.synthetic import simulate_sessions  # compiles its kernel, so only where it is used

    return (_limit_events(s, dataset.max_events) for s in simulate_sessions(dataset, index))


def _name_day(dataset: SyntheticDataset, index: int) -> str:
    return store.make_cache_key([str(index)], "", dataset, max_events=dataset.max_events)


def _read_chain(chain: Groups, dataset: FileDataset, *, alone: bool) -> Iterator[Session]:
    def read_stream(inputs: Groups) -> Iterator[Session]:
        sessions = _read_inputs(inputs, dataset, alone=alone)
        return explain_wrong_reader(sessions, [path for group in inputs for path in group], dataset)

    if len(chain) > 1 or _may_hold_parts(chain):
        sessions = join_sessions(split_streams(chain, dataset), dataset, read_stream)
    else:
        sessions = read_stream(chain)
    judged = (_warn_of_doubts(end_at_silence(s), dataset) for s in sessions if _is_in_range(s, dataset))
    return (_limit_events(s, dataset.max_events) for s in _take_first(judged, dataset.max_sessions))


def _may_hold_parts(chain: Groups) -> bool:
    """Return whether an input is an archive, whose files may be parts of one session."""
    return any(is_archive(path.name) for group in chain for path in group)


def _warn_of_doubts(session: Session, dataset: FileDataset) -> Session:
    """Add what is implausible about the session to its warnings. Raises DataError for a grave doubt."""
    own_tick = "tick" in collect_keys(session.symbol, dataset.instruments)
    doubts = list_doubts(session, dataset.find_instrument(session.symbol), own_tick=own_tick)
    for doubt in doubts:
        if doubt.grave and dataset.implausible == "raise":
            raise DataError(
                f"{session.source}, {session.symbol} {session.date}: {doubt.sentence}. If the data are right as they "
                "are, set dataset.implausible=warn."
            )
    if not doubts:
        return session
    warnings = session.quality.warnings | {doubt.kind: doubt.sentence for doubt in doubts}
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


def _read_inputs(inputs: Groups, dataset: FileDataset, *, alone: bool) -> Iterator[Session]:
    """Read an input, or several as one stream."""
    paths = [path for group in inputs for path in group]
    content = hash_files(paths)

    def make() -> Iterator[Session]:
        try:
            yield from _read_sessions(inputs, dataset, content)
        except OutsideHoursError:
            # A single input without regular hours is read whole; a note reports it.
            if not alone or dataset.hours != "regular":
                raise
            for session in _read_sessions(inputs, replace(dataset, hours="all"), content):
                local = " (if its times are local, set dataset.time_zone)" if hasattr(dataset, "time_zone") else ""
                session.quality.notes.append(f"no events in regular hours, so all hours are used{local}")
                yield session

    if dataset.store is None:
        return make()
    return store.cache_sessions(open_storage(dataset.store), _hash_input(paths, content, dataset, alone=alone), make)


def _read_feeds(inputs: Groups, dataset: FileDataset) -> Iterator[Feed]:
    """Read the feeds of an input, or of several as one stream; a note reports these."""
    reader = READERS[dataset.name]
    names = iter(name_paths([path for group in inputs for path in group]))
    blobs = [[Blob(next(names), path=path) for path in group] for group in inputs]
    if len(blobs) == 1 or reader.chain is None:
        yield from reader.read_feeds(blobs[0], dataset)
        return
    note = describe_stream(inputs, dataset)
    files = blobs if reader.chain.by_input else [blob for group in blobs for blob in group]
    for feed in reader.chain.read(files, dataset):
        yield replace(feed, notes=(*feed.notes, note))


def _read_sessions(inputs: Groups, dataset: FileDataset, content: str) -> Iterator[Session]:
    """Yield the sessions of inputs with the digest `content`.

    Raises OutsideHoursError if all its events are outside.
    """
    last, outside = None, []
    for feed in _read_feeds(inputs, dataset):
        try:
            for session in cut_sessions(feed, dataset, content):
                if last is not None:
                    yield last
                last = session
        except OutsideHoursError as error:  # raised only if no other symbol has a session
            outside.append(error)
    if last is not None:
        notes = [f"{one.symbol} {one.date or ''}".strip() + " has no events in these hours" for one in outside]
        yield count_outside(last, outside, notes)
    elif outside:
        raise outside[0]


def _is_in_range(session: Session, dataset: FileDataset) -> bool:
    return (dataset.first_date or "") <= session.date <= (dataset.last_date or "9")


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
