"""From sessions of events to samples: one row per bar with book, flow, features, and labels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars import cut_bars
from ofiml.bars.time import Bars, Book, build_bar_table, select_states
from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.bad_files import (
    UnreadableInputError,
    list_left_out,
    make_all_bad_error,
    name_source,
    read_source,
    skips_bad_files,
)
from ofiml.data.calendar import find_time_zone
from ofiml.data.quality import BadFile
from ofiml.data.schema import Session
from ofiml.data.sessions import Source, list_sources
from ofiml.errors import DataError
from ofiml.features.batch import compute_bars
from ofiml.features.catalogue import select_features
from ofiml.features.machine import describe_market, plan_features
from ofiml.labels import build_label_table
from ofiml.labels.decay import build_decay_table
from ofiml.ofi.columns import NET_PART, FlowColumn
from ofiml.ofi.flow import build_flow_table, list_flow_groups
from ofiml.parallel import Workers, run_pieces
from ofiml.samples.cache import cache_samples
from ofiml.samples.cross import add_cross_flow
from ofiml.samples.scratch import Region, Scratch, choose_scratch_folder
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.tape_cache import record_tapes
from ofiml.storage import open_storage, strip_credentials
from ofiml.ui.progress import Stages

T = TypeVar("T")


def prepare_session(session: Session, settings: SampleSettings) -> SessionSamples:
    """Prepare a session's samples: its bars with flow, features and labels.

    Raises DataError for settings that the session does not support.
    """
    _check_settings(session, settings)
    book = select_states(session, settings.bars.per)
    bars = cut_bars(session, book, settings.bars)
    table = build_bar_table(session, book, bars)
    latency = settings.latency_ns
    zone = find_time_zone(session.calendar) if session.calendar else None
    features = plan_features(settings.features, settings.ofi)
    names = [c for c in settings.list_features() if c not in table.columns]
    computed = compute_bars(session, describe_market(session, settings.bars.per, zone), features, bars.edges, names)
    flow = build_flow_table(computed, list_flow_groups(settings.ofi), features.windows)
    labels = build_label_table(session, book, bars, settings.target, settings.horizon, latency)
    rows = pl.concat(
        [
            table,
            flow,
            pl.DataFrame({name: computed.features[:, j] for j, name in enumerate(names)}),
            labels,
            _build_decay_moves(session, book, bars, labels["scale"], settings),
            _build_oracle(session, labels["scale"], bars, settings),
            pl.DataFrame({"first_used": _find_first_used(session, bars, settings)}),
        ],
        how="horizontal",
    ).with_columns(pl.lit(session.tick).alias("tick"))
    return SessionSamples(
        key=(session.symbol, session.date),
        rows=rows,
        levels=session.levels,
        flow_levels=sum(FlowColumn(NET_PART, m).name in flow.columns for m in range(session.levels)),
        size_unit=session.size_unit,
        open=session.open,
        close=session.close,
        scheduled_close=session.scheduled_close,
        source=session.source,
        digest=session.digest,
        events=session.events.height,
        quality=session.quality,
        planted=session.planted,
        calendar=session.calendar,
        home=session.home,
    )


def _check_settings(session: Session, settings: SampleSettings) -> None:
    """Raise DataError for settings that the session does not support."""
    where, unit, ofi = f"{session.source}, {session.date}", session.size_unit, settings.ofi
    if ofi.levels is not None and ofi.levels > session.levels:
        raise DataError(f"{where}: ofi.levels={ofi.levels}, but the data have {session.levels}: lower it, or set null.")
    if ofi.parts == "types" and not session.events["action"].is_in(["A", "C"]).any():
        raise DataError(f"{where}: the feed does not separate adds from cancels: use ofi.parts=net or sides.")
    readers = {"trade_size": ("cost_buy", "cost_sell"), "vpin_bucket": ("vpin",)}
    for key, columns in readers.items():
        lots = getattr(settings.features, key) / unit
        if set(columns) & set(settings.features.columns) and (round(lots) < 1 or abs(lots - round(lots)) > 1e-9 * lots):
            raise DataError(
                f"{where}: features.{key}={getattr(settings.features, key):g} is not a whole number of lots "
                f"of {unit:g}: choose a multiple."
            )


def _prepare_source(source: Source, settings: SampleSettings) -> Iterator[SessionSamples]:
    """Prepare the samples of a source's sessions, or read them from the cache, one session at a time."""

    folder = settings.features.store
    name = None if folder is None else name_source(source)

    def make() -> Iterator[SessionSamples]:
        sessions = read_source(source)
        if settings.trades and folder is not None and name is not None:
            sessions = record_tapes(sessions, name, folder)
        return (prepare_session(session, settings) for session in sessions)

    if folder is None or name is None:
        yield from make()
        return
    for s in cache_samples(open_storage(folder), name, settings, make):
        s.input_name = name
        yield s


def _find_first_used(session: Session, bars: Bars, settings: SampleSettings) -> NDArray[np.int64]:
    """Find the first instant (ns) that a feature, the flow or the label's unit of each bar looks back to; never before
    the session's open.
    """
    features = select_features(settings.features.columns)
    if any(f.session for f in features):
        return np.full(len(bars.close), session.open, np.int64)
    first = np.minimum(bars.open, bars.close - settings.target.look_back_ns)
    for window in settings.ofi.look_backs:
        first = np.minimum(first, bars.close - window)
    for f in features:  # a window of a feature that is of bars too counts from their open
        since = bars.open[np.maximum(np.arange(len(bars.open)) - f.bars + 1, 0)] if f.bars else bars.close
        first = np.minimum(first, since - f.window)
    return np.maximum(first, session.open)


def _build_decay_moves(
    session: Session, book: Book, bars: Bars, scale: pl.Series, settings: SampleSettings
) -> pl.DataFrame:
    """Build the moves over other horizons than the label's; no column for an impact label, which has no horizon."""
    if settings.target.kind == "impact":
        return pl.DataFrame()
    return build_decay_table(session, book, bars, scale, settings.horizon, settings.decay)


def _build_oracle(session: Session, scale: pl.Series, bars: Bars, settings: SampleSettings) -> pl.DataFrame:
    """Build `oracle` for a simulated session: the expected label given the true state at the bar's close, in the
    label's unit, or in ticks for a direction. No feature and no model reads it.

    No column for real markets, impact labels, and clocks other than time; nor for triple barriers, whose expectation
    has no closed form.
    """
    length, target = settings.horizon.length_ns, settings.target
    expected = session.planted is not None and target.kind == "forecast" and target.form != "triple_barrier"
    if not isinstance(settings.dataset, SyntheticDataset) or length is None or not expected:
        return pl.DataFrame()
    from ofiml.data.synthetic.oracle import compute_expected_move

    move = compute_expected_move(session, settings.dataset, bars.close, settings.horizon.delay_ns, length)
    return pl.DataFrame([pl.Series("oracle", move) / scale])


def prepare_sessions(settings: SampleSettings, workers: Workers, stages: Stages) -> list[SessionSamples]:
    """Prepare the samples of every session of the dataset; see `prepare_dataset`."""
    return prepare_dataset(settings, workers, stages).sessions


@dataclass(frozen=True, slots=True)
class PreparedDataset:
    """The samples of all sessions, in order, and the inputs that were left out (`dataset.bad_files=skip`)."""

    sessions: list[SessionSamples]
    bad_files: list[BadFile]


def prepare_dataset(settings: SampleSettings, workers: Workers, stages: Stages) -> PreparedDataset:
    """Prepare the samples of every session of the dataset, in order, with other symbols' flow.

    Each worker reads one source at a time. Memory holds the events of their sessions; the bars of all sessions lie in a
    scratch file, and `rows` are views of it. Raises DataError for data that cannot be used.
    """
    inputs, scratch = list_sources(settings.dataset), Scratch(choose_scratch_folder(settings.features.store))
    if workers.share_memory:
        work = partial(_store_or_skip, settings=settings, scratch=scratch)
    else:
        work = partial(_cache_or_skip, settings=settings)
    with stages.start_stage("sessions", len(inputs)) as bar:
        parts: list[_Part] = run_pieces(work, inputs, workers, bar.step)
    bad = [part for part in parts if isinstance(part, BadFile)]
    if bad and len(bad) == len(inputs):
        raise make_all_bad_error(bad)
    stored = list(take_first_sessions(_number_samples(parts, settings, scratch), settings.dataset.max_sessions))
    for one in stored:
        one.samples.rows = scratch.read(one.region)
    samples = [one.samples for one in stored]
    if settings.features.cross:
        regions = [scratch.write(rows) for rows in add_cross_flow(samples, settings.features)]
        for s, region in zip(samples, regions, strict=True):
            s.rows = scratch.read(region)
    return PreparedDataset(samples, list_left_out(bad, (s.quality for s in samples)))


@dataclass(frozen=True, slots=True)
class _Stored:
    """The samples of a session without their rows, and the place of these in the scratch file."""

    samples: SessionSamples
    region: Region


#: What a worker makes of a source: stored samples, samples, the name under which they are cached, or what was left out.
_Part = list[_Stored] | list[SessionSamples] | str | BadFile


def _store(samples: Iterable[SessionSamples], scratch: Scratch) -> list[_Stored]:
    """Store the samples of sessions, of which memory holds one at a time."""
    stored = []
    for s in samples:
        region = scratch.write(s.rows)
        s.rows = s.rows.clear()
        stored.append(_Stored(s, region))
    return stored


def _store_or_skip(source: Source, settings: SampleSettings, scratch: Scratch) -> _Part:
    """Prepare and store the samples of a source; return its record if it is left out."""
    try:
        return _store(_prepare_source(source, settings), scratch)
    except UnreadableInputError as error:
        return _skip(error, settings)


def _cache_or_skip(source: Source, settings: SampleSettings) -> _Part:
    """Prepare the samples of a source, and return the name under which they are cached; the samples themselves if they
    are not, and the record of a source that is left out.
    """
    try:
        samples = list(_prepare_source(source, settings))
    except UnreadableInputError as error:
        return _skip(error, settings)
    names = {s.input_name for s in samples}
    return names.pop() or samples if len(names) == 1 else samples


def _skip(error: UnreadableInputError, settings: SampleSettings) -> BadFile:
    """Return the record of an input that is left out. Raises the error itself unless the config leaves it out."""
    if not skips_bad_files(settings.dataset):
        raise error
    return error.bad_file


def _number_samples(parts: Iterable[_Part], settings: SampleSettings, scratch: Scratch) -> Iterator[_Stored]:
    """Yield the samples of all sources, each with the number of its source; those that no thread stored are stored."""
    for origin, part in enumerate(parts):
        if isinstance(part, BadFile):
            continue
        samples = _read_prepared(part, settings) if isinstance(part, str) else part
        for one in samples:
            stored = one if isinstance(one, _Stored) else _store([one], scratch)[0]
            stored.samples.origin = origin
            yield stored


def _read_prepared(name: str, settings: SampleSettings) -> Iterator[SessionSamples]:
    """Read the samples that a worker has cached. Raises DataError if they are not in the cache of this process."""
    store = settings.features.store
    assert store is not None

    def make() -> Iterator[SessionSamples]:
        raise DataError(
            f"The samples that a worker wrote to features.store={strip_credentials(store)} are not there: set it to a "
            "folder that all workers see, or to s3://…."
        )

    for s in cache_samples(open_storage(store), name, settings, make):
        s.input_name = name
        yield s


def read_sessions(samples: Sequence[SessionSamples], dataset: SyntheticDataset | FileDataset) -> Iterator[Session]:
    """Read or simulate again the sessions from which samples were made, each source once, one session at a time.

    Raises DataError if one has changed.
    """
    sources = list_sources(dataset) if samples else []
    for origin in dict.fromkeys(s.origin for s in samples):
        left = {s.key: s for s in samples if s.origin == origin}
        for session in sources[origin]():
            key = session.symbol, session.date
            if key in left and session.digest == left[key].digest:
                del left[key]
                yield session
                if not left:
                    break
        if left:
            raise DataError(f"{next(iter(left.values())).source} changed while the study ran: run it again.")


def take_first_sessions(sessions: Iterable[T], count: int | None) -> Iterator[T]:
    """Yield the first `count` sessions over all sources, in order; all for None. Raises DataError if there is none."""
    none = True
    for session in islice(sessions, count):
        none = False
        yield session
    if none:
        raise DataError(
            "No session lies between dataset.first_date and dataset.last_date: list the sessions with "
            "python -m ofiml.data check."
        )
