"""Write a sweep as one HTML document: what each member came to, and the leaderboard of those that finished."""

from pathlib import Path

from ofiml.atomic import write_text_atomically
from ofiml.comparison.document import write_document
from ofiml.comparison.leaderboard import Leaderboard
from ofiml.reporting.html.blocks import Document, Section, Table
from ofiml.reporting.html.data import fold_long
from ofiml.reporting.html.render import render_document
from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import Status, read_status

_NAME = "sweep.html"


def write_sweep_document(folder: Path, members: list[Member], board: Leaderboard | None) -> Path:
    """Write sweep.html into the folder of a sweep and return its path; `board` is None if no member finished."""
    statuses = [read_status(name_folder(folder, member.number)) for member in members]
    section = _describe_members(members, statuses)
    title = f"Sweep of {len(members)}"
    if board is not None:
        text = write_document(title, f"Experiment {board.experiment}", board.groups, board.trials, [section])
    else:
        done = sum(status is not None and status.state == "finished" for status in statuses)
        verdict = f"{done} of {len(members)} members finished."
        text = render_document(Document(title, "Report of a sweep", verdict, (), [section]))
    path = folder / _NAME
    write_text_atomically(path, text)
    return path


def _describe_members(members: list[Member], statuses: list[Status | None]) -> Section:
    rows = []
    for member, status in zip(members, statuses, strict=True):
        state = "not run" if status is None else status.state
        result = "" if status is None else status.result or status.reason
        run = (status.run_id or "")[:8] if status is not None else ""
        rows.append([str(member.number), run, " ".join(member.overrides), state, result])
    table = Table("Members of the sweep", ["member", "run", "overrides", "state", "result"], rows, labels=5)
    return Section("members", "Members", [fold_long(table)])
