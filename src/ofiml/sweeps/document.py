"""Write a sweep as one HTML document: what each member came to, and the leaderboard of those that finished."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from ofiml.comparison.document import write_document
from ofiml.comparison.groups import group_runs, read_group
from ofiml.comparison.trials import Trials, count_trials
from ofiml.comparison.verdicts import ComparedGroup, compare_runs
from ofiml.config import Tracking
from ofiml.reporting.html.blocks import Document, Section, Table
from ofiml.reporting.html.data import fold_long
from ofiml.reporting.html.render import render_document
from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import Status, read_status
from ofiml.tracking.read import list_runs

_NAME = "sweep.html"
_SAMPLES, _SEED = 1000, 7  # of the bootstrap, the defaults of `ofiml compare`


def write_sweep_document(folder: Path, members: list[Member], tracking: Tracking) -> Path:
    """Write sweep.html into the folder of a sweep and return its path.

    With tracking on, the runs of finished members are compared, and trials counted over the whole experiment.
    """
    statuses = [read_status(name_folder(folder, member.number)) for member in members]
    finished = [status.run_id for status in statuses if status is not None and status.run_id is not None]
    section = _describe_members(members, statuses)
    title = f"Sweep of {len(members)}"
    if tracking.enabled and finished:
        groups, trials = _compare(finished, tracking)
        text = write_document(title, f"Experiment {tracking.experiment}", groups, trials, [section])
    else:
        done = sum(status is not None and status.state == "finished" for status in statuses)
        verdict = f"{done} of {len(members)} members finished; runs are compared if they are tracked."
        text = render_document(Document(title, "Report of a sweep", verdict, (), [section]))
    path = folder / _NAME
    path.write_text(text, encoding="utf-8")
    return path


def _compare(run_ids: list[str], tracking: Tracking) -> tuple[list[ComparedGroup], Trials]:
    """Compare the runs by IC; impacts and forecasts apart."""
    runs = list_runs(tracking.experiment, tracking.uri)
    trials = count_trials(runs)
    kinds: dict[str, list[str]] = {}
    for run in runs:
        if run.run_id in run_ids:
            kinds.setdefault(run.tags.get("kind", ""), []).append(run.run_id)
    groups = [group for ids in kinds.values() for group in group_runs(runs, ids)]
    with threadpool_limits(limits=1):
        read = [read_group(group, tracking.uri, lambda: None) for group in groups]
        compared = [compare_runs(one, "ic", trials, benchmark=None, samples=_SAMPLES, seed=_SEED) for one in read]
    return compared, trials


def _describe_members(members: list[Member], statuses: list[Status | None]) -> Section:
    rows = []
    for member, status in zip(members, statuses, strict=True):
        state = "not run" if status is None else status.state
        result = "" if status is None else status.result or status.reason
        run = (status.run_id or "")[:8] if status is not None else ""
        rows.append([str(member.number), run, " ".join(member.overrides), state, result])
    table = Table("Members of the sweep", ["member", "run", "overrides", "state", "result"], rows, labels=5)
    return Section("members", "Members", [fold_long(table)])
