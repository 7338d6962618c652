"""Checks of rows. Each cause has a policy: raise an error with the place, drop and count, or keep and count."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from ofiml.config import Policy
from ofiml.data.schema import F_LAST, F_SNAPSHOT, NO_PRICE
from ofiml.errors import DataError

# Two clocks never agree exactly. Beyond this tolerance the columns are swapped or a time is wrong.
_CLOCK_TOLERANCE = dt.timedelta(seconds=1)
_MAX_CELL_CHARS = 80  # characters of a cell in a message
#: Stands for a point in a file with decimal commas, where a point is not a decimal mark. No feed writes this character.
POINT = "\x01"
# Above this share unusable numbers are no damage, and dropping them would bias the data.
_MAX_DAMAGED_SHARE = 0.001
# Beyond all three a file is not sorted; below, single times are wrong or two clocks disagree a little.
_MIN_UNSORTED_ROWS, _MIN_UNSORTED_SHARE, _MIN_UNSORTED_NS = 10, 0.01, 60 * 10**9


@dataclass(frozen=True, slots=True)
class Check:
    """A condition for bad rows: where `bad` is true, `cause` applies.

    `what` describes such a row, with its columns as format fields; the field `{value}` is the cell of `column`, whose
    name may come from the file.
    """

    cause: str
    column: str
    bad: pl.Expr
    what: str


@dataclass(slots=True)
class Checker:
    """The policy for the rows of one input, with counts of dropped and kept rows by cause.

    `book_source` is the file of the book columns if that is a separate file. Frames have a column `line`: the number of
    the line in the file, or of the unit that `place` names (record, row).
    """

    source: str
    policy: Policy
    book_source: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    place: str = "line"
    notes: list[str] = field(default_factory=list)

    def with_zero_counts(self) -> "Checker":
        """Make a checker for other rows of the same input, with all counts at zero."""
        return Checker(self.source, self.policy, self.book_source, place=self.place)

    def make_no_rows_error(self) -> DataError:
        """Make the error for an input without remaining rows; it states the dropped rows by cause."""
        dropped = ", ".join(f"{count:,} {cause}" for cause, count in self.dropped.items()) or "none"
        return DataError(f"{self.source}: no rows remain (dropped: {dropped}); check dataset=… and the file.")

    def apply(self, frame: pl.DataFrame, checks: list[Check]) -> pl.DataFrame:
        """Return the rows that pass all checks; see `refuse`. A dropped row counts only for the first failed check."""
        has_bad_rows = frame.select(c.bad.fill_null(False).any().alias(str(i)) for i, c in enumerate(checks)).row(0)
        for check, any_bad in zip(checks, has_bad_rows, strict=True):
            if any_bad:
                bad = frame.select(check.bad.fill_null(False)).to_series()
                frame = self.refuse(check.cause, frame, bad, check.column, check.what)
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
            row = {name: _shorten(cell) for name, cell in first.items()}
            row["value"] = row.get(column)
            sentence = describe_remedy(cause, self.policy) if remedy is None else remedy(str(first.get(column)))
            if "=drop" not in sentence and (count == 1 or count <= _MAX_DAMAGED_SHARE * frame.height):
                sentence += f" If only such rows are damaged, drop and count them: dataset.policy.{cause}=drop."
            source = self.book_source if self.book_source and column[:4] in ("bid_", "ask_") else self.source
            raise DataError(
                f"{source}, {self.place} {row['line']}, column {column}: {what.format(**row)} "
                f"({count} such row{'s' * (count > 1)}). {sentence}"
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
                f"{self.source}, {self.place} {lines[0]}: {what} ({len(lines)} such row{'s' * (len(lines) > 1)}). "
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
            remedy = None if first_is_empty or column not in explain else partial(self._explain, explain[column])
            text = self.refuse("unreadable", text, bad, column, what, remedy)
            parsed = parsed.filter(~bad)
        return parsed

    def _explain(self, explain: Callable[[str], tuple[str, str | None]], cell: str) -> str:
        cause, remedy = explain(cell)
        return " ".join(part for part in (cause, remedy or describe_remedy("unreadable", self.policy)) if part)

    def check_times(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose receipt is neither before a previous receipt nor over a second before the event."""
        late = pl.col("ts_event") > pl.col("ts_recv") + _CLOCK_TOLERANCE
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
            f"{self.source}, {self.place} {row['line']}, column ts_recv: the rows are not in order of time: "
            f"{row['ts_recv']} is earlier than in a row before it ({count:,} of {frame.height:,} rows are misplaced). "
            "Sort the file by its sequence number, or by its time if it has none (with dataset=quotes, "
            "dataset.columns.sequence sorts it)."
        )

    def check_book(self, events: pl.DataFrame, levels: int) -> pl.DataFrame:
        """Return one session's rows with valid books; make missing levels null, count unusual but possible rows."""
        events = self.apply(events, _make_sentinel_checks(levels))
        events = events.with_columns(_make_null_expressions(levels))
        return self.apply(events, _make_book_checks(levels))


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


def _shorten(cell: Any) -> Any:
    """Shorten a cell for an error message: in a damaged file it may be megabytes long."""
    if not isinstance(cell, str):
        return cell
    return (f"{cell[:_MAX_CELL_CHARS]}…" if len(cell) > _MAX_CELL_CHARS else cell).replace(POINT, ".")


def describe_remedy(cause: str, policy: Policy) -> str:
    """Describe the remedies for a refused cause."""
    others = [p for p in policy.choices(cause) if p != "raise"]
    verbs = {"drop": "drop and count such rows", "keep": "count and keep them"}
    return "Fix the file, or " + ", or ".join(f"{verbs[p]}: dataset.policy.{cause}={p}" for p in others) + "."


def _list_columns(levels: int, quantity: str) -> list[str]:
    return [f"{side}_{quantity}_{m:02d}" for m in range(levels) for side in ("bid", "ask")]


def _make_sentinel_checks(levels: int) -> list[Check]:
    columns = ["price", *_list_columns(levels, "px")]
    what = "the number is the placeholder for no price"
    return [Check("sentinel", "price", pl.any_horizontal(pl.col(columns) == NO_PRICE), what)]


def _make_null_expressions(levels: int) -> list[pl.Expr]:
    """Replace placeholder prices by null, and sizes of levels without a price by null."""
    present = {c: pl.col(c) != NO_PRICE for c in ["price", *_list_columns(levels, "px")]}
    exprs = [pl.when(exists).then(pl.col(c)).alias(c) for c, exists in present.items()]
    for size in _list_columns(levels, "sz"):
        is_missing = ~present[size.replace("sz", "px")].fill_null(False) & (pl.col(size) == 0)
        exprs.append(pl.when(~is_missing).then(pl.col(size)).alias(size))
    return exprs


def _make_book_checks(levels: int) -> list[Check]:
    bid, ask = pl.col("bid_px_00"), pl.col("ask_px_00")
    checks = [
        Check("negative_size", c, pl.col(c) < 0, f"the size {{{c}}} is negative")
        for c in ("size", *_list_columns(levels, "sz"))
    ]
    for side, better in (("bid", 1), ("ask", -1)):
        for m in range(levels):
            px, sz = pl.col(f"{side}_px_{m:02d}"), pl.col(f"{side}_sz_{m:02d}")
            what = f"level {m} has a price, {{{side}_px_{m:02d}}}, and no size"
            checks.append(Check("zero_size", f"{side}_sz_{m:02d}", px.is_not_null() & (sz == 0), what))
            what = f"level {m} has a price, {{{side}_px_{m:02d}}}, and its size is missing"
            checks.append(Check("unreadable", f"{side}_sz_{m:02d}", px.is_not_null() & sz.is_null(), what))
            what = f"level {m} has a size, {{{side}_sz_{m:02d}}}, and no price"
            checks.append(Check("unreadable", f"{side}_px_{m:02d}", px.is_null() & sz.is_not_null(), what))
            if m:
                before = pl.col(f"{side}_px_{m - 1:02d}")
                what = (
                    f"level {m} at {{{side}_px_{m:02d}}} is not worse than level {m - 1} at {{{side}_px_{m - 1:02d}}}"
                )
                out_of_order = px.is_not_null() & ((px - before) * better >= 0).fill_null(True)
                checks.append(Check("order", f"{side}_px_{m:02d}", out_of_order, what + " (in 1e-9)"))
    what = "bid {bid_px_00} is above ask {ask_px_00} (in 1e-9): the book is crossed"
    checks.append(Check("crossed", "bid_px_00", bid > ask, what))
    checks.append(Check("locked", "bid_px_00", bid == ask, "the best bid and ask are both {bid_px_00} (in 1e-9)"))
    checks.append(Check("one_sided", "bid_px_00", bid.is_null() | ask.is_null(), "the book has no bid or no ask"))
    book = [c for q in ("px", "sz", "ct") for c in _list_columns(levels, q)]
    same_book = ~pl.any_horizontal(pl.col(book).ne_missing(pl.col(book).shift(1))) & (pl.int_range(pl.len()) > 0)
    row = ["ts_event", "action", "side", "price", "size", "sequence"]
    same_row = same_book & ~pl.any_horizontal(pl.col(row).ne_missing(pl.col(row).shift(1)))
    resting = pl.col("action").is_in(["A", "C", "M"])
    what = "sequence {sequence} repeats the row before it"
    checks.append(Check("duplicate", "sequence", same_row & resting, what))
    back = pl.col("sequence") < pl.col("sequence").shift(1)
    checks.append(
        Check("sequence", "sequence", back, "the sequence number {sequence} is lower than in the row before it")
    )
    what = "{action} of {size} does not change the visible book"
    checks.append(Check("no_effect", "action", same_book & resting, what))
    halt = (pl.col("action") == "N") & ((pl.col("flags") & F_SNAPSHOT) != 0)
    checks.append(Check("halt", "action", halt, "trading halted at {ts_event}"))
    return checks
