"""How a member of a sweep stands: one small file in its folder, which any process can read."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ofiml.atomic import write_text_atomically
from ofiml.errors import ConfigError
from ofiml.study.json_border import read_json, write_json
from ofiml.tracking.processes import Process, identify_process

IMPORTING = "importing"  # the first stage of a member: its process loads the libraries

_NAME = "status.json"
_MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a member.

    A running member has its `stage`, with `done` of `total` steps, and its process. A finished one has
    its MLflow run (None with tracking off, or if it is not logged), its result in a few words, and in `unlogged` the
    sentence that says why it is not logged, if it is not; a failed one has the reason, as a sentence.
    `since` and `until` are times in seconds; `until` is NaN while it runs.
    """

    state: Literal["running", "finished", "failed"]
    since: float
    stage: str = ""
    done: int = 0
    total: int = 0
    process: Process | None = None
    run_id: str | None = None
    result: str = ""
    reason: str = ""
    unlogged: str = ""
    until: float = field(default=float("nan"))


def start_member(folder: Path) -> Status:
    """Write that a member starts in this process."""
    return _write(folder, Status("running", time.time(), stage=IMPORTING, process=identify_process()))


def advance_member(folder: Path, status: Status, stage: str, done: int, total: int) -> Status:
    """Write the stage that a running member has reached."""
    return _write(folder, replace(status, stage=stage, done=done, total=total))


def finish_member(folder: Path, status: Status, run_id: str | None, result: str, unlogged: str = "") -> Status:
    """Write that a member has finished."""
    done = replace(status, state="finished", run_id=run_id, result=result, until=time.time())
    return _write(folder, replace(done, unlogged=unlogged[:_MAX_REASON]))


def log_member(folder: Path, status: Status, run_id: str) -> Status:
    """Write that a finished member is logged now."""
    return _write(folder, replace(status, run_id=run_id, unlogged=""))


def fail_member(folder: Path, status: Status, reason: str) -> Status:
    """Write that a member has failed."""
    return _write(folder, replace(status, state="failed", reason=reason[:_MAX_REASON], until=time.time()))


def read_status(folder: Path) -> Status | None:
    """Read the status of the member in `folder`; None if it has not started, or its file is not a status."""
    try:
        return read_json(Status, (folder / _NAME).read_text(), _NAME)
    except (OSError, UnicodeDecodeError, ConfigError):
        return None


def _write(folder: Path, status: Status) -> Status:
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(folder / _NAME, write_json(status))
    return status
