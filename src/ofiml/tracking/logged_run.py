"""A logged run, as a stranger may have written it: its predictions, models and sessions, checked before any is used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.data.feed import Blob
from ofiml.data.formats.parquet import read_parquet
from ofiml.data.schema import TIME, Session, extract_times
from ofiml.errors import ConfigError, DataError
from ofiml.models.pipeline import Pipeline
from ofiml.ofi.flow import list_flow_groups
from ofiml.samples.table import list_feature_columns
from ofiml.units import PRICE_SCALE

BAR = ["symbol", "session", "bar_close"]  # what names a row of predictions

_PREDICTIONS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "bar_close": TIME,
    "fold": pl.Int32(),
    "y_hat": pl.Float64(),
}
_OF_SESSION: dict[str, tuple[type, ...]] = {
    "symbol": (str,),
    "session": (str,),
    "digest": (str,),
    "events": (int,),
    "tick": (int, float),
    "size_unit": (int, float),
}
_MOST_FOLDS, _MOST_LEVELS = 100, 100
_LARGEST = 1 << 62  # of a session's numbers


class LoggedSession(NamedTuple):
    """What a report says of a session; `tick` and `size_unit` as in the config."""

    digest: str
    events: int
    tick: float
    size_unit: float


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A run's model of each fold, the first bar that each predicted (ns), what it predicted, and of which sessions,
    by (symbol, date), it was made.
    """

    pipelines: list[Pipeline]
    starts: NDArray[np.int64]
    predictions: pl.DataFrame
    levels: int
    sessions: dict[tuple[str, str], LoggedSession]

    def own(self, session: Session) -> LoggedSession | None:
        """What the run knows of the session, if it was made of it."""
        logged = self.sessions.get((session.symbol, session.date))
        return logged if logged is not None and logged.digest == session.digest else None

    def fold(self, at: int, *, own: bool) -> int:
        """Whose model predicts a bar: that of the run's fold in a session of its `own`, -1 before the first; else the
        last.
        """
        return int(np.searchsorted(self.starts, at, side="right")) - 1 if own else len(self.starts) - 1

    def check(self, session: Session) -> None:
        """Raises DataError for a session that the run's models, or its features of this very session, do not fit."""
        if session.levels != self.levels:
            raise DataError(
                f"{session.source} has {session.levels} levels, but the run used {self.levels}: "
                f"set dataset.levels={self.levels}, or give data with at least {self.levels} levels."
            )
        logged = self.own(session)
        if logged is None:
            return
        same = {
            "tick": session.tick == round(logged.tick * PRICE_SCALE),
            "size_unit": session.size_unit == logged.size_unit,
        }
        for key in same:
            if not same[key]:
                raise DataError(
                    f"{session.source} is a session of the run, but the run had another dataset.{key}: leave it out, "
                    f"or set dataset.{key}={getattr(logged, key):g}."
                )

    def comparable(self, together: list[Session], cross: list[str]) -> list[tuple[str, str, int]]:
        """(symbol, date, until) of the sessions of one date whose bars before `until` (ns) the run saw as they are.

        A session that is shorter here, or was shorter then, is so up to its last event, whose instant may have had
        more of them. With `cross`, so must the sessions of those symbols be.
        """
        ends = {s.symbol: _same_until(s, logged.events) for s in together if (logged := self.own(s)) is not None}
        date = together[0].date
        seen = {symbol for symbol in cross if (symbol, date) in self.sessions}
        if seen - set(ends) or {s.symbol for s in together} & set(cross) - seen:
            return []
        return [(symbol, date, min([end, *(ends[other] for other in seen)])) for symbol, end in ends.items()]


def _same_until(session: Session, events: int) -> int:
    """Before when (ns) a session is the same as when it had so many events."""
    if session.events.height == events:
        return session.close + 1
    return int(extract_times(session.events)[min(session.events.height, events) - 1])


def read_run(config: Config, report: dict[str, Any], folder: Path, run_id: str) -> LoggedRun:
    """Read the predictions and models of a run in `folder`. Raises ConfigError for what no study writes."""
    predictions = read_table(folder / "predictions.parquet", run_id, "predictions", _PREDICTIONS)
    levels, sessions = _of_report(report, run_id)
    firsts = predictions.group_by("fold").agg(pl.col("bar_close").min()).sort("fold")
    if firsts["fold"].to_list() != list(range(firsts.height)) or not 0 < firsts.height < _MOST_FOLDS:
        raise ConfigError(f"The predictions of run {run_id} are not valid: folds must be numbered from 0.")
    width = len(list_flow_groups(config.ofi)) * min(config.ofi.levels or levels, levels)
    columns = list_feature_columns(config.features)
    pipelines = []
    for fold in range(firsts.height):
        pipeline = Pipeline(config.ofi, config.model, task=config.target.task, seed=config.seed, columns=columns)
        try:
            pipelines.append(pipeline.load(folder / f"fold_{fold:02d}", width))
        except OSError as error:
            raise ConfigError(f"Run {run_id} has no model for fold {fold}.") from error
    return LoggedRun(pipelines, firsts["bar_close"].to_numpy(), predictions, levels, sessions)


def read_table(path: Path, run_id: str, what: str, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """These columns of a logged table of bars (`what`), `bar_close` in ns; `path`, where a bar stands once for each,
    may be missing. Raises ConfigError for a table that no study writes.
    """
    there: list[str] = []

    def wanted(names: list[str]) -> list[str]:
        for name in columns:
            if names.count(name) != 1 and (name != "path" or names.count(name)):
                raise DataError(f"column {name} is missing or duplicated")
        there.extend(name for name in columns if name in names)
        return there

    try:
        rows = read_parquet(Blob(path.name, path.read_bytes()), wanted)
        for name in there:
            if rows.schema[name] != columns[name]:
                raise DataError(f"column {name} has type {rows.schema[name]}, not {columns[name]}")
            if rows[name].null_count():
                raise DataError(f"column {name} has missing values")
        if rows.select(name for name in (*BAR, "path") if name in there).is_duplicated().any():
            raise DataError("a bar is listed twice")
    except DataError as error:
        reason = str(error).rstrip(".")
        raise ConfigError(f"The {what} of run {run_id} are not valid: {reason}.") from error
    return rows.select(there).with_columns(pl.col("bar_close").to_physical())


def _of_report(report: dict[str, Any], run_id: str) -> tuple[int, dict[tuple[str, str], LoggedSession]]:
    """(levels, sessions) of a logged report. Raises ConfigError where they are not what a study writes."""
    bad = f"The report of run {run_id} is not valid for this version of ofiml:"
    levels, listed = (report["dataset"].get(k) for k in ("levels", "sessions"))
    if not _is(levels, int) or not 1 <= levels <= _MOST_LEVELS:
        raise ConfigError(f"{bad} dataset.levels must be an integer from 1 to {_MOST_LEVELS}.")
    sessions: dict[tuple[str, str], LoggedSession] = {}
    for one in listed if isinstance(listed, list) else [None]:
        values: list[Any] = [one.get(k) for k in _OF_SESSION] if isinstance(one, dict) else [None] * len(_OF_SESSION)
        if not all(_is(value, *types) for value, types in zip(values, _OF_SESSION.values(), strict=True)):
            raise ConfigError(f"{bad} a session lacks one of {', '.join(_OF_SESSION)}, or its type is wrong.")
        symbol, date, *rest = values
        session = LoggedSession(*rest)
        if not all(0 < value < _LARGEST for value in session[1:]):
            raise ConfigError(f"{bad} events, tick and size_unit of {symbol}, {date} must lie in (0, 2^62).")
        if (symbol, date) in sessions:
            raise ConfigError(f"{bad} {symbol}, {date} is listed twice.")
        sessions[symbol, date] = session
    return levels, sessions


def _is(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)
