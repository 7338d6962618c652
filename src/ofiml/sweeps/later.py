"""Log the members of a sweep whose store failed when they ended."""

from collections.abc import Iterable
from pathlib import Path

from ofiml.config import Tracking
from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import log_member, read_status


def log_members(folder: Path, members: Iterable[Member], tracking: Tracking) -> None:
    """Log each finished member that is not logged, or take over its run, if `ofiml sync` has logged it meanwhile.

    Raises StoreError if the store fails again.
    """
    from ofiml.tracking.sync import sync_folder

    for member in members:
        place = name_folder(folder, member.number)
        status = read_status(place)
        if status is not None and status.state == "finished" and status.unlogged:
            for synced in sync_folder(place, tracking.uri, tracking.uri):
                log_member(place, status, synced.run_id)
