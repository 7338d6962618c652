"""Read a logged run, which a stranger may have written: check its predictions, models and sessions before use."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.data.feed import Blob
from ofiml.data.formats.parquet import read_parquet
from ofiml.data.schema import TIME, Session, extract_times
from ofiml.errors import ConfigError, DataError
from ofiml.models.pipeline import Pipeline
from ofiml.ofi.flow import list_flow_groups
from ofiml.tracking.logged_report import SESSION_KEYS, LoggedReport, LoggedSession
from ofiml.training.folds import build_pipeline
from ofiml.training.settings import FitSettings
from ofiml.units import PRICE_SCALE

BAR = ["symbol", "session", "bar_close"]  # the key of a row of predictions

_PREDICTIONS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "bar_close": TIME,
    "fold": pl.Int32(),
    "y_hat": pl.Float64(),
}
_MAX_FOLDS, _MAX_LEVELS = 100, 100
_MAX_NUMBER = 1 << 62  # of a session


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A logged run: the model of each fold, and the close of the first bar that it predicted (`starts`, ns).

    `predictions` are those of the run, `levels` is the number of levels of its book, and `sessions`, by (symbol,
    date), are those that it used.
    """

    pipelines: list[Pipeline]
    starts: NDArray[np.int64]
    predictions: pl.DataFrame
    levels: int
    sessions: dict[tuple[str, str], LoggedSession]

    def find_session(self, session: Session) -> LoggedSession | None:
        """Return the record of the session, or None if the run did not use it or used other data."""
        logged = self.sessions.get((session.symbol, session.date))
        return logged if logged is not None and logged.digest == session.digest else None

    def choose_fold(self, at: int, *, own: bool) -> int:
        """Return the fold whose model predicts a bar that closes `at` (ns).

        In a session of the run (`own`) it is the fold that tested the bar, or -1 before fold 0; elsewhere the last.
        """
        return int(np.searchsorted(self.starts, at, side="right")) - 1 if own else len(self.starts) - 1

    def check_session(self, session: Session) -> None:
        """Check that the session has the levels of the run and, if the run used it, the same tick and size unit.

        Raises DataError if not.
        """
        if session.levels != self.levels:
            raise DataError(
                f"{session.source} has {session.levels} levels, but the run used {self.levels}: "
                f"set dataset.levels={self.levels}, or give data with at least {self.levels} levels."
            )
        logged = self.find_session(session)
        if logged is None:
            return
        agrees = {
            "tick": session.tick == round(logged.tick * PRICE_SCALE),
            "size_unit": session.size_unit == logged.size_unit,
        }
        for key in agrees:
            if not agrees[key]:
                raise DataError(
                    f"{session.source} is a session of the run, but the run had another dataset.{key}: leave the key "
                    f"out, or set dataset.{key}={getattr(logged, key):g}."
                )

    def list_comparable(self, same_date: list[Session], cross: list[str]) -> list[tuple[str, str, int]]:
        """List (symbol, date, until) of the sessions of one date whose bars before `until` (ns) equal those of the run.

        A session may have fewer events here than in the run, or more. Its bars are equal before the last common event,
        at whose instant events may be missing. With `cross`, the sessions of those symbols must be equal too.
        """
        ends = {
            s.symbol: _find_end_of_equality(s, logged.events)
            for s in same_date
            if (logged := self.find_session(s)) is not None
        }
        date = same_date[0].date
        used = {symbol for symbol in cross if (symbol, date) in self.sessions}
        if used - set(ends) or {s.symbol for s in same_date} & set(cross) - used:
            return []
        return [(symbol, date, min([end, *(ends[other] for other in used)])) for symbol, end in ends.items()]


def _find_end_of_equality(session: Session, events: int) -> int:
    """Return the time (ns) before which a session equals its version with another number of events."""
    if session.events.height == events:
        return session.close + 1
    return int(extract_times(session.events)[min(session.events.height, events) - 1])


def read_run(settings: FitSettings, report: LoggedReport, folder: Path, run_id: str) -> LoggedRun:
    """Read the predictions and models in `folder` of a run that was fitted with these settings.

    Raises ConfigError for files that no study writes.
    """
    predictions = read_table(folder / "predictions.parquet", run_id, "predictions", _PREDICTIONS)
    levels, sessions = _index_sessions(report, run_id)
    firsts = predictions.group_by("fold").agg(pl.col("bar_close").min()).sort("fold")
    if firsts["fold"].to_list() != list(range(firsts.height)) or not 0 < firsts.height < _MAX_FOLDS:
        raise ConfigError(f"The predictions of run {run_id} are not valid: folds must be numbered from 0.")
    width = len(list_flow_groups(settings.ofi)) * min(settings.ofi.levels or levels, levels)
    pipelines = []
    for fold in range(firsts.height):
        pipeline = build_pipeline(settings.model, settings, settings.seed)
        try:
            pipelines.append(pipeline.load(folder / "models" / f"fold_{fold:02d}", width))
        except OSError as error:
            raise ConfigError(f"Run {run_id} has no model for fold {fold}.") from error
    return LoggedRun(pipelines, firsts["bar_close"].to_numpy(), predictions, levels, sessions)


def read_table(path: Path, run_id: str, what: str, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """Read `columns` of a logged table of bars; `bar_close` becomes int64 ns. `what` names the table in messages.

    The column `path` may be missing; with it a bar has one row per path. Raises ConfigError for a table that no study
    writes.
    """
    present: list[str] = []

    def select(names: list[str]) -> list[str]:
        for name in columns:
            if names.count(name) != 1 and (name != "path" or names.count(name)):
                raise DataError(f"column {name} is missing or duplicated")
        present.extend(name for name in columns if name in names)
        return present

    try:
        rows = read_parquet(Blob(path.name, path.read_bytes()), select)
        for name in present:
            if rows.schema[name] != columns[name]:
                raise DataError(f"column {name} has type {rows.schema[name]}, not {columns[name]}")
            if rows[name].null_count():
                raise DataError(f"column {name} has missing values")
        if rows.select(name for name in (*BAR, "path") if name in present).is_duplicated().any():
            raise DataError("a bar is listed twice")
    except DataError as error:
        reason = str(error).rstrip(".")
        raise ConfigError(f"The {what} of run {run_id} are not valid: {reason}.") from error
    return rows.select(present).with_columns(pl.col("bar_close").to_physical())


def _index_sessions(report: LoggedReport, run_id: str) -> tuple[int, dict[tuple[str, str], LoggedSession]]:
    """Return (levels, sessions) of a logged report. Raises ConfigError for values that no study writes."""
    invalid = f"The report of run {run_id} is not valid for this version of ofiml:"
    if report.levels is None or not 1 <= report.levels <= _MAX_LEVELS:
        raise ConfigError(f"{invalid} dataset.levels must be an integer from 1 to {_MAX_LEVELS}.")
    if report.sessions is None:
        raise ConfigError(f"{invalid} a session lacks one of {', '.join(SESSION_KEYS)}, or its type is wrong.")
    sessions: dict[tuple[str, str], LoggedSession] = {}
    for one in report.sessions:
        if not all(0 < value < _MAX_NUMBER for value in (one.events, one.tick, one.size_unit)):
            raise ConfigError(
                f"{invalid} events, tick and size_unit of {one.symbol}, {one.date} must lie in (0, 2^62)."
            )
        if (one.symbol, one.date) in sessions:
            raise ConfigError(f"{invalid} {one.symbol}, {one.date} is listed twice.")
        sessions[one.symbol, one.date] = one
    return report.levels, sessions
