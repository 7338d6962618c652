"""`python -m ofiml.replay RUN_ID [dataset=… dataset.key=…]`: a logged run's model on a market that comes row by row.

Each session of the dataset is fed to a stream as it would arrive live; at each bar's close the run's features go
through the run's model. Where the run predicted the same bar of the same session, the two must be equal to the bit. A
table says how long it took. The run's own dataset.path is used if the files there are those that it was made of.
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
from ofiml.events import store
from ofiml.events.calendar import time_zone
from ofiml.events.schema import TIME, Session, times
from ofiml.events.sessions import Source, sources
from ofiml.features import kernel
from ofiml.features.batch import pieces
from ofiml.features.catalogue import INDEX
from ofiml.features.machine import market, plan
from ofiml.logged import BAR, LoggedRun, read
from ofiml.ofi.flow import FlowRow, groups
from ofiml.progress import Bar as Progress
from ofiml.progress import Stages
from ofiml.reproduce import check_path, load_found, read_logged
from ofiml.rows import Others, all_there, first_sessions
from ofiml.stream import Bar, Stream
from ofiml.units import SECOND

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
    """Nanoseconds of what a live caller waits for: `Stream.take` of a row that closes no bar, and of one that closes
    exactly one; then the prediction.
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


def replay(run_id: str, overrides: list[str], uri: str, out: Path | None = None) -> int:
    """0 if all that the run predicted of these bars comes out again to the bit, or it predicted none; else 1."""
    from ofiml.tracking.mlflow_log import logged

    with tempfile.TemporaryDirectory() as folder:
        raw, report = read_logged(run_id, *logged(run_id, uri, Path(folder), models=True))
        config, differs = _configured(raw, report, overrides)
        if config.target.kind == "impact":
            raise ConfigError("A run of target=impact explains the same bar: there is nothing to forecast live.")
        if config.split.trains_on_later:
            raise ConfigError(
                f"The models of a run of split={config.split.name} trained on what came after the bars that they "
                "predicted: none of them could have run live. Replay a run of split=expanding or split=rolling."
            )
        run = read(config, report, Path(folder), run_id)
    timings = Timings()
    rows: list[Predicted] = []
    comparable: list[tuple[str, str, int]] = []
    found = sources(config.dataset)
    with Stages() as stages, stages.stage("sessions", len(found)) as bar:
        for together in _together(_all(found, config, bar), config.features.cross):
            rows += _stream_sessions(together, config, run, timings)
            comparable += [] if differs else run.comparable(together, config.features.cross)
            del together  # before the next are read
    types = [pl.String(), pl.String(), pl.Int64(), pl.Int32(), pl.Float64()]
    after = pl.DataFrame(rows, schema=dict(zip(Predicted._fields, types, strict=True)), orient="row")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        after.with_columns(pl.col("bar_close").cast(TIME)).write_parquet(out)
    console = Console()
    _show(console, timings)
    until = pl.DataFrame(
        comparable, schema={"symbol": pl.String, "session": pl.String, "until": pl.Int64}, orient="row"
    )
    both = run.predictions.join(until, on=["symbol", "session"], how="inner", maintain_order="left")
    return _verdict(console, run_id, both.filter(pl.col("bar_close") < pl.col("until")), after, differs)


class Predicted(NamedTuple):
    symbol: str
    session: str
    bar_close: int
    fold: int
    y_hat: float


# What chooses among rows, or is held against the run's session by session; what else differs makes other sessions.
_CHOOSE = {"path", "store", "symbols", "first_date", "last_date", "max_sessions", "max_events"}
_HELD = {"levels", "tick", "size_unit"}


def _configured(raw: dict[str, Any], report: dict[str, Any], overrides: list[str]) -> tuple[Config, list[str]]:
    """(the logged config with the dataset of the overrides, the settings in which its files are read another way).

    The logged dataset.path is used only for the files that the run was made of.
    """
    remedy = "dataset.path=FILE"
    logged, chosen = raw["dataset"], _dataset(raw["dataset"], overrides)
    config = load_found(raw | {"dataset": chosen}, remedy)
    if not isinstance(config.dataset, FileDataset):
        return config, []
    if not any(one.startswith(("dataset=", "dataset.path=")) for one in overrides):
        # Read as the run read them: what is wrong with an override is not to look like other files.
        check_path(load(raw | {"dataset": logged | {k: chosen[k] for k in _CHOOSE}}).dataset, report, remedy)
    if logged.get("name") != chosen["name"]:
        return config, ["name"]
    return config, sorted(k for k in chosen.keys() - _CHOOSE - _HELD if logged.get(k) != chosen[k])


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


def _all(found: list[Source], config: Config, bar: Progress) -> Iterator[Session]:
    """The sessions that a study would take, in its order."""

    def every() -> Iterator[Session]:
        for source in found:
            yield from source()
            bar.step()

    sources_: dict[tuple[str, str], str] = {}
    for session in first_sessions(every(), config.dataset.max_sessions):
        key = session.symbol, session.date
        if key in sources_:
            both = f"{sources_[key]}, {session.source}"
            raise DataError(f"{both} hold the same session of {key[0]}, {key[1]}: join them, or choose one.")
        sources_[key] = session.source
        yield session


def _together(sessions: Iterator[Session], cross: list[str]) -> Iterator[list[Session]]:
    """Sessions that must be streamed side by side: those of one date, if symbols see each other.

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
            store.write(session, path)
            by_date.setdefault(session.date, []).append((replace(session, events=pl.DataFrame(), truth=None), path))
        del session  # memory now holds the events of none
        all_there(cross, {s.symbol for waiting in by_date.values() for s, _ in waiting})
        for waiting in by_date.values():
            yield [replace(s, events=pl.read_parquet(path)) for s, path in waiting]


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
        run.check(session)
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
                if i != which:
                    bars += [(i, bar) for bar in stream.clock(min(stamp, together[i].close + 1))]
            start = time.perf_counter_ns()
            closed = streams[which].take(row)
            spent = time.perf_counter_ns() - start
            if not closed:
                timings.update.append(spent)
            elif len(closed) == 1:
                timings.vector.append(spent)
            bars += [(which, bar) for bar in closed]
            if bars:
                out += predict(bars)
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
        self.own = [run.own(s) is not None for s in together]
        self.others = Others(config.features)
        self.closed: dict[str, tuple[list[int], list[int]]] = {symbol: ([], []) for symbol, _ in self.keys}

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
            closes, flows = self.closed[self.keys[i][0]]
            closes.append(bar.close)
            flows.append(bar.ofi)
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
        """Other symbols' last flow, and how old it is, as `rows.with_others` has them."""
        cross = self.config.features.cross
        out = np.full(2 * len(cross), np.nan)
        for k, symbol in enumerate(cross):
            closes, flows = self.closed.get(symbol, ([], []))
            last = self.others.last(closes, t)
            if last >= 0:
                out[2 * k : 2 * k + 2] = flows[last], (t - closes[last]) / SECOND
        return out


def _show(console: Console, timings: Timings) -> None:
    from rich.table import Table

    table = Table(
        title="microseconds on one core: taking a row that closes no bar; one that closes a bar; the model", box=None
    )
    for column in ("", "count", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, count, microseconds in timings.rows():
        table.add_row(name, f"{count:,}", *(f"{value:.1f}" for value in microseconds))
    console.print(table)


def _verdict(console: Console, run_id: str, before: pl.DataFrame, after: pl.DataFrame, differs: list[str]) -> int:
    """0 if each prediction of `before` is in `after` with the same bits, or there is none; `differs` may say why."""
    both = before.select(*BAR, "y_hat").join(after.select(*BAR, "y_hat"), on=BAR, how="inner", suffix="_live")
    if before.height == 0:
        settings = ", ".join(f"dataset.{key}" for key in differs)
        reason = f"had another {settings}" if differs else "predicted no bar of these sessions as they are here"
        console.print(
            f"{after.height:,} predictions. Run {run_id} {reason}: nothing to compare.",
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
