"""Join the parts of one session: CME days cut at midnight UTC, hourly files, a recording that was rotated.

The parts are joined in order of time: rows that both parts hold count once, and a pause between the parts is reported.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.chains import Reading, Stream, read_streams
from ofiml.data.cutting import count_outside
from ofiml.data.parts import is_long_pause, name_files
from ofiml.data.quality import Quality, add_counts
from ofiml.data.readers import Groups
from ofiml.data.schema import F_SNAPSHOT, Session, extract_times
from ofiml.errors import DataError
from ofiml.units import SECOND

Part = tuple[Session, int]  # of a session, and the number of losses in the chain before it


def join_sessions(
    streams: list[Stream], dataset: FileDataset, read: Callable[[Groups], Iterator[Session]]
) -> Iterator[Session]:
    """Join the sessions of one symbol and date in consecutive streams; yield each when the symbol's next date begins.

    Memory holds one session of each symbol. Raises DataError for parts that overlap and differ, and, after all other
    inputs, for inputs that cannot be read; with `dataset.bad_files=skip` the session that is yielded next names these.
    """
    parts: dict[str, list[Part]] = {}
    reading = Reading()
    for session, losses in read_streams(streams, dataset, read, reading):
        earlier = parts.get(session.symbol, [])
        if earlier and earlier[0][0].date != session.date:
            yield _add_findings(_join_parts(parts.pop(session.symbol), dataset), reading)
        parts.setdefault(session.symbol, []).append((session, losses))
    for rest in parts.values():
        yield _add_findings(_join_parts(rest, dataset), reading)
    if reading.outside and not parts:
        raise reading.outside[0]
    errors = reading.errors
    if errors and (dataset.bad_files == "raise" or not parts):
        more = f" {len(errors) - 1} other inputs cannot be read either." if len(errors) > 1 else ""
        raise DataError(f"{errors[0]}{more}") from errors[0]


def _add_findings(session: Session, reading: Reading) -> Session:
    """Move what was found so far to a session: bad files to its record, inputs outside the hours to its counts."""
    bad, outside = reading.bad_files, reading.outside
    reading.bad_files, reading.outside = [], []
    if outside:
        note = f"files without an event in these hours: {len(outside)} (the first: {outside[0].source})"
        session = count_outside(session, outside, [note])
    return replace(session, quality=replace(session.quality, left_out=bad)) if bad else session


def _join_parts(found: list[Part], dataset: FileDataset) -> Session:
    """Join the parts of one session in order of time."""
    if len(found) == 1:
        return found[0][0]
    found = sorted(found, key=lambda part: int(extract_times(part[0].events)[0]))
    parts, losses = [part for part, _ in found], [count for _, count in found]
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
    wait = _measure_longest_wait(tables)
    lost = [k for k, pause in enumerate(pauses) if losses[k + 1] > losses[k] or is_long_pause(pause, wait)]
    if lost and dataset.policy.gap == "raise":
        first, second = parts[lost[0]].source, parts[lost[0] + 1].source
        raise DataError(
            f"{first} ends {pauses[lost[0]] / SECOND:,.0f} s before {second} begins, and events between them are "
            "missing: fetch them, or count and keep the gap: dataset.policy.gap=keep."
        )
    for k in lost:
        tables[k + 1] = _mark_snapshot(tables[k + 1])
    events = _concatenate(tables)
    scheduled = max(part.close if part.scheduled_close is None else part.scheduled_close for part in parts)
    close = max(part.close for part in parts)
    note = f"joined from {len(parts)} files, with a pause of at most {max(pauses) / SECOND:,.3f} s between them"
    return replace(
        parts[0],
        events=events,
        open=min(part.open for part in parts),
        close=close,
        scheduled_close=None if scheduled == close else scheduled,
        source=name_files([part.source for part in parts]),
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
    # Readers number the rows of a feed without sequence numbers, from the start of each file.
    columns = [column for column in head.columns if column != "sequence"]
    new = head.join(pl.concat(tables), on=columns, how="anti", nulls_equal=True)
    # Rows of the very last instant may lie in either file; earlier ones must be the same in both.
    if new.height and int(extract_times(new)[0]) < end:
        first = np.datetime64(int(extract_times(new)[0]), "ns")
        raise DataError(
            f"{before.source} and {after.source} overlap in time and differ there, first at {first} UTC "
            f"({after.symbol}, {new.height} rows): they are two feeds, or rows are missing in one; choose one."
        )
    return after.events if new.height == count else pl.concat([new, after.events.slice(count)])


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
    return pl.concat(parts)


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
