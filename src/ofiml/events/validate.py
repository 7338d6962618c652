"""Checks of raw rows, each cause with its policy: an error that names the place, or a counted drop."""

import datetime as dt
import io
from dataclasses import dataclass, field

import polars as pl

from ofiml.config import Policy
from ofiml.errors import DataError

# Above 2^52 units of 1e-9 a float no longer tells neighbours apart, and a price would be silently wrong.
MAX_PRICE = 4_000_000.0
MAX_SIZE = 1_000_000_000_000

# Two clocks never agree; beyond this the columns are swapped or a stamp is wrong.
_CLOCK_TOLERANCE_MS = 1000


_NOT_TEXT = {
    b"PK\x03\x04": "a zip, not a CSV: if it is LOBSTER's, use dataset=lobster; else unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd, not a CSV: unpack it; DBN is not read, only CSV is",
    b"DBN": "DBN, not a CSV: convert it to CSV",
    b"PAR1": "Parquet, not a CSV: convert it to CSV",
}


def read_text(content: bytes, source: str, *, header: bool) -> pl.DataFrame:
    """A CSV as text columns, with the file's line of each row in `line`.

    Everything is text first, so that a cell that does not parse can be named. Raises DataError for an empty file and
    for a line with more fields than the first.
    """
    for magic, what in _NOT_TEXT.items():
        if content.startswith(magic):
            raise DataError(f"{source} is {what}.")
    names = content.partition(b"\n")[0].decode(errors="replace").replace('"', "").strip().split(",") if header else []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{source}, line 1: the column {twice[0]} stands there {names.count(twice[0])} times; keep one."
        )
    try:
        frame = pl.read_csv(io.BytesIO(content), has_header=header, infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{source} is empty: give a file with rows.") from error
    except (pl.exceptions.PolarsError, OSError) as error:  # polars unpacks gzip by itself, and may fail at it
        raise DataError(_misshapen(content, source, str(error))) from error
    if frame.height == 0:
        raise DataError(f"{source} has a header and no rows: give a file with rows.")
    if "line" in frame.columns:
        raise DataError(f"{source} has a column named line, which no known format has: check dataset=….")
    return frame.with_row_index("line", offset=2 if header else 1)


def _misshapen(content: bytes, source: str, reason: str) -> str:
    lines = content.splitlines()
    width = lines[0].count(b",") if lines else 0
    for number, line in enumerate(lines, start=1):
        if line.count(b",") > width:
            fields = line.count(b",") + 1
            return f"{source}, line {number}: {fields} fields where line 1 has {width + 1}. Mend or delete the line."
    return f"{source} cannot be read as CSV ({reason.splitlines()[0]}): mend it or fetch it again."


def prices(column: str, *, unit: float) -> pl.Expr:
    """Text to int64 1e-9 prices; `unit` is what 1 in the text is worth in currency. Null where it cannot be exact."""
    value = pl.col(column).str.strip_chars().cast(pl.Float64, strict=False) * unit
    return pl.when(value.abs() <= MAX_PRICE).then((value * 1e9).round()).cast(pl.Int64, strict=False).alias(column)


def integers(column: str, *, limit: int = MAX_SIZE) -> pl.Expr:
    """Text to int64. Null where it is not an integer of at most `limit` in size."""
    value = pl.col(column).str.strip_chars().cast(pl.Int64, strict=False)
    return pl.when(value.abs() <= limit).then(value).alias(column)


@dataclass(slots=True)
class Checker:
    """Applies one policy to the rows of one file (or of a LOBSTER pair) and counts what it drops.

    `book_source` is the file of the book columns where that is another one. Frames carry `line`, the line in the file.
    """

    source: str
    policy: Policy
    book_source: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    def refuse(self, cause: str, frame: pl.DataFrame, bad: pl.Series, column: str, what: str) -> pl.DataFrame:
        """The rows where `bad` is not true; if there are bad ones, raises DataError or drops and counts them.

        `what` describes the first bad row, with its columns as format fields.
        """
        count = int(bad.sum())
        if count == 0:
            return frame
        if getattr(self.policy, cause) == "raise":
            row = frame.filter(bad).row(0, named=True)
            source = self.book_source if self.book_source and column[:4] in ("bid_", "ask_") else self.source
            raise DataError(
                f"{source}, line {row['line']}, column {column}: {what.format(**row)} "
                f"({count} such row{'s' * (count > 1)}). "
                f"Mend the file, or drop and count such rows: dataset.policy.{cause}=drop."
            )
        self.dropped[cause] = self.dropped.get(cause, 0) + count
        return frame.filter(~bad)

    def parse(self, text: pl.DataFrame, casts: dict[str, pl.Expr], optional: set[str]) -> pl.DataFrame:
        """`line` and the columns of `casts`, each cast from text.

        A cell that does not parse is refused as unreadable; so is an empty one, unless its column is optional.
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
            what = "the value is missing" if first_is_empty else f"{{{column}!r}} cannot be read"
            text = self.refuse("unreadable", text, bad, column, what)
            parsed = parsed.filter(~bad)
        return parsed

    def book(self, frame: pl.DataFrame, levels: int) -> pl.DataFrame:
        """Rows in the event schema without negative sizes, crossed or misshapen books and wrong times."""
        sizes = ["size", *(f"{side}_sz_{m:02d}" for m in range(levels) for side in ("bid", "ask"))]
        for column in sizes:
            bad = (frame[column] < 0).fill_null(False)
            frame = self.refuse("negative_size", frame, bad, column, f"the size {{{column}}} is negative")
        bad = (frame["bid_px_00"] > frame["ask_px_00"]).fill_null(False)
        frame = self.refuse(
            "crossed",
            frame,
            bad,
            "bid_px_00",
            "bid {bid_px_00} is above ask {ask_px_00} (in 1e-9): the book is crossed",
        )
        frame = self._shape(frame, levels)
        late = frame["ts_event"] > frame["ts_recv"] + dt.timedelta(milliseconds=_CLOCK_TOLERANCE_MS)
        frame = self.refuse("clock", frame, late, "ts_event", "{ts_event} is later than its receipt, {ts_recv}")
        frame = self._in_time(frame)
        if frame.height == 0:
            raise DataError(f"{self.source}: no row is left ({self.dropped} dropped); check dataset=… and the file.")
        return frame

    def _shape(self, frame: pl.DataFrame, levels: int) -> pl.DataFrame:
        """Rows whose levels stand in order, without a gap, and have a size exactly where they have a price."""
        for side, order in (("bid", 1), ("ask", -1)):
            for m in range(levels):
                px, sz = frame[f"{side}_px_{m:02d}"], frame[f"{side}_sz_{m:02d}"]
                bad = px.is_not_null() & (sz.fill_null(0) == 0)
                frame = self.refuse(
                    "book",
                    frame,
                    bad,
                    f"{side}_sz_{m:02d}",
                    f"level {m} has a price, {{{side}_px_{m:02d}}}, and no size",
                )
                if m == 0:
                    continue
                px, better = frame[f"{side}_px_{m:02d}"], frame[f"{side}_px_{m - 1:02d}"]
                bad = px.is_not_null() & ((px - better) * order >= 0).fill_null(True)
                what = f"level {m} at {{{side}_px_{m:02d}}} stands before level {m - 1} at {{{side}_px_{m - 1:02d}}}"
                frame = self.refuse("book", frame, bad, f"{side}_px_{m:02d}", what + " (in 1e-9)")
        return frame

    def _in_time(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows whose `ts_recv` does not run back.

        A late stamp and an early one both make times run back; of the two readings the one that blames fewer rows
        holds, so that one wrong stamp does not condemn all rows after it.
        """
        stamps = frame["ts_recv"].to_physical()
        early = stamps < stamps.cum_max()
        late = stamps > stamps.cum_min(reverse=True)
        if early.sum() <= late.sum():
            return self.refuse("time_reversal", frame, early, "ts_recv", "the time {ts_recv} runs back")
        return self.refuse(
            "time_reversal", frame, late, "ts_recv", "the time {ts_recv} is later than the rows after it"
        )
