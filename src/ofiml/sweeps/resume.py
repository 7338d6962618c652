"""Find what is left to do of a sweep that was interrupted, and clear away what its members left half done."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import fail_member, read_status
from ofiml.tracking.processes import is_alive

REPORT = "report.json"  # a study's last file


def list_unfinished(folder: Path, members: Iterable[Member], is_logged: Callable[[str | None], bool]) -> list[Member]:
    """List the members that have no whole result: the folder lacks its report, or its run is not in the store."""
    unfinished = []
    for member in members:
        place = name_folder(folder, member.number)
        status = read_status(place)
        whole = status is not None and status.state == "finished" and (place / REPORT).is_file()
        if status is None or not whole or not is_logged(status.run_id):
            unfinished.append(member)
    return unfinished


def clear_members(folder: Path, members: Iterable[Member]) -> None:
    """Delete the folders of members that will run again: what a study leaves half done, it makes again to the bit."""
    for member in members:
        shutil.rmtree(name_folder(folder, member.number), ignore_errors=True)


def fail_running(folder: Path, members: Iterable[Member], reason: str) -> None:
    """Mark the members that were running when their process ended as failed."""
    for member in members:
        place = name_folder(folder, member.number)
        status = read_status(place)
        if status is not None and status.state == "running":
            fail_member(place, status, reason)


def list_running(folder: Path, members: Iterable[Member]) -> list[Member]:
    """List the members whose status says that they run."""
    found = ((m, read_status(name_folder(folder, m.number))) for m in members)
    return [member for member, status in found if status is not None and status.state == "running"]


def list_working(folder: Path, members: Iterable[Member]) -> list[int]:
    """List the numbers of the processes that work on a running member, as far as this machine can see."""
    found = (read_status(name_folder(folder, m.number)) for m in members)
    processes = [s.process for s in found if s is not None and s.state == "running" and s.process is not None]
    return [process.number for process in processes if is_alive(process)]
