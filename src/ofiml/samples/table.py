"""The samples of all sessions as one table in time order."""

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.config import Features
from ofiml.data.sessions import UniqueSessions
from ofiml.errors import DataError
from ofiml.ofi.columns import BEST_FLOW, FlowColumn
from ofiml.samples.cross import name_cross_columns
from ofiml.samples.session import SessionSamples

_MAX_VIEWS = 4096  # a table of more chunks is slower to read than it saves memory
# What is read of a session's own rows once all are pooled: its mids, its tick, and the flow that other symbols see.
_KEPT = ["bar_open", "bar_close", "mid", "tick", BEST_FLOW, "first_used"]


def list_feature_columns(config: Features) -> list[str]:
    """List the columns that a model reads besides flow: the chosen features, then other symbols' flow and its age."""
    return [*config.columns, *name_cross_columns(config)]


def pool_samples(sessions: list[SessionSamples]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Pool the rows that have a mid, in time order (ties keep the sessions' order). Count the others as `no_mid`, and
    the rows with a mid but no label, which stay in the table, as `no_label`.

    Symbols may differ in tick and lot: flow and sizes are in lots, and moves in ticks, of each. Raises DataError for
    sessions that differ in levels, for a symbol with several lots, and if no row has both a mid and a label.
    """
    if len({s.levels for s in sessions}) > 1:
        raise DataError("The sessions differ in levels: set dataset.levels to a depth common to all.")
    lots: dict[str, float] = {}
    for s in sessions:
        if lots.setdefault(s.key[0], s.size_unit) != s.size_unit:
            raise DataError(f"The sessions of {s.key[0]} differ in size unit: give its lot in dataset.instruments.")
    unique = UniqueSessions()
    for s in sessions:
        unique.add(*s.key, s.source)
    rows = pl.concat([s.rows for s in sessions])
    rows = rows.rechunk() if rows["bar_close"].is_sorted() else rows.sort("bar_close", maintain_order=True)
    no_mid = pl.col("mid").is_null()
    no_label = ~no_mid & pl.col("y").is_null()
    dropped = rows.select(no_mid.sum().alias("no_mid"), no_label.sum().alias("no_label")).row(0, named=True)
    if dropped["no_mid"]:
        rows = rows.filter(~no_mid)
    if rows.height == 0:
        notes = "; ".join(dict.fromkeys(note for s in sessions for note in s.quality.notes))
        raise DataError(
            f"{sessions[0].source}: no bar has a mid, as no bar closes with a known bid and ask"
            f"{': ' + notes if notes else ': see the checks of ofiml data check'}."
        )
    for column in rows.columns:
        flow = FlowColumn.parse(column)
        if flow is not None and flow.window is not None and rows[column].null_count() == rows.height:
            raise DataError(
                f"No bar has flow over the look-back {flow.window}: every session is shorter, or the "
                "book restarts within it. Shorten ofi.windows."
            )
    if rows["scale"].null_count() == rows.height:
        raise DataError(
            "No bar has a unit for its label: every session is shorter than target.look_back (shorten it), or the mid "
            "is always 0, where bps are not defined (use target.unit=ticks)."
        )
    if rows["y"].null_count() == rows.height:
        raise DataError(
            f"No bar has both a mid and a label: {dropped['no_mid']} have no mid, {dropped['no_label']} have no label "
            "because the session ends first. Shorten the horizon, or give more data."
        )
    return rows, dropped


def release_pooled_columns(sessions: list[SessionSamples]) -> None:
    """Release the columns of each session's own rows that only the pooled table is read for. Changes the sessions."""
    for s in sessions:
        s.rows = s.rows.select(_KEPT)


def take_rows(table: pl.DataFrame, positions: Int64) -> pl.DataFrame:
    """Take the rows at ascending `positions` (k,). Rows that are neighbours in the table are a view of it, not a copy,
    unless there are very many runs of them.
    """
    starts = np.flatnonzero(np.diff(positions, prepend=-2) != 1)
    if len(starts) == 0 or len(starts) > _MAX_VIEWS:
        return table[positions]
    lengths = np.diff(starts, append=len(positions)).tolist()
    return pl.concat(
        [table.slice(first, length) for first, length in zip(positions[starts].tolist(), lengths, strict=True)],
        rechunk=False,
    )
