"""Join the files of one session: CME days cut at midnight UTC, hourly files, a recording that was rotated.

Inputs that may share a session form a chain, which is read in order. The parts of a session are joined in order of
time: rows that both parts hold count once, and a pause between the parts is reported.
"""

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.config.dataset import AUTO, Policy
from ofiml.data import calendar
from ofiml.data.feed import Blob, Feed
from ofiml.data.quality import Quality, add_counts
from ofiml.data.readers import READERS, Groups
from ofiml.data.schema import F_SNAPSHOT, ORDER_TIME, Session, extract_times
from ofiml.errors import DataError
from ofiml.units import SECOND

_END_BYTES, _PIECE_BYTES = 1 << 16, 1 << 22  # of a text file: enough for its first or last events; read at a time
_BINARY = (b"PK\x03\x04", b"7z\xbc\xaf", b"DBN", b"PAR1", b"\x93NUMPY")
_GRACE = 60 * SECOND  # a file that begins so soon after a session does not continue it
_LONG_PAUSE = 60 * SECOND  # between two parts; longer ones may have lost events

_ends: dict[str, "_End | None"] = {}  # by input


class _End(NamedTuple):
    """The receipt of an input's first or last event (ns), the calendar of its symbol, and the symbols at that end."""

    stamp: int
    calendar: str
    symbols: frozenset[str]


def chain_inputs(groups: Groups, dataset: FileDataset) -> list[Groups]:
    """Put inputs that may share a session into one chain, in order of their first events.

    An input continues the last one of its symbols if its first event lies inside a session that began more than a
    minute earlier, and that the last one reaches. Both are read from the ends of text files; other files are assumed to
    continue.
    """
    if len(groups) < 2 or READERS[dataset.name].whole_days:
        return [[group] for group in groups]
    firsts = [_remember_end(group, dataset, last=False) for group in groups]
    known = [first.stamp for first in firsts if first is not None]
    if len(known) == len(groups):
        order = sorted(range(len(groups)), key=lambda k: known[k])
        groups, firsts = [groups[k] for k in order], [firsts[k] for k in order]
    chains: list[Groups] = []
    of_symbol: dict[str, Groups] = {}  # the last chain of each symbol
    for group, first in zip(groups, firsts, strict=True):
        before = chains[-1:] if first is None else [of_symbol[s] for s in sorted(first.symbols) if s in of_symbol]
        chain = next((chain for chain in before if _continues_session(chain[-1], first, dataset)), None)
        if chain is None:
            chain = []
            chains.append(chain)
        chain.append(group)
        of_symbol |= dict.fromkeys(first.symbols if first else of_symbol, chain)
    return chains


def _remember_end(group: Sequence[Path], dataset: FileDataset, *, last: bool) -> _End | None:
    """Return the first or last end of an input; a study asks for its inputs several times."""
    try:
        stats = [path.stat() for path in group]
    except OSError:
        return None
    key = repr((dataset, group, last, [(stat.st_mtime_ns, stat.st_size) for stat in stats]))
    if key not in _ends:
        _ends[key] = _parse_end(group, dataset, last=last)
    return _ends[key]


def _parse_end(group: Sequence[Path], dataset: FileDataset, *, last: bool) -> _End | None:
    """Parse the first or last lines of an input's files; None where that fails."""
    lenient = replace(dataset, policy=_make_lenient_policy())
    ends = [blob for path in group if (blob := _read_end(path, last=last)) is not None]
    if len(ends) < len(group):
        return None
    try:
        feeds = READERS[dataset.name].read_feeds(ends, lenient)
        parts = [
            (extract_times(feed.events), _find_calendar(feed, dataset), feed.symbol)
            for feed in feeds
            if feed.events.height
        ]
    except (DataError, ValueError):  # too little of the file, or damaged: reading all of it will tell
        return None
    if not parts:
        return None
    times = [(int(stamps.max() if last else stamps.min()), name) for stamps, name, _ in parts]
    return _End(*(max(times) if last else min(times)), frozenset(symbol for _, _, symbol in parts))


def _make_lenient_policy() -> Policy:
    """Make the policy that refuses nothing: only times are asked for."""
    strict = Policy()
    choices = {f.name: strict.choices(f.name) for f in fields(Policy)}
    return Policy(**{cause: "keep" if "keep" in allowed else "drop" for cause, allowed in choices.items()})


def _read_end(path: Path, *, last: bool) -> Blob | None:
    """Read the first lines of a text file, or its first line and its last ones; None for a binary file.

    A gzipped file is unpacked to its end, without keeping it.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            head = tail = file.read(_END_BYTES)
            if head.startswith(_BINARY) or b"\0" in head[:4096] or b"\n" not in head:
                return None
            if len(head) < _END_BYTES or not last:
                return Blob(path.name, head if len(head) < _END_BYTES else head[: head.rindex(b"\n") + 1])
            if not packed:
                file.seek(max(path.stat().st_size - _END_BYTES, len(head)))
            while piece := file.read(_PIECE_BYTES):
                tail = (tail + piece)[-_END_BYTES:]
    except (OSError, EOFError):
        return None
    return Blob(path.name, head[: head.index(b"\n") + 1] + tail[tail.find(b"\n") + 1 :])


def _find_calendar(feed: Feed, dataset: FileDataset) -> str:
    own = dataset.find_instrument(feed.symbol).calendar
    return feed.calendar or calendar.ALWAYS if own == AUTO else own


def _continues_session(before: Sequence[Path], first: _End | None, dataset: FileDataset) -> bool:
    """Return whether an input whose first event is `first` may continue a session of the input `before`."""
    if first is None:
        return True
    windows = calendar.list_windows(first.calendar, dataset.hours, first.stamp, first.stamp)
    opens = [window.open for window in windows if window.open + _GRACE < first.stamp <= window.close]
    if not opens:
        return False
    last = _remember_end(before, dataset, last=True)
    return last is None or last.stamp >= opens[0]


def join_sessions(inputs: Iterable[Iterable[Session]], dataset: FileDataset) -> Iterator[Session]:
    """Join the sessions of one symbol and date in consecutive inputs; yield each when the symbol's next date begins.

    Memory holds one session of each symbol. Raises DataError for parts that overlap and differ, and, after all other
    inputs, for inputs that cannot be read; with `dataset.bad_files=skip` a note of the last session names these.
    """
    parts: dict[str, list[Session]] = {}
    errors: list[DataError] = []
    for session in _read_in_turn(inputs, errors):
        earlier = parts.get(session.symbol, [])
        if earlier and earlier[0].date != session.date:
            yield _join_parts(parts.pop(session.symbol), dataset)
        parts.setdefault(session.symbol, []).append(session)
    notes = [f"left out an input that cannot be read (dataset.bad_files=skip): {error}" for error in errors]
    for k, rest in enumerate(parts.values()):
        joined = _join_parts(rest, dataset)
        if k == 0 and dataset.bad_files == "skip":
            joined.quality.notes.extend(note.removesuffix(".") for note in notes)
        yield joined
    if errors and (dataset.bad_files == "raise" or not parts):
        more = f" {len(errors) - 1} other inputs cannot be read either." if len(errors) > 1 else ""
        raise DataError(f"{errors[0]}{more}") from errors[0]


def _read_in_turn(inputs: Iterable[Iterable[Session]], errors: list[DataError]) -> Iterator[Session]:
    """Yield the sessions of one input after the other; add the error of an input that cannot be read to `errors`."""
    for sessions in inputs:
        try:
            yield from sessions
        except DataError as error:
            errors.append(error)


def _join_parts(parts: list[Session], dataset: FileDataset) -> Session:
    """Join the parts of one session in order of time."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda part: int(extract_times(part.events)[0]))
    names = f"{parts[0].source} to {parts[-1].source}" if len(parts) > 2 else " and ".join(p.source for p in parts)
    for part in parts[1:]:
        if (part.levels, part.tick, part.size_unit) != (parts[0].levels, parts[0].tick, parts[0].size_unit):
            raise DataError(
                f"{parts[0].source} and {part.source} contain the same session, {part.symbol} on {part.date}, in "
                "different ways (levels, tick or lots): choose one, or set dataset.levels."
            )
    tables, overlap = [parts[0].events], 0
    for before, after in pairwise(parts):
        table = _drop_overlap(tables, before, after)
        overlap += after.events.height - table.height
        tables.append(table)
    pauses = _measure_pauses(tables)
    longest = max(pauses)
    lost = [k for k, pause in enumerate(pauses) if pause > max(_LONG_PAUSE, 10 * _measure_longest_wait(tables))]
    if lost and dataset.policy.gap == "raise":
        raise DataError(
            f"{parts[lost[0]].source} ends {pauses[lost[0]] / SECOND:,.0f} s before {parts[lost[0] + 1].source} "
            "begins: fetch what is missing, or count and keep the gap: dataset.policy.gap=keep."
        )
    for k in lost:
        tables[k + 1] = _mark_snapshot(tables[k + 1])
    events = _concatenate(tables)
    scheduled = max(part.close if part.scheduled_close is None else part.scheduled_close for part in parts)
    close = max(part.close for part in parts)
    note = f"joined from {len(parts)} files, with a pause of at most {longest / SECOND:,.3f} s between them"
    return replace(
        parts[0],
        events=events,
        open=min(part.open for part in parts),
        close=close,
        scheduled_close=None if scheduled == close else scheduled,
        source=names,
        digest=hashlib.sha256("".join(part.digest for part in parts).encode()).hexdigest(),
        quality=_sum_qualities([part.quality for part in parts], events.height, overlap, len(lost), note),
    )


def _drop_overlap(tables: list[pl.DataFrame], before: Session, after: Session) -> pl.DataFrame:
    """Return the rows of `after` that no earlier part holds. Raises DataError if other rows lie in the overlap."""
    end = max(int(extract_times(table)[-1]) for table in tables if table.height)
    count = int(np.searchsorted(extract_times(after.events), end, side="right"))
    if count == 0:
        return after.events
    head = after.events.head(count)
    # Readers number the rows of a feed without sequence numbers, from the start of each file, and know the places of
    # those orders only that were added in it.
    columns = [column for column in head.columns if column not in ("sequence", ORDER_TIME)]
    new = head.join(_stack(tables), on=columns, how="anti", nulls_equal=True)
    # Rows of the very last instant may lie in either file; earlier ones must be the same in both.
    if new.height and int(extract_times(new)[0]) < end:
        first = np.datetime64(int(extract_times(new)[0]), "ns")
        raise DataError(
            f"{before.source} and {after.source} overlap in time and differ there, first at {first} UTC "
            f"({after.symbol}, {new.height} rows): they are two feeds, or rows are missing in one; choose one."
        )
    return after.events if new.height == count else _stack([new, after.events.slice(count)])


def _measure_pauses(tables: list[pl.DataFrame]) -> list[int]:
    """Measure the time from the last event of each part to the first of the next, ns; 0 for a part without new rows."""
    times = [extract_times(table) for table in tables]
    return [int(b[0] - a[-1]) if len(a) and len(b) else 0 for a, b in pairwise(times)]


def _measure_longest_wait(tables: list[pl.DataFrame]) -> int:
    """Measure the longest time between two events inside a part, ns."""
    return max((int(np.diff(extract_times(table)).max()) for table in tables if table.height > 1), default=0)


def _concatenate(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Concatenate the parts; sequence numbers that begin again in a part continue those of the part before."""
    parts: list[pl.DataFrame] = []
    for table in tables:
        if table.height and parts:
            last, first = parts[-1]["sequence"][-1], table["sequence"][0]
            if last is not None and first is not None and first <= last:
                table = table.with_columns(pl.col("sequence") + (last + 1 - first))
        parts += [table] if table.height else []
    return _stack(parts)


def _stack(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Stack tables of the same levels; an optional column that some of them lack is null in their rows."""
    return pl.concat(tables, how="diagonal")


def _mark_snapshot(table: pl.DataFrame) -> pl.DataFrame:
    """Flag the first row as one that states a book, so that no flow is measured from the row before it."""
    first = pl.int_range(pl.len()) == 0
    return table.with_columns(pl.when(first).then(pl.col("flags") | F_SNAPSHOT).otherwise(pl.col("flags")))


def _sum_qualities(qualities: list[Quality], used: int, overlap: int, gaps: int, note: str) -> Quality:
    """Sum the counts of the parts; rows that two parts hold are dropped as `overlap`."""
    dropped: dict[str, int] = {}
    kept: dict[str, int] = {}
    notes: list[str] = []
    for quality in qualities:
        dropped, kept = add_counts(dropped, quality.dropped), add_counts(kept, quality.kept)
        notes += [line for line in quality.notes if line not in notes]
    return Quality(
        rows=sum(quality.rows for quality in qualities),
        used=used,
        dropped=add_counts(dropped, {"overlap": overlap}),
        kept=add_counts(kept, {"gap": gaps}),
        notes=[*notes, note],
    )
