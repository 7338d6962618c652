"""Replay of a logged run's models on a market, row by row.

Each session of the dataset goes through a stream in the order of receipt. At each bar's close, the run's model predicts
from the run's features.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config, FileDataset, SyntheticDataset, load
from ofiml.data import cache as store
from ofiml.data.bad_files import read_readable_sessions, skips_bad_files
from ofiml.data.schema import Session, extract_times
from ofiml.data.sessions import Source, UniqueSessions, list_sources
from ofiml.errors import ConfigError
from ofiml.features import layout
from ofiml.features.batch import pack_rows
from ofiml.live.predictor import Prediction, Predictor, StreamSettings, Timings
from ofiml.live.stream import Bar
from ofiml.samples.cross import require_symbols
from ofiml.samples.prepare import take_first_sessions
from ofiml.tracking.logged_report import LoggedReport
from ofiml.tracking.logged_run import LoggedRun, read_run
from ofiml.tracking.read import open_run_files
from ofiml.tracking.reproduction import check_path, load_logged, read_logged, require_files
from ofiml.training.settings import FitSettings
from ofiml.ui.progress import Bar as Progress
from ofiml.ui.progress import Stages


@dataclass(frozen=True, slots=True)
class Replay:
    """A replayed run: the latencies; the predictions of the run for the bars that both have (`before`); the predictions
    of the stream for all bars (`after`); and the dataset settings that differ from the run's (`changed`).
    """

    run_id: str
    timings: Timings
    before: pl.DataFrame
    after: pl.DataFrame
    changed: list[str]


def replay(
    run: str | Path,
    uri: str,
    dataset: Callable[[dict[str, Any]], dict[str, Any]] = lambda logged: logged,
    *,
    own_path: bool = True,
) -> Replay:
    """Replay each session of the dataset through the models of a run: of the store by its id, or of a zip file.

    `dataset` maps the logged dataset settings to those of the replay. With `own_path` these contain the run's own
    dataset.path, which is used only if its files are those of the run. Raises ConfigError for a run that cannot run
    live or a config that cannot be used, DataError for data that cannot be used.
    """
    with open_run_files(run, uri, "models") as files:
        run_id = files.run_id
        raw, report = read_logged(run_id, files.config, files.report)
        config, changed = _load_config(raw, report, dataset(raw["dataset"]), own_path=own_path)
        if config.target.kind == "impact":
            raise ConfigError("target=impact forecasts nothing: replay a run of target=forecast or target=direction.")
        if config.split.trains_on_later:
            raise ConfigError(
                f"Models of split={config.split.name} trained on rows later than those they predicted, so none could "
                "have run live. Replay a run of split=expanding or split=rolling."
            )
        logged = read_run(FitSettings.of(config), report, files.folder, run_id)
    timings = Timings()
    rows: list[Prediction] = []
    comparable: list[tuple[str, str, int]] = []
    inputs = list_sources(config.dataset)
    with Stages() as stages, stages.start_stage("sessions", len(inputs)) as bar:
        for group in _group_sessions(_read_sessions(inputs, config.dataset, bar), config.features.cross):
            rows += _stream_sessions(group, StreamSettings.of(config), logged, timings)
            comparable += [] if changed else logged.list_comparable(group, config.features.cross)
            del group  # frees its events before the next group is read
    types = [pl.String(), pl.String(), pl.Int64(), pl.Int32(), pl.Float64()]
    after = pl.DataFrame(rows, schema=dict(zip(Prediction._fields, types, strict=True)), orient="row")
    until = pl.DataFrame(
        comparable, schema={"symbol": pl.String, "session": pl.String, "until": pl.Int64}, orient="row"
    )
    joined = logged.predictions.join(until, on=["symbol", "session"], how="inner", maintain_order="left")
    return Replay(run_id, timings, joined.filter(pl.col("bar_close") < pl.col("until")), after, changed)


# Keys that select rows, and keys that are checked against the run session by session. A difference in any other key
# makes other sessions.
_SELECTION_KEYS = {"path", "bad_files", "store", "symbols", "first_date", "last_date", "max_sessions", "max_events"}
_CHECKED_KEYS = {"levels", "tick", "size_unit"}


def _load_config(
    raw: dict[str, Any], report: LoggedReport, chosen: dict[str, Any], *, own_path: bool
) -> tuple[Config, list[str]]:
    """Load the logged config with the `chosen` dataset; also list the settings that change how files are read."""
    remedy = "dataset.path=FILE"
    logged = raw["dataset"]
    if "path" in chosen and chosen.get("name") == logged.get("name"):
        require_files(logged, "dataset.path")
    config = load_logged(raw | {"dataset": chosen}, remedy)
    if not isinstance(config.dataset, FileDataset):
        return config, []
    if own_path:
        # Check the files under the logged settings: a wrong override must not look like other files.
        check_path(
            load(raw | {"dataset": logged | {k: chosen[k] for k in _SELECTION_KEYS & chosen.keys()}}).dataset,
            report,
            remedy,
        )
    if logged.get("name") != chosen["name"]:
        return config, ["name"]
    return config, sorted(k for k in chosen.keys() - _SELECTION_KEYS - _CHECKED_KEYS if logged.get(k) != chosen[k])


def _read_sessions(inputs: list[Source], dataset: SyntheticDataset | FileDataset, bar: Progress) -> Iterator[Session]:
    """Read the sessions of a study, in its order."""

    def read_all() -> Iterator[Session]:
        for source in inputs:
            yield from read_readable_sessions([source]) if skips else source()
            bar.step()

    skips = skips_bad_files(dataset)
    unique = UniqueSessions()
    for session in take_first_sessions(read_all(), dataset.max_sessions):
        unique.add(session.symbol, session.date, session.source)
        yield session


def _group_sessions(sessions: Iterator[Session], cross: list[str]) -> Iterator[list[Session]]:
    """Group the sessions that must be streamed together: those of one date if the model uses `cross` symbols.

    Files may come symbol by symbol, so a date is complete only after the last file. Until then sessions wait on disk,
    and memory holds those of one date. Raises DataError for a symbol of `cross` without a session.
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
        del session  # frees the last session's events
        require_symbols(cross, {s.symbol for stored in by_date.values() for s, _ in stored})
        for stored in by_date.values():
            yield [replace(s, events=pl.read_parquet(path)) for s, path in stored]


def _merge_by_receipt(group: list[Session]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Merge the rows of sessions in the order of receipt, as (session index, row); ties keep the order of sessions."""
    if len(group) == 1:
        yield from ((0, row) for rows in pack_rows(group[0]) for row in rows)
        return
    stamps = np.concatenate([extract_times(s.events) for s in group])
    which = np.repeat(np.arange(len(group)), [s.events.height for s in group])
    rows = [chain.from_iterable(pack_rows(s)) for s in group]
    for i in which[np.argsort(stamps, kind="stable")].tolist():
        yield i, next(rows[i])


def _stream_sessions(
    group: list[Session], settings: StreamSettings, run: LoggedRun, timings: Timings
) -> list[Prediction]:
    """Stream sessions together, and predict each bar that has a mid and lies in the test block of a fold."""
    for session in group:
        run.check_session(session)
    predict = Predictor(group, settings, run, timings)
    predict.warm_up()
    streams = [settings.build_stream(session) for session in group]
    out: list[Prediction] = []
    gc.collect()
    gc.disable()
    try:
        for which, row in _merge_by_receipt(group):
            stamp = int(row[layout.STAMP])
            bars: list[tuple[int, Bar]] = []
            for i, stream in enumerate(streams):
                if i != which:
                    bars += [(i, bar) for bar in stream.advance_clock(min(stamp, group[i].close + 1))]
            start = time.perf_counter_ns()
            closed = streams[which].push_row(row)
            latency = time.perf_counter_ns() - start
            if not closed:
                timings.update.append(latency)
            elif len(closed) == 1:
                timings.vector.append(latency)
            bars += [(which, bar) for bar in closed]
            if bars:
                out += predict(bars)
        out += predict([(i, bar) for i, s in enumerate(streams) for bar in s.finish(group[i].close)])
    finally:
        gc.enable()
    return out
