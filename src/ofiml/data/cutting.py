"""Cut the rows of a feed into sessions: times and books are checked, ticks and lots are those of the symbol."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from ofiml.config import FileDataset, Instrument
from ofiml.config.dataset import AUTO
from ofiml.data import calendar
from ofiml.data.calendar import ALWAYS, Window
from ofiml.data.checks import Checker, carry_flags
from ofiml.data.conditions import has_own_receipt
from ofiml.data.feed import Feed
from ofiml.data.quality import Quality, add_counts
from ofiml.data.readers import READERS
from ofiml.data.schema import (
    Int64,
    Session,
    extract_times,
    list_columns,
)
from ofiml.data.snapshots import defer_snapshots
from ofiml.errors import DataError
from ofiml.ui.format import format_span, format_time
from ofiml.units import PRICE_SCALE, SECOND


class OutsideHoursError(DataError):
    """The error for a feed without an event in its sessions' hours."""

    def __init__(self, sentence: str, feed: Feed) -> None:
        super().__init__(sentence)
        self.symbol, self.date, self.rows, self.source = feed.symbol, feed.date, feed.rows, feed.checker.source
        self.dropped, self.kept = feed.checker.dropped, feed.checker.kept


def count_outside(session: Session, outside: list[OutsideHoursError], notes: list[str]) -> Session:
    """Add the rows of other feeds or inputs, all outside the hours, to the session's counts, and the notes."""
    quality = session.quality
    rows, dropped, kept = quality.rows, quality.dropped, quality.kept
    for one in outside:
        rest = one.rows - sum(one.dropped.values())
        rows += one.rows
        dropped = add_counts(add_counts(dropped, one.dropped), {"outside_hours": rest})
        kept = add_counts(kept, one.kept)
    return replace(
        session, quality=replace(quality, rows=rows, dropped=dropped, kept=kept, notes=[*quality.notes, *notes])
    )


def cut_sessions(feed: Feed, dataset: FileDataset, content: str) -> Iterator[Session]:
    """Yield the checked sessions of a feed. Rows outside every session count as dropped in the nearest one.

    Raises DataError for a feed with a fault, and where the checks do.
    """
    checker, source = feed.checker, feed.checker.source
    if feed.fault is not None:
        raise DataError(feed.fault)
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
    instrument = _find_instrument(feed, dataset)
    events = defer_snapshots(events, lambda stamps: _number_windows(stamps, instrument.calendar, dataset.hours, source))
    before = Quality(feed.rows - events.height, 0, checker.dropped, checker.kept)
    stamps = extract_times(events)
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
        try:
            return calendar.list_auctions(instrument.calendar, windows[0].open, windows[-1].close)
        except DataError as error:  # the calendar does not know the file's name
            raise DataError(f"{source}: {error}") from error

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
        columns = list_columns(feed.levels, checked.columns)
        yield Session(
            symbol=feed.symbol,
            date=window.date,
            events=checked.with_columns(pl.lit(feed.symbol).alias("symbol")).select(columns),
            open=window.open,
            close=window.close,
            scheduled_close=window.scheduled,
            calendar=instrument.calendar,
            home=feed.calendar,
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


def _number_windows(stamps: Int64, name: str, hours: Any, source: str) -> Int64:
    """Return the number of the session that contains each time, -1 for none."""
    try:
        windows = calendar.list_windows(name, hours, int(stamps[0]), int(stamps[-1]))
    except DataError as error:  # the calendar does not know the file's name
        raise DataError(f"{source}: {error}") from error
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
    return instrument.with_calendar(feed.calendar)


def _convert_lots(
    events: pl.DataFrame, levels: int, instrument: Instrument, unit: float, checker: Checker
) -> pl.DataFrame:
    """Convert sizes from lots of `unit` to lots of the instrument. Raises DataError for a part of a lot."""
    ratio = round(instrument.size_unit / unit)
    if abs(instrument.size_unit / unit - ratio) > 1e-9 * ratio or ratio < 1:
        raise DataError(
            f"{checker.source}: the lot of {instrument.size_unit:g} is not a whole multiple of "
            f"dataset.size_unit={unit:g}: set dataset.size_unit to the finest lot of all symbols, such as "
            f"dataset.size_unit={min(unit, instrument.size_unit):.12g}."
        )
    if ratio == 1:
        return events
    sizes = ["size", *(f"{side}_sz_{m:02d}" for m in range(levels) for side in ("bid", "ask"))]
    for column in sizes:
        part = events.filter(pl.col(column) % ratio != 0)
        if part.height:
            raise DataError(
                f"{checker.locate(part['line'][0])}, column {column}: "
                f"{part[column][0] * unit:g} is not a multiple of the lot of {instrument.size_unit:g} "
                f"({part.height} such rows): give the symbol's lot in dataset.instruments."
            )
    return events.with_columns(pl.col(sizes) // ratio)


def _list_windows(feed: Feed, dataset: FileDataset, name: str, stamps: Int64) -> list[Window]:
    """List the sessions that contain events of the feed. Raises OutsideHoursError if there are none."""
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
        raise OutsideHoursError(
            f"{feed.checker.source}: no events {where}; its events span {_format_span(*span)}. "
            "See dataset.hours and dataset.calendar; dataset.hours=all uses every hour.",
            feed,
        )
    if feed.open is None and (name == ALWAYS or dataset.hours == "all"):
        return [w.trim(stamps) for w in used]
    return used


def _format_span(first: int, last: int) -> str:
    return f"{format_span(format_time(first), format_time(last), seconds=True)} UTC"


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
                f"{checker.locate(off['line'][0])}, column {column}: "
                f"{off[column][0] / PRICE_SCALE:g} is not a multiple of "
                f"dataset.tick={tick / PRICE_SCALE:g} ({off.height} such rows): give the instrument's tick."
            )
