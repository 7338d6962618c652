"""Finish the members of a sweep whose studies are complete: those that the store lacks, and those that were killed."""

from collections.abc import Iterable
from pathlib import Path

from ofiml.config import Tracking
from ofiml.errors import ConfigError, StoreError
from ofiml.reporting.summary import explain_failure, summarise_report
from ofiml.study.json_border import read_json
from ofiml.study.report import Report
from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.resume import REPORT
from ofiml.sweeps.status import finish_member, log_member, read_status


def finish_members(folder: Path, members: Iterable[Member], tracking: Tracking) -> None:
    """Finish each member whose study is complete in its folder, without computing it again.

    With tracking on, a member that the store lacks is logged, or its run taken over, if `ofiml sync` has logged it
    meanwhile. A member stays as it is if its process was killed before all of it was kept for the store, or if its run
    was deleted there. Raises StoreError if the store fails.
    """
    for member in members:
        place = name_folder(folder, member.number)
        status = read_status(place)
        if status is None:
            continue
        if status.state == "finished":
            if tracking.enabled and status.unlogged and (run_id := _log_member(place, tracking)):
                log_member(place, status, run_id)
            continue
        result = _read_result(place)
        run_id = _log_member(place, tracking) if result and tracking.enabled else None
        if result and (run_id or not tracking.enabled):
            finish_member(place, status, run_id, result)


def _log_member(place: Path, tracking: Tracking) -> str | None:
    """Log the member in a folder and return its run; None if the folder has nothing that can be logged."""
    from ofiml.tracking.sync import sync_folder

    try:
        (synced,) = sync_folder(place, tracking.uri, tracking.uri)
    except StoreError:
        raise
    except ConfigError:
        return None
    return synced.run_id


def _read_result(place: Path) -> str | None:
    """Read the result of a complete study in a few words; None without a report, or for one without a result."""
    path = place / REPORT
    try:
        report = read_json(Report, path.read_text(), str(path))
    except (OSError, UnicodeDecodeError, ConfigError):
        return None
    return None if explain_failure(report) else summarise_report(report)
