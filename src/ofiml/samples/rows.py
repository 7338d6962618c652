"""From sessions of events to one table of rows: a bar each, with book, flow, features, label, execution quotes."""

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars import cut
from ofiml.bars.time import Bars, bar_table, states
from ofiml.config import Config, Features, FileDataset, SyntheticDataset
from ofiml.data import cache as store
from ofiml.data.calendar import time_zone
from ofiml.data.quality import Quality
from ofiml.data.schema import Session
from ofiml.data.sessions import Source, UniqueSessions, sources
from ofiml.data.truth import Truth
from ofiml.errors import DataError
from ofiml.features.batch import compute
from ofiml.features.catalogue import chosen
from ofiml.features.machine import market, plan
from ofiml.labels import label_table
from ofiml.labels.ahead import ahead_table
from ofiml.ofi.flow import flow_table, groups
from ofiml.provenance import made_by
from ofiml.samples.execution import closing_quotes, execution_table
from ofiml.ui.progress import Bar, Stages
from ofiml.units import SECOND, duration

SessionKey = tuple[str, str]
T = TypeVar("T")

_LOOK_BACK = re.compile(r"(ofi|bid|ask|adds|cancels|trades)_00_\w[\w.]*")


@dataclass(slots=True)
class Prepared:
    """One session's rows (a bar each: bars, flow, features, labels, execution quotes), and what is known of it.

    `planted` is what a simulated session was made with; None for a real one.
    """

    key: SessionKey
    rows: pl.DataFrame
    levels: int
    flow_levels: int
    size_unit: float
    open: int
    close: int
    closing: dict[str, int]
    source: str
    digest: str
    events: int
    quality: Quality
    planted: Truth | None
    origin: int = -1  # the place of its source among all; not kept with the rows


def prepare(session: Session, config: Config) -> Prepared:
    """One session's bars with flow, features, label and execution quotes; the events are let go."""
    _check(session, config)
    book = states(session, config.bars.per)
    bars = cut(session, book, config.bars)
    table = bar_table(session, book, bars)
    latency = config.backtest.latency_ns
    zone = time_zone(config.dataset.calendar) if isinstance(config.dataset, FileDataset) else None
    asked = plan(config.features, config.ofi)
    names = [c for c in config.features.columns if c not in table.columns]
    computed = compute(session, market(session, config.bars.per, zone), asked, bars.edges, names)
    flow = flow_table(computed, groups(config.ofi), asked.windows)
    labels = label_table(session, book, bars, config.target, config.horizon, latency)
    rows = pl.concat(
        [
            table,
            flow,
            pl.DataFrame({name: computed.features[:, j] for j, name in enumerate(names)}),
            labels,
            execution_table(session, book, bars, latency),
            ahead_table(session, book, bars, labels["scale"], config),
            _oracle(session, labels["scale"], bars, config),
            pl.DataFrame({"first_used": _first_used(session, bars, config)}),
        ],
        how="horizontal",
    ).with_columns(pl.lit(session.tick).alias("tick"))
    return Prepared(
        key=(session.symbol, session.date),
        rows=rows,
        levels=session.levels,
        flow_levels=len([c for c in flow.columns if c.startswith("ofi_") and c[4:].isdigit()]),
        size_unit=session.size_unit,
        open=session.open,
        close=session.close,
        closing=closing_quotes(session, book),
        source=session.source,
        digest=session.digest,
        events=session.events.height,
        quality=session.quality,
        planted=session.planted,
    )


def _check(session: Session, config: Config) -> None:
    """Raises DataError for settings that the session cannot answer."""
    where, unit, ofi = f"{session.source}, {session.date}", session.size_unit, config.ofi
    if ofi.levels is not None and ofi.levels > session.levels:
        raise DataError(f"{where}: ofi.levels={ofi.levels}, and the data have {session.levels}: lower it, or null.")
    if ofi.parts == "types" and not session.events["action"].is_in(["A", "C"]).any():
        raise DataError(f"{where}: the feed tells no adds and cancels apart: use ofi.parts=net or sides.")
    needed = {"trade_size": ("cost_buy", "cost_sell"), "vpin_bucket": ("vpin",)}
    for key, columns in needed.items():
        lots = getattr(config.features, key) / unit
        if set(columns) & set(config.features.columns) and (round(lots) < 1 or abs(lots - round(lots)) > 1e-9 * lots):
            raise DataError(
                f"{where}: features.{key}={getattr(config.features, key):g} is no whole number of lots of {unit:g}: "
                f"choose a multiple."
            )


def _prepared(source: Source, config: Config) -> list[Prepared]:
    """The rows of a source's sessions, from the cache if they are there."""

    def make() -> Iterator[Prepared]:
        return (prepare(session, config) for session in source())

    folder, name = config.features.store, source.name()
    if folder is None or name is None:
        return list(make())
    return list(store.kept(Path(folder), _key(name, config), make, _packed, _unpacked))


def _key(source: str, config: Config) -> str:
    """What rows depend on: their sessions, the settings that make them, and all code of this package."""
    ofi, features = asdict(config.ofi), asdict(config.features)
    settings = [
        asdict(config.bars),
        {k: ofi[k] for k in ("levels", "parts", "windows")},
        {k: features[k] for k in ("columns", "trade_size", "vpin_bucket")},
        asdict(config.horizon),
        asdict(config.target) | {"dead_band": config.target.dead_band > 0},  # how wide it is, folds learn
        config.backtest.latency,
        config.evaluation.decay,
    ]
    return hashlib.sha256(
        json.dumps([source, settings, *made_by("numba", "numpy", "polars")], sort_keys=True).encode()
    ).hexdigest()[:32]


def _packed(prepared: Prepared) -> store.Packed:
    meta = {f.name: getattr(prepared, f.name) for f in fields(prepared) if f.name not in ("rows", "origin")}
    planted = None if prepared.planted is None else asdict(prepared.planted)
    return prepared.rows, meta | {"quality": asdict(prepared.quality), "planted": planted}


def _unpacked(table: pl.DataFrame, meta: dict[str, Any]) -> Prepared:
    planted = None if meta["planted"] is None else Truth(**meta["planted"])
    symbol, date = meta["key"]
    made = {"key": (symbol, date), "quality": Quality(**meta["quality"]), "planted": planted}
    return Prepared(rows=table, **meta | made)


def _first_used(session: Session, bars: Bars, config: Config) -> NDArray[np.int64]:
    """The first instant that any feature or flow of a bar, or its label's unit, looks back to, ns; never before the
    session's open.
    """
    features = chosen(config.features.columns)
    if any(f.session for f in features):
        return np.full(len(bars.close), session.open, np.int64)
    first = np.minimum(bars.open, bars.close - config.target.look_back_ns)
    for window in config.ofi.look_backs:
        first = np.minimum(first, bars.close - window)
    for f in features:  # a window of a feature that is of bars too counts from their open
        since = bars.open[np.maximum(np.arange(len(bars.open)) - f.bars + 1, 0)] if f.bars else bars.close
        first = np.minimum(first, since - f.window)
    return np.maximum(first, session.open)


def _oracle(session: Session, scale: pl.Series, bars: Bars, config: Config) -> pl.DataFrame:
    """`oracle` per bar of a simulated session: the expected label of who knows its truth at the bar's close, for no
    feature and no model. In the label's unit; of a direction, in ticks. No column for real markets, impact labels,
    horizons on other clocks than time, and triple barriers, of which the truth tells no expectation.
    """
    length, target = config.horizon.length_ns, config.target
    told = session.planted is not None and target.kind == "forecast" and target.stop is None
    if not isinstance(config.dataset, SyntheticDataset) or length is None or not told:
        return pl.DataFrame()
    from ofiml.data.synthetic.oracle import expected_move

    move = expected_move(session, config.dataset, bars.close, config.horizon.delay_ns, length)
    return pl.DataFrame([pl.Series("oracle", move) / scale])


def prepare_all(config: Config, stages: Stages) -> list[Prepared]:
    """Every session, `threads` sources at a time: memory holds those sessions' events and all sessions' bars."""
    found = sources(config.dataset)

    refused: list[DataError] = []

    def work(index: int, source: Source, bar: Bar) -> list[Prepared]:
        # After an error the others are not begun; those that are, end before it is raised: a process that goes while a
        # thread of it reads may wait for that thread for ever.
        if refused:
            return []
        try:
            prepared = _prepared(source, config)
        except DataError as error:
            refused.append(error)
            return []
        for p in prepared:
            p.origin = index
        bar.step()
        return prepared

    with stages.stage("sessions", len(found)) as bar:
        parallel = joblib.Parallel(n_jobs=config.threads, prefer="threads")
        prepared = [p for one in parallel(joblib.delayed(work)(i, s, bar) for i, s in enumerate(found)) for p in one]
    if refused:
        raise refused[0]
    return with_others(list(first_sessions(prepared, config.dataset.max_sessions)), config.features)


def session_of(prepared: Prepared, config: Config) -> Session:
    """The session that the rows were made of, read or simulated again. Raises DataError if it is another one now."""
    for session in sources(config.dataset)[prepared.origin]():
        if (session.symbol, session.date) == prepared.key and session.digest == prepared.digest:
            return session
    raise DataError(f"{prepared.source} changed while the study ran: run it again.")


def first_sessions(sessions: Iterable[T], count: int | None) -> Iterator[T]:
    """The first `count` over all sources, in their order; all for None. Raises DataError if there is none."""
    none = True
    for session in islice(sessions, count):
        none = False
        yield session
    if none:
        raise DataError(
            "No session lies within dataset.first_date and dataset.last_date: python -m ofiml.data check lists them."
        )


def feature_columns(config: Features) -> list[str]:
    """The columns that a model sees besides flow: the chosen features, then other symbols' flow and its age."""
    return [*config.columns, *(c for symbol in config.cross for c in (f"cross_{symbol}", f"cross_{symbol}_age"))]


def with_others(sessions: list[Prepared], config: Features) -> list[Prepared]:
    """Adds to each bar at t, for each symbol of `cross`, the best-level OFI in lots of the bar that `Others` knows by t
    on the same date, and how long ago it closed, s; NaN where there is none. A symbol's own is among its columns.
    """
    all_there(config.cross, {s.key[0] for s in sessions})
    others = Others(config)
    by_key = {s.key: s.rows.select("bar_open", "bar_close", "ofi_00") for s in sessions}
    closes = {key: rows["bar_close"].to_list() for key, rows in by_key.items()}
    for s in sessions:
        close = s.rows["bar_close"].to_numpy()
        first_used = s.rows["first_used"].to_numpy().copy()
        columns = []
        for symbol in config.cross:
            value, age = (np.full(len(close), np.nan) for _ in range(2))
            key = symbol, s.key[1]
            if key in by_key:
                other = by_key[key]
                last = np.array([others.last(closes[key], t) for t in close.tolist()], np.int64)
                fresh = last >= 0
                pick = last[fresh]
                value[fresh] = other["ofi_00"].to_numpy()[pick]
                age[fresh] = (close[fresh] - other["bar_close"].to_numpy()[pick]) / SECOND
                first_used[fresh] = np.minimum(first_used[fresh], other["bar_open"].to_numpy()[pick])
            columns += [pl.Series(f"cross_{symbol}", value), pl.Series(f"cross_{symbol}_age", age)]
        s.rows = s.rows.with_columns(*columns, pl.Series("first_used", first_used))
    return sessions


class Others:
    """Which bar of another symbol a row may know of: the last that closed `cross_delay` before it, if it is not older
    than `cross_oldest`.
    """

    def __init__(self, config: Features) -> None:
        self.delay, self.oldest = (
            duration(getattr(config, k), f"features.{k}") for k in ("cross_delay", "cross_oldest")
        )

    def last(self, closes: list[int], t: int) -> int:
        """The bar's index among `closes` (ns, in order), for a row at `t`; -1 if there is none."""
        last = bisect_right(closes, t - self.delay) - 1
        return last if last >= 0 and t - closes[last] <= self.oldest else -1


def all_there(cross: list[str], symbols: set[str]) -> None:
    """Raises DataError for a symbol of `cross` that is not among those of the sessions."""
    for symbol in cross:
        if symbol not in symbols:
            known = ", ".join(sorted(symbols))
            raise DataError(f"features.cross names {symbol}, of which there is no session; there are {known}.")


def in_time_order(sessions: list[Prepared]) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that have a mid, in time order, and how many rows have no mid, or a mid and no label."""
    if len({(s.levels, s.size_unit) for s in sessions}) > 1:
        raise DataError("The sessions differ in levels or size unit: set dataset.levels to what all of them have.")
    taken = UniqueSessions()
    for s in sessions:
        taken.add(*s.key, s.source)
    rows = pl.concat([s.rows for s in sessions]).sort("bar_close", maintain_order=True)
    no_mid = pl.col("mid").is_null()
    no_label = ~no_mid & pl.col("y").is_null()
    dropped = rows.select(no_mid.sum().alias("no_mid"), no_label.sum().alias("no_label")).row(0, named=True)
    rows = rows.filter(~no_mid)
    for column in rows.columns:
        if _LOOK_BACK.fullmatch(column) and rows[column].null_count() == rows.height:
            raise DataError(
                f"No bar has flow over the look-back {column.rpartition('_')[2]}: every session is shorter, or begins "
                "anew before that; shorten ofi.windows."
            )
    if rows["scale"].null_count() == rows.height:
        raise DataError("No bar knows its volatility: every session is shorter than target.look_back; shorten it.")
    if rows["y"].null_count() == rows.height:
        raise DataError(
            f"No bar has both a mid and a label: {dropped['no_mid']} have no mid, {dropped['no_label']} no label, as "
            "the session ends first. Shorten the horizon, or give more data."
        )
    return rows, dropped
