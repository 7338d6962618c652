"""The samples of all sessions as one table in time order."""

import numpy as np
import polars as pl

from ofiml._typing import Bool, Int64
from ofiml.config import Features
from ofiml.data.sessions import UniqueSessions
from ofiml.errors import DataError
from ofiml.ofi.columns import FlowColumn
from ofiml.samples.cross import name_cross_columns
from ofiml.samples.scratch import Scratch, choose_scratch_folder
from ofiml.samples.session import SessionSamples

_MAX_VIEWS = 4096  # a table of more chunks is slower to read than it saves memory


def list_feature_columns(config: Features) -> list[str]:
    """List the columns that a model reads besides flow: the chosen features, then other symbols' flow and its age."""
    return [*config.columns, *name_cross_columns(config)]


def pool_samples(sessions: list[SessionSamples], store: str | None = None) -> tuple[pl.DataFrame, dict[str, int]]:
    """Pool the rows that have a mid, in time order (ties keep the sessions' order). Count the others as `no_mid`, and
    the rows with a mid but no label, which stay in the table, as `no_label`. The table is a view of a scratch file in
    the cache at `store`, else in the folder of temporary files.

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
    rows, dropped = _pool_rows(sessions, Scratch(choose_scratch_folder(store)))
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


def _pool_rows(sessions: list[SessionSamples], scratch: Scratch) -> tuple[pl.DataFrame, dict[str, int]]:
    """Write the rows with a mid in time order, and count those without a mid and those without a label."""
    rows = pl.concat([s.rows for s in sessions], rechunk=False)
    no_mid = rows["mid"].is_null()
    order = _find_order(rows["bar_close"].to_numpy(), no_mid.to_numpy())
    dropped = {"no_mid": int(no_mid.sum()), "no_label": int((rows["y"].is_null() & ~no_mid).sum())}
    return scratch.keep_rows(rows, order), dropped


def _find_order(close: Int64, no_mid: Bool) -> Int64:
    """Find the rows with a mid in time order; rows of one time keep their order."""
    order = np.argsort(close, kind="stable").astype(np.int64, copy=False)
    return order[~no_mid[order]] if no_mid.any() else order


def take_rows(table: pl.DataFrame, positions: Int64, scratch: Scratch | None = None) -> pl.DataFrame:
    """Take the rows at ascending `positions` (k,). Rows that are neighbours in the table are a view of it, not a copy,
    unless there are very many runs of them; the copy lies in `scratch`, if there is one.
    """
    starts = np.flatnonzero(np.diff(positions, prepend=-2) != 1)
    if len(starts) == 0 or len(starts) > _MAX_VIEWS:
        return table[positions] if scratch is None else scratch.keep_rows(table, positions)
    lengths = np.diff(starts, append=len(positions)).tolist()
    return pl.concat(
        [table.slice(first, length) for first, length in zip(positions[starts].tolist(), lengths, strict=True)],
        rechunk=False,
    )
