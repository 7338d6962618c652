"""From sessions of events to one table of rows: a bar each, with book, flow, features, label, execution quotes."""

from dataclasses import dataclass

import joblib
import numpy as np
import polars as pl

from ofiml.backtest.execution import closing_quotes, execution_table
from ofiml.bars.time import Bars, bar_table, states, time_bars
from ofiml.config import Config, SyntheticDataset
from ofiml.errors import DataError
from ofiml.events.quality import Quality
from ofiml.events.schema import Session
from ofiml.events.sessions import Source, sources
from ofiml.events.truth import Truth
from ofiml.features.catalogue import look_back_bars
from ofiml.features.compute import View, feature_table
from ofiml.labels import label_table
from ofiml.ofi.flow import flow_table
from ofiml.progress import Bar, Stages

SessionKey = tuple[str, str]


@dataclass(slots=True)
class Prepared:
    """One session's rows (a bar each: bars, flow, features, labels, execution quotes), and what is known of it.

    `planted` is what a simulated session was made with; None for a real one.
    """

    key: SessionKey
    rows: pl.DataFrame
    levels: int
    size_unit: float
    open: int
    closing: dict[str, int]
    source: str
    digest: str
    events: int
    quality: Quality
    planted: Truth | None


def prepare(session: Session, config: Config) -> Prepared:
    """One session's bars with flow, features, label and execution quotes; the events are let go."""
    book = states(session, config.bars.per)
    bars = time_bars(session, book, config.bars.step_ns)
    table = bar_table(session, book, bars)
    columns = config.features.columns
    latency = config.backtest.latency_ns
    look_back = look_back_bars(columns) * config.bars.step_ns
    rows = pl.concat(
        [
            table,
            flow_table(book, bars, session.levels),
            feature_table(View(session, book, bars, table), columns),
            label_table(session, book, bars, config.target, config.horizon, latency),
            execution_table(session, book, bars, latency),
            _oracle(session, table, bars, config),
            pl.DataFrame({"first_used": np.maximum(bars.close - look_back, session.open)}),
        ],
        how="horizontal",
    ).with_columns(pl.lit(session.tick).alias("tick"))
    return Prepared(
        key=(session.symbol, session.date),
        rows=rows,
        levels=session.levels,
        size_unit=session.size_unit,
        open=session.open,
        closing=closing_quotes(session, book),
        source=session.source,
        digest=session.digest,
        events=session.events.height,
        quality=session.quality,
        planted=session.planted,
    )


def _oracle(session: Session, table: pl.DataFrame, bars: Bars, config: Config) -> pl.DataFrame:
    """`oracle` per bar of a simulated session: the expected label of who knows its truth at the bar's close, for no
    feature and no model. In the label's unit; of a direction, in ticks. No column for real markets and impact labels.
    """
    if session.planted is None or not isinstance(config.dataset, SyntheticDataset) or config.target.kind == "impact":
        return pl.DataFrame()
    from ofiml.events.simulate.oracle import expected_move

    delay, length = config.horizon.delay_ns, config.horizon.length_ns
    move = pl.Series("oracle", expected_move(session, config.dataset, bars.close, delay, length))
    return pl.DataFrame([1e4 * move / table["mid"] if config.target.unit == "bps" else move])


def prepare_all(config: Config, stages: Stages) -> list[Prepared]:
    """Every session, `threads` sources at a time: memory holds those sessions' events and all sessions' bars."""
    found = sources(config.dataset)

    refused: list[DataError] = []

    def work(source: Source, bar: Bar) -> list[Prepared]:
        # After an error the others are not begun; those that are, end before it is raised: a process that goes while a
        # thread of it reads may wait for that thread for ever.
        if refused:
            return []
        try:
            prepared = [prepare(session, config) for session in source()]
        except DataError as error:
            refused.append(error)
            return []
        bar.step()
        return prepared

    with stages.stage("sessions", len(found)) as bar:
        parallel = joblib.Parallel(n_jobs=config.threads, prefer="threads")
        prepared = [p for one in parallel(joblib.delayed(work)(s, bar) for s in found) for p in one]
    if refused:
        raise refused[0]
    if not prepared:
        raise DataError(
            "No session lies within dataset.first_date and dataset.last_date: python -m ofiml.events check lists them."
        )
    return prepared[: config.dataset.max_sessions]


def in_time_order(sessions: list[Prepared]) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that have a mid, in time order, and how many rows have no mid, or a mid and no label."""
    if len({(s.levels, s.size_unit) for s in sessions}) > 1:
        raise DataError("The sessions differ in levels or size unit: set dataset.levels to what all of them have.")
    keys = [s.key for s in sessions]
    for s in sessions:
        if keys.count(s.key) > 1:
            both = ", ".join(other.source for other in sessions if other.key == s.key)
            raise DataError(f"{both} hold the same session of {s.key[0]}, {s.key[1]}: join them, or choose one.")
    rows = pl.concat([s.rows for s in sessions]).sort("bar_close", maintain_order=True)
    no_mid = pl.col("mid").is_null()
    no_label = ~no_mid & pl.col("y").is_null()
    dropped = rows.select(no_mid.sum().alias("no_mid"), no_label.sum().alias("no_label")).row(0, named=True)
    rows = rows.filter(~no_mid)
    if rows["y"].null_count() == rows.height:
        raise DataError(
            f"No bar has both a mid and a label: {dropped['no_mid']} have no mid, {dropped['no_label']} no label, as "
            "the session ends first. Shorten the horizon, or give more data."
        )
    return rows, dropped
