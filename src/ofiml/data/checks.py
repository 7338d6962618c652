"""Checks of rows. Each cause has a policy: raise an error with the place, drop and count, or keep and count."""

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from types import MappingProxyType

import numpy as np
import polars as pl

from ofiml.config import Policy
from ofiml.data.causes import list_counts
from ofiml.data.conditions import (
    ENDS,
    MESSAGE,
    SAME_BOOK,
    TRADING,
    Auctions,
    Check,
    find_trading,
    has_own_receipt,
    list_no_auctions,
    make_change_checks,
    make_null_expressions,
    make_row_checks,
    make_sentinel_checks,
    make_state_checks,
    mark_neighbours,
    number_messages,
)
from ofiml.data.remedies import describe_remedy, explain_cell, shorten_cell, write_remedy
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.errors import DataError

__all__ = ["Check", "Checker", "carry_flags"]

# Two clocks never agree exactly. Beyond this tolerance the columns are swapped or a time is wrong.
_CLOCK_TOLERANCE = dt.timedelta(seconds=1)
# Beyond all three a file is not sorted; below, single times are wrong or two clocks disagree a little.
_MIN_UNSORTED_ROWS, _MIN_UNSORTED_SHARE, _MIN_UNSORTED_NS = 10, 0.01, 60 * 10**9


@dataclass(slots=True)
class Checker:
    """The policy for the rows of one input, with counts of dropped and kept rows by cause.

    `book_source` is the file of the book columns if that is a separate file. Frames have a column `line`: the number of
    the line in the file, or of the unit that `place` names (record, row). If several files are read as one, lines are
    numbered through, and `parts` has the last number before each file, and its name.
    """

    source: str
    policy: Policy
    book_source: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    place: str = "line"
    notes: list[str] = field(default_factory=list)
    parts: list[tuple[int, str]] = field(default_factory=list)

    def with_zero_counts(self) -> "Checker":
        """Make a checker for other rows of the same input, with all counts at zero."""
        return Checker(self.source, self.policy, self.book_source, place=self.place, parts=self.parts)

    def begin_part(self, name: str, before: int) -> None:
        """Begin a file of an input of several; `before` is the largest line number of the files before it."""
        self.parts.append((before, name))

    def find_part(self, line: int) -> int:
        """Return the index of the file with a line; its number is counted through all files of the input."""
        return max(bisect_left(self.parts, line, key=itemgetter(0)) - 1, 0)

    def locate(self, line: int, *, of_book: bool = False) -> str:
        """Name the place of a row: its file and its line there."""
        source, before = self.book_source if self.book_source and of_book else self.source, 0
        if self.parts:
            before, source = self.parts[self.find_part(line)]
        return f"{source}, {self.place} {line - before}"

    def make_no_rows_error(self) -> DataError:
        """Make the error for an input without remaining rows; it states the dropped rows by cause."""
        dropped = list_counts(self.dropped) or "none"
        return DataError(f"{self.source}: no rows remain (dropped: {dropped}); check dataset=… and the file.")

    def apply(
        self,
        frame: pl.DataFrame,
        checks: list[Check],
        mark: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame,
    ) -> pl.DataFrame:
        """Return the rows that pass all checks; see `refuse`. A dropped row counts only for the first failed check.

        `mark` adds columns that several conditions need; they are made again when rows were dropped.
        """
        frame = mark(frame)
        has_bad_rows = frame.select(c.bad.fill_null(False).any().alias(str(i)) for i, c in enumerate(checks)).row(0)
        for check, any_bad in zip(checks, has_bad_rows, strict=True):
            if any_bad:
                bad = frame.select(check.bad.fill_null(False)).to_series()
                if check.state and bad.any() and getattr(self.policy, check.cause) == "drop":
                    bad = frame.select(MESSAGE, bad.alias("bad")).select(pl.col("bad").any().over(MESSAGE)).to_series()
                remaining = self.refuse(check.cause, frame, bad, check.column, check.what)
                frame = remaining if remaining.height == frame.height else mark(remaining)
        return frame

    def refuse(
        self,
        cause: str,
        frame: pl.DataFrame,
        bad: pl.Series,
        column: str,
        what: str,
        remedy: Callable[[str], str] | None = None,
    ) -> pl.DataFrame:
        """Return the frame without its bad rows, or unchanged if the policy keeps them.

        Raises DataError if the policy of `cause` is `raise` and a row is bad. `remedy` makes the sentence after the
        error from the first bad cell; without it the policies of the cause are offered.
        """
        count = int(bad.sum())
        if count == 0:
            return frame
        policy = getattr(self.policy, cause)
        if policy == "raise":
            first = frame.filter(bad).row(0, named=True)
            row = {name: shorten_cell(cell) for name, cell in first.items()}
            row["value"] = row.get(column)
            own = None if remedy is None else remedy(str(first.get(column)))
            sentence = write_remedy(cause, self.policy, count, frame.height, own)
            where = self.locate(row["line"], of_book=column[:4] in ("bid_", "ask_"))
            raise DataError(
                f"{where}, column {column}: {what.format(**row)} ({count} such row{'s' * (count > 1)}). {sentence}"
            )
        self.count(cause, count)
        return frame if policy == "keep" else frame.filter(~bad)

    def count(self, cause: str, count: int) -> None:
        """Count rows as dropped or kept, depending on the policy of their cause."""
        counts = self.kept if getattr(self.policy, cause) == "keep" else self.dropped
        counts[cause] = counts.get(cause, 0) + count

    def notice(self, cause: str, lines: pl.Series, what: str) -> None:
        """Count the messages at `lines` under `cause`. Raises DataError if the policy of `cause` is `raise`."""
        if getattr(self.policy, cause) == "raise":
            raise DataError(
                f"{self.locate(int(lines[0]))}: {what} ({len(lines)} such row{'s' * (len(lines) > 1)}). "
                f"{describe_remedy(cause, self.policy)}"
            )
        self.count(cause, len(lines))

    def parse(
        self,
        text: pl.DataFrame,
        casts: dict[str, pl.Expr],
        optional: set[str],
        explain: Mapping[str, Callable[[str], tuple[str, str | None]]] = MappingProxyType({}),
    ) -> pl.DataFrame:
        """Cast text to the columns of `casts`; return them with `line`.

        A cell that does not parse is unreadable; so is an empty cell, unless its column is optional. `explain` makes
        from a bad cell of a column its cause and a remedy; with a remedy, dropping such rows is not offered.
        """
        parsed = text.select("line", *(cast.alias(column) for column, cast in casts.items()))
        for column in casts:
            empty = text[column].is_null() | (text[column].str.strip_chars() == "")
            bad = parsed[column].is_null()
            if column in optional:
                bad &= ~empty
            if not bad.any():
                continue
            first_is_empty = empty.filter(bad)[0]
            what = "the value is missing" if first_is_empty else "{value!r} cannot be read"
            remedy = (
                None
                if first_is_empty or column not in explain
                else partial(explain_cell, column, explain[column], policy=self.policy)
            )
            text = self.refuse("unreadable", text, bad, column, what, remedy)
            parsed = parsed.filter(~bad)
        return parsed

    def check_times(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose receipt is neither before a previous receipt nor over a second before the event."""
        late = (pl.col("ts_event") > pl.col("ts_recv") + _CLOCK_TOLERANCE) & has_own_receipt()
        what = "the event time {ts_event} is more than 1 s later than its receipt, {ts_recv}"
        return self._check_order(self.apply(events, [Check("clock", "ts_event", late, what)]))

    def _check_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows in order of receipt.

        A decrease means that a time is too late or the next one too early. The assumption with fewer wrong rows is
        used, so one wrong time does not affect all rows after it. If such rows are kept, an early row gets the time of
        the row before it, a late row that of the row after it.
        """
        stamps = frame["ts_recv"].to_physical()
        early = stamps < stamps.cum_max()
        if not early.any():
            return frame
        late = stamps > stamps.cum_min(reverse=True)
        self._refuse_unsorted(frame, early, stamps, late)
        if early.sum() <= late.sum():
            frame = self.refuse(
                "time_reversal", frame, early, "ts_recv", "the time {ts_recv} is earlier than in a row before it"
            )
            if self.policy.time_reversal == "keep":
                frame = frame.with_columns(pl.col("ts_recv").cum_max())
            return frame
        what = "the time {ts_recv} is later than in the rows after it"
        frame = self.refuse("time_reversal", frame, late, "ts_recv", what)
        if self.policy.time_reversal == "keep":
            frame = frame.with_columns(pl.col("ts_recv").cum_min(reverse=True))
        return frame

    def _refuse_unsorted(self, frame: pl.DataFrame, early: pl.Series, stamps: pl.Series, late: pl.Series) -> None:
        """Raise DataError for rows that are not in order of time: dropping or keeping them would spoil the data.

        These are many rows far from their place: stretches of the file are interleaved, or the file runs backwards.
        """
        count = min(int(early.sum()), int(late.sum()))
        if count < _MIN_UNSORTED_ROWS or count < _MIN_UNSORTED_SHARE * frame.height:
            return
        behind = (stamps.cum_max() - stamps).filter(early)
        if float(behind.median() or 0.0) < _MIN_UNSORTED_NS:  # type: ignore[arg-type]
            return
        row = frame.filter(early).row(0, named=True)
        raise DataError(
            f"{self.locate(row['line'])}, column ts_recv: the rows are not in order of time: "
            f"{row['ts_recv']} is earlier than in a row before it ({count:,} of {frame.height:,} rows are misplaced). "
            "Sort the file by its sequence number, or by its time if it has none (with dataset=quotes, "
            "dataset.columns.sequence sorts it)."
        )

    def check_book(self, events: pl.DataFrame, levels: int, auctions: Auctions = list_no_auctions) -> pl.DataFrame:
        """Return one session's rows with valid books; make missing levels null, count unusual but possible rows.

        The book is judged at the last row of each message, or at every row if no row is marked as the last one. It may
        be crossed or locked in `auctions`, and after one until it is uncrossed for the first time.
        """
        # In one block: new columns of one block beside those of several make polars copy the table at each step.
        events = self.apply(events.rechunk(), make_sentinel_checks(levels))
        events = events.with_columns(make_null_expressions(levels))
        judged = events.with_columns(number_messages(events), find_trading(events, auctions))
        mark = partial(mark_neighbours, levels=levels)
        states = make_state_checks(levels)
        remaining = self.apply(judged, [*make_row_checks(levels), *states, *make_change_checks()], mark)
        if remaining.height < judged.height:
            # A message whose last row was dropped ends in another book, which was not judged.
            remaining = self.apply(remaining, [c for c in states if getattr(self.policy, c.cause) != "keep"], mark)
        self._note_auctions(remaining)
        return remaining.drop(MESSAGE, TRADING, ENDS, SAME_BOOK)

    def _note_auctions(self, events: pl.DataFrame) -> None:
        if events[TRADING].all():
            return
        crossed = pl.col("bid_px_00") >= pl.col("ask_px_00")
        count = int(events.select((pl.col(ENDS) & ~pl.col(TRADING) & crossed).sum()).item())
        if count:
            self.notes.append(
                f"the book is locked or crossed at {count:,} message ends before the open or in an auction"
            )


def carry_flags(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Move the flags of dropped rows to the remaining rows of `before`, which `row` identifies.

    A clear or snapshot marks the next remaining row as F_SNAPSHOT, so that no flow is measured across it. The end of a
    message moves to the last remaining row of the message, so that its state is not known too late.
    """
    if after.height == before.height or after.height == 0:
        return after
    remaining = np.flatnonzero(np.isin(before["row"].to_numpy(), after["row"].to_numpy(), assume_unique=True))
    flags = after["flags"].to_numpy().copy()
    reset = ((before["action"] == "R") | ((before["flags"] & F_SNAPSHOT) != 0)).to_numpy()
    following = np.searchsorted(remaining, np.flatnonzero(reset))  # a remaining row follows itself
    flags[following[following < len(remaining)]] |= F_SNAPSHOT
    # If a whole message was dropped, the row before it already ends its own message.
    ends = np.flatnonzero(((before["flags"] & F_LAST) != 0).to_numpy())
    preceding = np.searchsorted(remaining, ends, side="right") - 1
    flags[preceding[preceding >= 0]] |= F_LAST
    return after.with_columns(pl.Series("flags", flags))
