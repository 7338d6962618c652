"""The files of one recording as one table, and the pauses between them in which events may be lost."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.quality import add_counts
from ofiml.data.schema import F_SNAPSHOT, Int64
from ofiml.units import SECOND

_LONG_PAUSE, _MANY_WAITS = 60 * SECOND, 10


def name_files(names: Sequence[str]) -> str:
    """Name files that are read as one."""
    if len(names) > 2:
        return f"{names[0]} to {names[-1]}"
    return " and ".join(names)


def stack_checkers(checkers: Sequence[Checker], counts: Sequence[int]) -> Checker:
    """Stack the checkers of several files, and their counts; a single one stays as it is.

    `counts` has the largest line number of each file. Lines are numbered through all files, and the checker finds the
    file of each.
    """
    if len(checkers) == 1:
        return checkers[0]
    whole = Checker(name_files([own.source for own in checkers]), checkers[0].policy, place=checkers[0].place)
    before = 0
    for own, count in zip(checkers, counts, strict=True):
        whole.begin_part(own.source, before)
        whole.dropped, whole.kept = add_counts(whole.dropped, own.dropped), add_counts(whole.kept, own.kept)
        whole.notes += [note for note in own.notes if note not in whole.notes]
        before += count
    return whole


def stack_tables(parts: Sequence[tuple[pl.DataFrame, Checker]]) -> tuple[pl.DataFrame, Checker]:
    """Stack the tables of several files, and their checkers as `stack_checkers`; a single one stays as it is."""
    if len(parts) == 1:
        return parts[0]
    counts = [int(table["line"].to_numpy().max(initial=0)) for table, _ in parts]
    whole = stack_checkers([own for _, own in parts], counts)
    tables = [
        table.with_columns((pl.col("line") + before).cast(pl.UInt32).alias("line"))
        for (table, _), (before, _) in zip(parts, whole.parts, strict=True)
    ]
    return pl.concat(tables, how="diagonal"), whole


def is_long_pause(pause: int, longest_wait: int) -> bool:
    """Return whether a pause between two files (ns) may have lost events, by the longest wait inside the files."""
    return pause > max(_LONG_PAUSE, _MANY_WAITS * longest_wait)


def find_breaks(lines: Int64, stamps: Int64, checker: Checker) -> list[int]:
    """Find the first rows of files that begin after a long pause; `lines` and `stamps` (n,) are in order.

    Raises DataError if the policy of `gap` does.
    """
    if len(checker.parts) < 2 or len(lines) < 2:
        return []
    starts = np.searchsorted(lines, [before for before, _ in checker.parts[1:]], side="right")
    starts = np.unique(starts[(starts > 0) & (starts < len(lines))])
    waits = np.diff(stamps)
    inside = np.delete(waits, starts - 1)
    longest = int(inside.max(initial=0))
    breaks = [int(k) for k in starts if is_long_pause(int(waits[k - 1]), longest)]
    if breaks:
        checker.notice("gap", pl.Series(lines[breaks]), "a file begins here, a long pause after the one before it")
    return breaks


def mark_breaks(events: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    """Flag rows that each state a book where a file begins after a long pause: no flow is measured across it."""
    breaks = find_breaks(events["line"].to_numpy(), events["ts_recv"].to_physical().to_numpy(), checker)
    if not breaks:
        return events
    at = pl.int_range(pl.len()).is_in(breaks)
    flags = pl.when(at).then(pl.col("flags") | F_SNAPSHOT).otherwise(pl.col("flags"))
    return events.with_columns(flags.cast(pl.UInt8).alias("flags"))
