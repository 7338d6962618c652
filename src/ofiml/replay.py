"""`python -m ofiml.replay RUN_ID [dataset=… dataset.key=…]`: a logged run's model on a market that comes row by row.

Each session of the dataset is fed to a stream as it would arrive live; at each bar's close the run's features go
through the run's model. Where the run predicted the same bar, the two must be equal to the bit. A table says how long
it took.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from omegaconf import OmegaConf
from rich.console import Console

from ofiml.arguments import CONF, check
from ofiml.cli import ending_in_a_sentence
from ofiml.config import Config, FileDataset, load
from ofiml.errors import ConfigError, DataError
from ofiml.events.calendar import time_zone
from ofiml.events.schema import TIME, Session, times
from ofiml.events.sessions import Source, sources
from ofiml.features import kernel
from ofiml.features.batch import pieces
from ofiml.features.catalogue import INDEX
from ofiml.features.machine import market, plan
from ofiml.models.pipeline import Pipeline
from ofiml.ofi.flow import FlowRow, groups
from ofiml.progress import Bar as Progress
from ofiml.progress import Stages
from ofiml.reproduce import read_logged
from ofiml.rows import feature_columns
from ofiml.stream import Bar, Stream
from ofiml.units import SECOND, duration

_WARM_UP = 200  # rows, so that no compilation or first call is timed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ofiml.replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_id", help="the MLflow run whose features and model are used: 32 hexadecimal digits")
    parser.add_argument(
        "overrides", nargs="*", metavar="dataset.key=value", help="another market; the run's own if none is given"
    )
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument("--out", type=Path, help="write the predictions there, as Parquet")
    given = parser.parse_intermixed_args(arguments)
    return ending_in_a_sentence(lambda: replay(given.run_id, given.overrides, given.uri, given.out))


@dataclass(slots=True)
class Timings:
    """Nanoseconds of each update, feature vector and prediction."""

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


def replay(run_id: str, overrides: list[str], uri: str, out: Path | None = None) -> int:
    """0 if all that the run predicted of these bars comes out again to the bit, or it predicted none; else 1."""
    from ofiml.tracking.mlflow_log import logged

    with tempfile.TemporaryDirectory() as folder:
        raw, report = read_logged(run_id, *logged(run_id, uri, Path(folder), models=True))
        raw["dataset"] = _dataset(raw["dataset"], overrides)
        config = load(raw)
        if config.target.kind == "impact":
            raise ConfigError("A run of target=impact explains the same bar: there is nothing to forecast live.")
        logged_run = _logged_run(config, report, Path(folder), run_id)
    timings = Timings()
    rows: list[Predicted] = []
    own: list[tuple[str, str]] = []
    found = sources(config.dataset)
    with Stages() as stages, stages.stage("sessions", len(found)) as bar:
        for together in _together(_all(found, bar), config):
            rows += _stream_sessions(together, config, logged_run, timings)
            own += [(s.symbol, s.date) for s in together if (s.symbol, s.date, s.digest) in logged_run.sessions]
    types = [pl.String(), pl.String(), pl.Int64(), pl.Int32(), pl.Float64()]
    after = pl.DataFrame(rows, schema=dict(zip(Predicted._fields, types, strict=True)), orient="row")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        after.with_columns(pl.col("bar_close").cast(TIME)).write_parquet(out)
    console = Console()
    _show(console, timings)
    keys = pl.DataFrame(own, schema={"symbol": pl.String(), "session": pl.String()}, orient="row")
    before = logged_run.predictions.join(keys, on=["symbol", "session"], how="semi")
    return _verdict(console, run_id, before, after)


class Predicted(NamedTuple):
    symbol: str
    session: str
    bar_close: int
    fold: int
    y_hat: float


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A run's model of each fold, the first bar that each predicted (ns), what it predicted, and of which sessions
    (symbol, date, digest) it was made.
    """

    pipelines: list[Pipeline]
    starts: NDArray[np.int64]
    predictions: pl.DataFrame
    levels: int
    sessions: set[tuple[str, str, str]]

    def fold(self, at: int, *, own: bool) -> int:
        """Whose model predicts a bar: that of the run's fold in a session of its `own`, -1 before the first; else the
        last.
        """
        return int(np.searchsorted(self.starts, at, side="right")) - 1 if own else len(self.starts) - 1


def _logged_run(config: Config, report: dict[str, Any], folder: Path, run_id: str) -> LoggedRun:
    try:
        predictions = pl.read_parquet(folder / "predictions.parquet").with_columns(pl.col("bar_close").to_physical())
        levels = int(report["dataset"]["levels"])
        sessions = {(str(s["symbol"]), str(s["session"]), str(s["digest"])) for s in report["dataset"]["sessions"]}
        firsts = predictions.group_by("fold").agg(pl.col("bar_close").min()).sort("fold")
        if firsts["fold"].to_list() != list(range(firsts.height)) or not 0 < firsts.height < 100:
            raise ValueError("folds are not numbered from 0")
    except (OSError, pl.exceptions.PolarsError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"The predictions or the report of run {run_id} are not those of a study.") from error
    width = len(groups(config.ofi)) * min(config.ofi.levels or levels, levels)
    columns = feature_columns(config.features)
    pipelines = []
    for fold in range(firsts.height):
        pipeline = Pipeline(config.ofi, config.model, form=config.target.form, seed=config.seed, columns=columns)
        try:
            pipelines.append(pipeline.load(folder / f"fold_{fold:02d}", width))
        except OSError as error:
            raise ConfigError(f"Run {run_id} holds no model of fold {fold}.") from error
    return LoggedRun(pipelines, firsts["bar_close"].to_numpy(), predictions, levels, sessions)


def _dataset(logged: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """The logged dataset, or that of the overrides."""
    from hydra import compose, initialize_config_dir

    check(overrides)
    for one in overrides:
        if not one.startswith(("dataset=", "dataset.")) or "=" not in one:
            raise ConfigError(f"{one!r}: a replay takes the run as it is; only dataset=… and dataset.key=… may differ.")
    if any(one.startswith("dataset=") for one in overrides):
        with initialize_config_dir(str(CONF), version_base=None):
            chosen = OmegaConf.to_container(compose("config", overrides=overrides).dataset, resolve=True)
    else:
        changes = OmegaConf.from_dotlist([one.removeprefix("dataset.") for one in overrides])
        chosen = OmegaConf.to_container(OmegaConf.merge(logged, changes))
    assert isinstance(chosen, dict)
    return {str(key): value for key, value in chosen.items()}


def _all(found: list[Source], bar: Progress) -> Iterator[Session]:
    for source in found:
        yield from source()
        bar.step()


def _together(sessions: Iterator[Session], config: Config) -> Iterator[list[Session]]:
    """Sessions that must be streamed side by side: those of one date, if symbols see each other."""
    if not config.features.cross:
        yield from ([s] for s in sessions)
        return
    by_date: dict[str, list[Session]] = {}
    for session in sessions:
        by_date.setdefault(session.date, []).append(session)
    yield from by_date.values()


def _merged(together: list[Session]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(which session, row) in the order of receipt; ties go to the session that was named first."""
    if len(together) == 1:
        yield from ((0, row) for rows in pieces(together[0]) for row in rows)
        return
    stamps = np.concatenate([times(s.events) for s in together])
    which = np.repeat(np.arange(len(together)), [s.events.height for s in together])
    rows = [chain.from_iterable(pieces(s)) for s in together]
    for i in which[np.argsort(stamps, kind="stable")].tolist():
        yield i, next(rows[i])


def _stream_sessions(together: list[Session], config: Config, run: LoggedRun, timings: Timings) -> list[Predicted]:
    """Streams sessions side by side, and predicts each bar that has a mid and that a fold's model may predict."""
    for session in together:
        if session.levels != run.levels:
            raise DataError(
                f"{session.source} has {session.levels} levels, and the run was made with {run.levels}: "
                f"dataset.levels={run.levels} takes so many, where there are more."
            )
    predict = Predictor(together, config, run, timings)
    predict.warm_up()
    streams = [_stream(session, config) for session in together]
    out: list[Predicted] = []
    gc.collect()
    gc.disable()
    try:
        for which, row in _merged(together):
            stamp = int(row[kernel.STAMP])
            bars: list[tuple[int, Bar]] = []
            for i, stream in enumerate(streams):
                start = time.perf_counter_ns()
                closed = stream.pass_to(min(stamp, together[i].close + 1))
                if closed:
                    timings.vector.append((time.perf_counter_ns() - start) // len(closed))
                    bars += [(i, bar) for bar in closed]
            if bars:
                out += predict(bars)
            start = time.perf_counter_ns()
            streams[which].update(row)
            timings.update.append(time.perf_counter_ns() - start)
        out += predict([(i, bar) for i, s in enumerate(streams) for bar in s.finish(together[i].close)])
    finally:
        gc.enable()
    return out


def _stream(session: Session, config: Config) -> Stream:
    zone = time_zone(config.dataset.calendar) if isinstance(config.dataset, FileDataset) else None
    return Stream(market(session, config.bars.per, zone), config.bars, plan(config.features, config.ofi))


class Predictor:
    """From closed bars to predictions: the run's features, in its order, through its models."""

    def __init__(self, together: list[Session], config: Config, run: LoggedRun, timings: Timings) -> None:
        self.together, self.config, self.run, self.timings = together, config, run, timings
        windows = plan(config.features, config.ofi).windows
        self.flow = FlowRow(windows, config.ofi.normalise, groups(config.ofi))
        self.columns = np.array([INDEX[c] for c in config.features.columns], np.int64)
        self.keys = [(s.symbol, s.date) for s in together]
        self.own = [(s.symbol, s.date, s.digest) in run.sessions for s in together]
        self.closed: dict[str, list[tuple[int, int]]] = {symbol: [] for symbol, _ in self.keys}

    def warm_up(self) -> None:
        """What is compiled, loaded or called for the first time is not timed."""
        session = replace(self.together[0], events=self.together[0].events.head(_WARM_UP))
        stream = _stream(session, self.config)
        bars = [bar for rows in pieces(session) for row in rows for bar in stream.take(row)]
        if not bars:
            bars = stream.finish(self.together[0].close)[:1]
        for pipeline in self.run.pipelines:
            for bar in bars[:3]:
                pipeline.predict(*self._inputs(bar, bar.close))

    def __call__(self, bars: list[tuple[int, Bar]]) -> list[Predicted]:
        """A prediction for each bar that has a mid; all that close before it are among `bars`, or have been."""
        out = []
        for i, bar in bars:
            self.closed[self.keys[i][0]].append((bar.close, bar.ofi))
        for i, bar in sorted(bars, key=lambda one: one[1].close):
            symbol, session = self.keys[i]
            fold = self.run.fold(bar.close, own=self.own[i])
            if fold < 0 or np.isnan(bar.mid):
                continue
            start = time.perf_counter_ns()
            y_hat = float(self.run.pipelines[fold].predict(*self._inputs(bar, bar.close))[0])
            self.timings.prediction.append(time.perf_counter_ns() - start)
            out.append(Predicted(symbol, session, bar.close, fold, y_hat))
        return out

    def _inputs(self, bar: Bar, t: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        flow = self.flow(bar.flow, bar.known)
        others = bar.features[self.columns]
        if self.config.features.cross:
            others = np.concatenate([others, self._cross(t)])
        return flow, others.reshape(1, -1)

    def _cross(self, t: int) -> NDArray[np.float64]:
        """As `rows.with_others`: other symbols' last flow, and how old it is."""
        config = self.config.features
        delay, oldest = (duration(getattr(config, k), f"features.{k}") for k in ("cross_delay", "cross_oldest"))
        out = np.full(2 * len(config.cross), np.nan)
        for k, symbol in enumerate(config.cross):
            for close, flow in reversed(self.closed.get(symbol, [])):
                if close <= t - delay:
                    if t - close <= oldest:
                        out[2 * k : 2 * k + 2] = flow, (t - close) / SECOND
                    break
        return out


def _show(console: Console, timings: Timings) -> None:
    from rich.table import Table

    table = Table(title="microseconds, on one core", box=None)
    for column in ("", "count", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, count, microseconds in timings.rows():
        table.add_row(name, f"{count:,}", *(f"{value:.1f}" for value in microseconds))
    console.print(table)


def _verdict(console: Console, run_id: str, before: pl.DataFrame, after: pl.DataFrame) -> int:
    """0 if each prediction of `before` is in `after` with the same bits, or there is none."""
    keys = ["symbol", "session", "bar_close"]
    both = before.select(*keys, "y_hat").join(after.select(*keys, "y_hat"), on=keys, how="inner", suffix="_live")
    if before.height == 0:
        console.print(
            f"{after.height:,} predictions. Run {run_id} predicted none of these sessions: nothing to compare.",
            highlight=False,
            soft_wrap=True,
        )
        return 0
    bits = [both[c].to_numpy().view(np.int64) for c in ("y_hat", "y_hat_live")]
    differ = int((bits[0] != bits[1]).sum()) + before.height - both.height
    console.print(
        f"{after.height:,} predictions; of the {before.height:,} that run {run_id} made, "
        f"{'all are' if differ == 0 else f'{before.height - differ:,} are'} the same to the bit.",
        highlight=False,
        soft_wrap=True,
    )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
