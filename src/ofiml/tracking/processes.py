"""Which process makes a run, and which runs lost theirs: killed ones count as running until somebody looks."""

import hashlib
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ofiml.errors import ConfigError
from ofiml.study.json_border import read_json, write_json

PROCESS = "process"  # the tag of a run

_DIED = "Its process ended without a word: it was killed, or there was not enough memory."
_MAX_TAG = 1000  # characters of a tag that can be a process
_PAGE = 1000  # runs in one request


@dataclass(frozen=True, slots=True)
class Process:
    """A process of some machine: its number, and when it started, in ticks since the machine did.

    `boot` identifies that start of the machine, and `namespace` the set of processes in which the number counts
    (containers have their own). `machine` is a digest. Texts are empty and `started` is 0 where a system does not say.
    """

    host: str
    machine: str
    boot: str
    namespace: str
    number: int
    started: int


def identify_process(number: int | None = None) -> Process:
    """Identify a process of this machine, this one by default."""
    number = os.getpid() if number is None else number
    return Process(*_identify_place(), number, _read_start(number) or 0)


def is_dead(process: Process) -> bool:
    """Return whether it is certain that a process does not exist any more: it ran here, and here it is gone.

    Nothing is certain of a process of another machine or another container, and of systems without /proc.
    """
    here = identify_process()
    if not process.started or not here.started or (process.host, process.machine) != (here.host, here.machine):
        return False
    if process.boot != here.boot:
        return bool(process.machine)  # this machine has started again; without a digest it may be another one
    return process.namespace == here.namespace and _read_start(process.number) != process.started


def is_alive(process: Process) -> bool:
    """Return whether a process is known to exist: on this machine, outside any other container."""
    here = identify_process()
    place = (process.host, process.machine, process.boot, process.namespace)
    if place != (here.host, here.machine, here.boot, here.namespace):
        return False
    if process.started:
        return _read_start(process.number) == process.started
    return os.name == "posix" and _exists(process.number)


def describe_process() -> dict[str, str]:
    """Return the tag that a run of this process carries."""
    return {PROCESS: write_json(identify_process())}


def mark_dead_runs(client: Any, experiments: Sequence[str]) -> list[str]:
    """Mark the running runs of the experiments whose process is dead as killed, and return their ids.

    A store that takes no marks, as one that can only be read, stays as it is.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    marked = []
    with suppress(MlflowException, SQLAlchemyError, OSError):
        for run in _list_running(client, experiments):
            run_id = str(run.info.run_id)
            # A process that is dead now has written its last word, perhaps after the runs were listed.
            if _has_lost_process(run) and client.get_run(run_id).info.status == "RUNNING":
                client.set_tag(run_id, "error", _DIED)
                client.set_terminated(run_id, "KILLED")
                marked.append(run_id)
    return marked


def _list_running(client: Any, experiments: Sequence[str]) -> list[Any]:
    runs, token = [], None
    while experiments:  # without any, the store would refuse the question
        page = client.search_runs(list(experiments), "attributes.status = 'RUNNING'", 1, _PAGE, None, token)
        runs += page
        token = page.token
        if not token:
            break
    return runs


def _has_lost_process(run: Any) -> bool:
    """Return whether the process that a run names is dead. The tag may come from a stranger."""
    text = run.data.tags.get(PROCESS, "")
    try:
        return len(text) <= _MAX_TAG and is_dead(read_json(Process, text, PROCESS))
    except ConfigError:
        return False


@cache
def _identify_place() -> tuple[str, str, str, str]:
    """Return host, machine, boot and namespace of this process."""
    machine = _read_text(Path("/etc/machine-id"))
    digest = hashlib.sha256(f"ofiml {machine}".encode()).hexdigest()[:16] if machine else ""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return socket.gethostname(), digest, _read_text(Path("/proc/sys/kernel/random/boot_id")), namespace


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _exists(number: int) -> bool:
    """Return whether a POSIX system has a process of this number, perhaps a later one than the one meant."""
    if number <= 0:
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read_start(number: int) -> int | None:
    """Read when a process of this machine started; None if it has ended, even if its parent has not taken note."""
    fields = _read_text(Path(f"/proc/{number}/stat")).rpartition(")")[2].split()  # the name in brackets may be anything
    return int(fields[19]) if len(fields) > 19 and fields[0] not in ("Z", "X") else None
