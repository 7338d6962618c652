"""Replay a logged run's models on a market row by row.

Each session of the dataset is fed to a stream as it would arrive live; at each bar's close the run's features go
through the run's model.
"""

import gc
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config, FileDataset, load
from ofiml.data import cache as store
from ofiml.data.calendar import time_zone
from ofiml.data.schema import Session, times
from ofiml.data.sessions import Source, UniqueSessions, sources
from ofiml.errors import ConfigError
from ofiml.features import layout
from ofiml.features.batch import pieces
from ofiml.features.catalogue import INDEX
from ofiml.features.machine import market, plan
from ofiml.live.stream import Bar, Stream
from ofiml.ofi.flow import FlowRow, flow_groups
from ofiml.samples.cross import CrossBars, require_symbols
from ofiml.samples.prepare import first_sessions
from ofiml.tracking.logged_run import LoggedRun, read_run
from ofiml.tracking.read import fetch_run
from ofiml.tracking.reproduction import check_path, load_logged, read_logged
from ofiml.ui.progress import Bar as Progress
from ofiml.ui.progress import Stages
from ofiml.units import SECOND

_WARM_UP = 200  # rows, so that no compilation or first call is timed


@dataclass(slots=True)
class Timings:
    """Nanoseconds that a live caller waits: for `Stream.push_row` of a row that closes no bar, for one that closes
    exactly one bar, and for the prediction.
    """

    update: array = field(default_factory=lambda: array("q"))
    vector: array = field(default_factory=lambda: array("q"))
    prediction: array = field(default_factory=lambda: array("q"))

    def rows(self) -> list[tuple[str, int, list[float]]]:
        """(what, how often, microseconds at p50, p99, p99.9 and the most)."""
        named = ("update, a row", self.update), ("features, a bar", self.vector), ("prediction", self.prediction)
        return [
            (name, len(ns), (np.percentile(np.array(ns), [50, 99, 99.9, 100]) / 1e3).tolist())
            for name, ns in named
            if len(ns)
        ]


@dataclass(frozen=True, slots=True)
class Replay:
    """A replayed run: how long each step took, what the run predicted of the bars that it saw as they are here
    (`before`), what the stream predicted of all (`after`), and the dataset's settings that differ from the run's.
    """

    run_id: str
    timings: Timings
    before: pl.DataFrame
    after: pl.DataFrame
    changed: list[str]


def replay(
    run_id: str,
    uri: str,
    dataset: Callable[[dict[str, Any]], dict[str, Any]] = lambda logged: logged,
    *,
    own_path: bool = True,
) -> Replay:
    """Stream each session of the dataset through the run's models.

    `dataset` makes the dataset's settings from the logged ones; with `own_path` they keep the run's own dataset.path,
    which is used only for the files that the run was made of. Raises ConfigError and DataError.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw, report = read_logged(run_id, *fetch_run(run_id, uri, Path(folder), models=True))
        config, differs = _load_config(raw, report, dataset(raw["dataset"]), own_path=own_path)
        if config.target.kind == "impact":
            raise ConfigError("target=impact forecasts nothing: replay a run that forecasts, such as target=return.")
        if config.split.trains_on_later:
            raise ConfigError(
                f"Models of split={config.split.name} trained on rows later than those they predicted, so none could "
                "have run live. Replay a run of split=expanding or split=rolling."
            )
        run = read_run(config, report, Path(folder), run_id)
    timings = Timings()
    rows: list[Prediction] = []
    comparable: list[tuple[str, str, int]] = []
    inputs = sources(config.dataset)
    with Stages() as stages, stages.stage("sessions", len(inputs)) as bar:
        for group in _group_sessions(_read_sessions(inputs, config, bar), config.features.cross):
            rows += _stream_sessions(group, config, run, timings)
            comparable += [] if differs else run.list_comparable(group, config.features.cross)
            del group  # before the next are read
    types = [pl.String(), pl.String(), pl.Int64(), pl.Int32(), pl.Float64()]
    after = pl.DataFrame(rows, schema=dict(zip(Prediction._fields, types, strict=True)), orient="row")
    until = pl.DataFrame(
        comparable, schema={"symbol": pl.String, "session": pl.String, "until": pl.Int64}, orient="row"
    )
    both = run.predictions.join(until, on=["symbol", "session"], how="inner", maintain_order="left")
    return Replay(run_id, timings, both.filter(pl.col("bar_close") < pl.col("until")), after, differs)


class Prediction(NamedTuple):
    symbol: str
    session: str
    bar_close: int
    fold: int
    y_hat: float


# Keys that select rows, and keys checked against the run session by session; any other difference changes the sessions.
_SELECTION_KEYS = {"path", "store", "symbols", "first_date", "last_date", "max_sessions", "max_events"}
_CHECKED_KEYS = {"levels", "tick", "size_unit"}


def _load_config(
    raw: dict[str, Any], report: dict[str, Any], chosen: dict[str, Any], *, own_path: bool
) -> tuple[Config, list[str]]:
    """Return the logged config with the `chosen` dataset, and the settings that change how its files are read."""
    remedy = "dataset.path=FILE"
    logged = raw["dataset"]
    config = load_logged(raw | {"dataset": chosen}, remedy)
    if not isinstance(config.dataset, FileDataset):
        return config, []
    if own_path:
        # Read as the run read them: what is wrong with an override is not to look like other files.
        check_path(load(raw | {"dataset": logged | {k: chosen[k] for k in _SELECTION_KEYS}}).dataset, report, remedy)
    if logged.get("name") != chosen["name"]:
        return config, ["name"]
    return config, sorted(k for k in chosen.keys() - _SELECTION_KEYS - _CHECKED_KEYS if logged.get(k) != chosen[k])


def _read_sessions(inputs: list[Source], config: Config, bar: Progress) -> Iterator[Session]:
    """Yield the sessions of a study, in its order."""

    def every() -> Iterator[Session]:
        for source in inputs:
            yield from source()
            bar.step()

    unique = UniqueSessions()
    for session in first_sessions(every(), config.dataset.max_sessions):
        unique.add(session.symbol, session.date, session.source)
        yield session


def _group_sessions(sessions: Iterator[Session], cross: list[str]) -> Iterator[list[Session]]:
    """Group the sessions that must be streamed side by side: those of one date, if symbols see each other.

    Files may come symbol by symbol, so that a date is whole only once all have been read: until then sessions wait on
    disk, and memory holds those of one date. Raises DataError for a symbol of `cross` of which there is none.
    """
    if not cross:
        yield from ([s] for s in sessions)
        return
    with tempfile.TemporaryDirectory() as folder:
        by_date: dict[str, list[tuple[Session, Path]]] = {}
        for session in sessions:
            path = Path(folder) / f"{sum(map(len, by_date.values()))}.parquet"
            store.write_events(session, path)
            by_date.setdefault(session.date, []).append((replace(session, events=pl.DataFrame(), truth=None), path))
        del session  # memory now holds the events of none
        require_symbols(cross, {s.symbol for waiting in by_date.values() for s, _ in waiting})
        for waiting in by_date.values():
            yield [replace(s, events=pl.read_parquet(path)) for s, path in waiting]


def _merge_by_receipt(group: list[Session]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (session index, row) in the order of receipt; ties keep the order of the sessions."""
    if len(group) == 1:
        yield from ((0, row) for rows in pieces(group[0]) for row in rows)
        return
    stamps = np.concatenate([times(s.events) for s in group])
    which = np.repeat(np.arange(len(group)), [s.events.height for s in group])
    rows = [chain.from_iterable(pieces(s)) for s in group]
    for i in which[np.argsort(stamps, kind="stable")].tolist():
        yield i, next(rows[i])


def _stream_sessions(group: list[Session], config: Config, run: LoggedRun, timings: Timings) -> list[Prediction]:
    """Stream sessions side by side, and predict each bar that has a mid and that a fold's model may predict."""
    for session in group:
        run.check_session(session)
    predict = Predictor(group, config, run, timings)
    predict.warm_up()
    streams = [_build_stream(session, config) for session in group]
    out: list[Prediction] = []
    gc.collect()
    gc.disable()
    try:
        for which, row in _merge_by_receipt(group):
            stamp = int(row[layout.STAMP])
            bars: list[tuple[int, Bar]] = []
            for i, stream in enumerate(streams):
                if i != which:
                    bars += [(i, bar) for bar in stream.clock(min(stamp, group[i].close + 1))]
            start = time.perf_counter_ns()
            closed = streams[which].push_row(row)
            spent = time.perf_counter_ns() - start
            if not closed:
                timings.update.append(spent)
            elif len(closed) == 1:
                timings.vector.append(spent)
            bars += [(which, bar) for bar in closed]
            if bars:
                out += predict(bars)
        out += predict([(i, bar) for i, s in enumerate(streams) for bar in s.finish(group[i].close)])
    finally:
        gc.enable()
    return out


def _build_stream(session: Session, config: Config) -> Stream:
    zone = time_zone(config.dataset.calendar) if isinstance(config.dataset, FileDataset) else None
    return Stream(market(session, config.bars.per, zone), config.bars, plan(config.features, config.ofi))


class Predictor:
    """From closed bars to predictions: the run's features, in its order, through its models."""

    def __init__(self, group: list[Session], config: Config, run: LoggedRun, timings: Timings) -> None:
        self.group, self.config, self.run, self.timings = group, config, run, timings
        windows = plan(config.features, config.ofi).windows
        self.flow = FlowRow(windows, config.ofi.normalise, flow_groups(config.ofi))
        self.columns = np.array([INDEX[c] for c in config.features.columns], np.int64)
        self.keys = [(s.symbol, s.date) for s in group]
        self.own = [run.find_session(s) is not None for s in group]
        self.others = CrossBars(config.features)
        self.closed: dict[str, tuple[list[int], list[int]]] = {symbol: ([], []) for symbol, _ in self.keys}

    def warm_up(self) -> None:
        """Compile, load and call everything once, so that first calls are not timed."""
        session = replace(self.group[0], events=self.group[0].events.head(_WARM_UP))
        stream = _build_stream(session, self.config)
        bars = [bar for rows in pieces(session) for row in rows for bar in stream.push_row(row)]
        if not bars:
            bars = stream.finish(self.group[0].close)[:1]
        for pipeline in self.run.pipelines:
            for bar in bars[:3]:
                pipeline.predict(*self._inputs(bar, bar.close))

    def __call__(self, bars: list[tuple[int, Bar]]) -> list[Prediction]:
        """A prediction for each bar that has a mid; all that close before it are among `bars`, or have been."""
        out = []
        for i, bar in bars:
            closes, flows = self.closed[self.keys[i][0]]
            closes.append(bar.close)
            flows.append(bar.ofi)
        for i, bar in sorted(bars, key=lambda one: one[1].close):
            symbol, session = self.keys[i]
            fold = self.run.choose_fold(bar.close, own=self.own[i])
            if fold < 0 or np.isnan(bar.mid):
                continue
            start = time.perf_counter_ns()
            y_hat = float(self.run.pipelines[fold].predict(*self._inputs(bar, bar.close))[0])
            self.timings.prediction.append(time.perf_counter_ns() - start)
            out.append(Prediction(symbol, session, bar.close, fold, y_hat))
        return out

    def _inputs(self, bar: Bar, t: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        flow = self.flow(bar.flow, bar.known)
        others = bar.features[self.columns]
        if self.config.features.cross:
            others = np.concatenate([others, self._cross(t)])
        return flow, others.reshape(1, -1)

    def _cross(self, t: int) -> NDArray[np.float64]:
        """Return other symbols' last flow and its age in s, as `samples.cross` defines them."""
        cross = self.config.features.cross
        out = np.full(2 * len(cross), np.nan)
        for k, symbol in enumerate(cross):
            closes, flows = self.closed.get(symbol, ([], []))
            last = self.others.last(closes, t)
            if last >= 0:
                out[2 * k : 2 * k + 2] = flows[last], (t - closes[last]) / SECOND
        return out
