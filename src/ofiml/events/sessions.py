"""From a dataset config to its sessions, one at a time."""

import datetime as dt
import glob
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.errors import DataError
from ofiml.events import databento, lobster
from ofiml.events.schema import Session, times
from ofiml.units import PRICE_SCALE, SECOND

Source = Callable[[], Iterator[Session]]


def sources(dataset: SyntheticDataset | FileDataset) -> list[Source]:
    """One source per file or simulated session, in order; calling it reads and yields its sessions.

    Sessions hold at most `max_events` events, the rest counted as dropped.
    """
    if isinstance(dataset, SyntheticDataset):
        from ofiml.events.simulate import simulate  # compiles its kernel, so only where it is used

        symbols = len(dataset.impact)  # a day has a session of each
        count = min(dataset.sessions, -(-(dataset.max_sessions or dataset.sessions * symbols) // symbols))

        def simulated(index: int) -> Source:
            return lambda: (_limit(s, dataset.max_events) for s in simulate(dataset, index))

        return [simulated(index) for index in range(count)]
    paths = [Path(p) for p in sorted(glob.glob(dataset.path)) if Path(p).is_file()]
    read = {"databento": _databento, "lobster": _lobster}[dataset.name]

    def source(path: Path) -> Source:
        return lambda: (_limit(s, dataset.max_events) for s in islice(read(path, dataset), dataset.max_sessions))

    return [source(path) for path in paths[: dataset.max_sessions]]


def _databento(path: Path, dataset: FileDataset) -> Iterator[Session]:
    content = path.read_bytes()
    events, levels, dropped = databento.read(content, path.name, dataset.policy, dataset.levels, dataset.symbol)
    zone = ZoneInfo(dataset.timezone)
    events = events.with_columns(pl.col("ts_recv").dt.convert_time_zone(dataset.timezone).dt.date().alias("__date"))
    digest = _digest(content)
    for (date,), day in events.group_by("__date", maintain_order=True):
        assert isinstance(date, dt.date)
        stamps = times(day)
        if dataset.hours is None:
            # (open, close] must hold the first event, on a grid that does not depend on it.
            open_, close = (int(stamps[0]) - 1) // (60 * SECOND) * 60 * SECOND, int(stamps[-1])
        else:
            open_, close = (
                int(dt.datetime.combine(date, dt.time.fromisoformat(h), zone).timestamp()) * SECOND
                for h in dataset.hours
            )
        session = Session(
            symbol=str(day["symbol"][0]),
            date=date.isoformat(),
            events=day.drop("__date"),
            open=open_,
            close=close,
            tick=_tick(dataset),
            levels=levels,
            size_unit=1.0,
            source=path.name,
            digest=digest,
            dropped=dropped,
        )
        dropped = {}  # the file's drops are counted once, with its first session
        yield _within_hours(_on_ticks(session))


def _lobster(path: Path, dataset: FileDataset) -> Iterator[Session]:
    for day in lobster.days(path, dataset.timezone):
        if dataset.symbol not in (None, day.symbol):
            raise DataError(f"{day.message_name} holds {day.symbol}, not {dataset.symbol}: leave dataset.symbol=null.")
        events, levels, dropped = lobster.read(day, dataset.policy, dataset.levels)
        session = Session(
            symbol=day.symbol,
            date=day.date,
            events=events,
            open=day.open,
            close=day.close,
            tick=_tick(dataset),
            levels=levels,
            size_unit=1.0,
            source=day.message_name,
            digest=_digest(day.message, day.book),
            dropped=dropped,
        )
        yield _within_hours(_on_ticks(session))


def _on_ticks(session: Session) -> Session:
    """The session, if its best quotes stand on multiples of the tick: a wrong one would scale numbers in silence."""
    for column in ("bid_px_00", "ask_px_00"):
        quotes = session.events[column].drop_nulls()
        off = quotes.filter(quotes % session.tick != 0)
        if off.len():
            raise DataError(
                f"{session.source}, column {column}: {off[0] / PRICE_SCALE:g} is no multiple of dataset.tick="
                f"{session.tick / PRICE_SCALE:g} ({off.len()} such rows): give the instrument's tick."
            )
    return session


def _within_hours(session: Session) -> Session:
    stamps = times(session.events)
    # Bars are (open, close]; a state that stands at the open itself is where the first bar starts from.
    inside = (stamps >= session.open) & (stamps <= session.close)
    outside = int((~inside).sum())
    if outside == 0:
        return session
    if outside == len(stamps):
        asked, held = (
            " to ".join(str(np.datetime64(t // SECOND, "s")) for t in span)
            for span in ((session.open, session.close), (int(stamps[0]), int(stamps[-1])))
        )
        raise DataError(
            f"{session.source}: no event lies within the session's hours, {asked} UTC; it holds {held} UTC. "
            "See dataset.hours and dataset.timezone; dataset.hours=null keeps all."
        )
    return replace(
        session,
        events=session.events.filter(pl.Series(inside)),
        dropped=session.dropped | {"outside_hours": outside},
    )


def _limit(session: Session, max_events: int | None) -> Session:
    if max_events is None or session.events.height <= max_events:
        return session
    beyond = session.events.height - max_events
    events = session.events.head(max_events)
    return replace(
        session,
        events=events,
        close=int(times(events)[-1]),
        dropped=session.dropped | {"beyond_max_events": beyond},
        truth=None if session.truth is None else session.truth.head(max_events),
    )


def _tick(dataset: FileDataset) -> int:
    return round(dataset.tick * PRICE_SCALE)


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
