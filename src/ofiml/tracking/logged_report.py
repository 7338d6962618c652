"""What a logged report of any version says: the JSON border of the commands that repeat, replay or compare a run.

A report may be of an earlier version, or come from a stranger. A value that it lacks, or that has the wrong type, is
None here, and whoever needs the value says what is missing. `study.report` reads reports of this version, in full.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ofiml.errors import ConfigError
from ofiml.study.json_border import Json, flatten_numbers

T = TypeVar("T")

#: Parts of a report that earlier versions do not have.
_LATER_PARTS = (
    "dataset.instruments",
    "backtest.earned",
    "backtest.turnover",
    "backtest.deflated",
    "leak_check.execution",
)

_OF_BACKTEST = re.compile(r"backtest\.|strata\[\d+\]\.net_pnl$")


@dataclass(frozen=True, slots=True)
class LoggedSession:
    """A session in a report; `tick` and `size_unit` as in the config."""

    symbol: str
    date: str
    digest: str
    events: int
    tick: float
    size_unit: float


SESSION_KEYS = ("symbol", "session", "digest", "events", "tick", "size_unit")
"""The keys of a session in report.json that `LoggedSession` needs."""


@dataclass(frozen=True, slots=True)
class LoggedPlace:
    """Where a run was made, as `provenance.Provenance`. The texts are not checked for what a terminal can show."""

    commit: str | None
    dirty: bool
    versions: dict[str, str]
    system: str | None
    processor: str | None
    threads: int | None


@dataclass(frozen=True, slots=True)
class LoggedReport:
    """A report of any version.

    `sessions` is None if one of them lacks a value; `session_digests` are those that are stated all the same, and
    `bad_digests` those of inputs that were left out. `place` is None in reports of earlier versions, whose missing
    `later_parts` are listed by path. `numbers` has every number of the report by its path (`flatten_numbers`).
    `earlier_backtest` says that the backtest is from before orders met the recorded book.
    """

    digest: str | None
    predictions_sha256: str | None
    levels: int | None
    sessions: list[LoggedSession] | None
    session_digests: frozenset[str]
    bad_digests: frozenset[str]
    place: LoggedPlace | None
    later_parts: tuple[str, ...]
    numbers: dict[str, float]
    earlier_backtest: bool

    def without_backtest(self) -> "LoggedReport":
        """Leave out the numbers of the backtest: its own, and the net profit of each stratum."""
        return replace(self, numbers={path: n for path, n in self.numbers.items() if not _OF_BACKTEST.match(path)})


def read_logged_report(text: str | bytes, name: str = "report") -> LoggedReport:
    """Read the text of a report.json of any version; `name` names it in messages.

    Raises ConfigError for text that no study writes.
    """
    try:
        report = json.loads(text)
        numbers = flatten_numbers(report) if isinstance(report, dict) else {}
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The {name} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(report, dict) or not all(isinstance(report.get(k), dict) for k in ("dataset", "predictions")):
        raise ConfigError(f"The {name} was not written by a study.")
    dataset, backtest = report["dataset"], report.get("backtest")
    sessions = dataset.get("sessions")
    logged = [_read_session(one) for one in sessions] if isinstance(sessions, list) else [None]
    complete = [one for one in logged if one is not None]
    return LoggedReport(
        _take(dataset, "digest", str),
        _take(report["predictions"], "sha256", str),
        _take(dataset, "levels", int),
        complete if len(complete) == len(logged) else None,
        _read_digests(sessions),
        _read_digests(dataset.get("bad_files")),
        read_place(report.get("provenance")),
        tuple(path for path in _LATER_PARTS if not _has_part(report, path)),
        numbers,
        isinstance(backtest, dict) and "currency" not in backtest,
    )


def read_place(value: Json) -> LoggedPlace | None:
    """Read where a run was made from the JSON value of its provenance; None if there is none."""
    if not isinstance(value, dict):
        return None
    versions = value.get("versions")
    return LoggedPlace(
        commit=_take(value, "commit", str),
        dirty=value.get("dirty") is True,
        versions={k: v for k, v in versions.items() if isinstance(v, str)} if isinstance(versions, dict) else {},
        system=_take(value, "system", str),
        processor=_take(value, "processor", str),
        threads=_take(value, "threads", int),
    )


def _read_session(value: Json) -> LoggedSession | None:
    """Read a session; None if it lacks a value."""
    if not isinstance(value, dict):
        return None
    symbol, date, digest = (_take(value, key, str) for key in SESSION_KEYS[:3])
    events, tick, size_unit = _take(value, "events", int), _take_number(value, "tick"), _take_number(value, "size_unit")
    if symbol is None or date is None or digest is None or events is None or tick is None or size_unit is None:
        return None
    return LoggedSession(symbol, date, digest, events, tick, size_unit)


def _read_digests(records: Json) -> frozenset[str]:
    listed = records if isinstance(records, list) else []
    digests = (_take(one, "digest", str) for one in listed if isinstance(one, dict))
    return frozenset(digest for digest in digests if digest is not None)


def _take(node: Mapping[str, Json], key: str, kind: type[T]) -> T | None:
    value = node.get(key)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _take_number(node: Mapping[str, Json], key: str) -> float | None:
    whole = _take(node, key, int)
    return _take(node, key, float) if whole is None else whole


def _has_part(report: Json, path: str) -> bool:
    node = report
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node is not None
