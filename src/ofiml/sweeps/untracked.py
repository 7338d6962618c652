"""List the members of a sweep without tracking as runs that can be compared, from the files in their folders."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from ofiml.config import load, resolve_config
from ofiml.study.json_border import read_json
from ofiml.study.report import Report
from ofiml.sweeps.manifest import Member, name_folder
from ofiml.tracking.metric_names import FOLDS
from ofiml.tracking.metrics import list_metrics
from ofiml.tracking.names import describe_run, name_run
from ofiml.tracking.params import flatten_params
from ofiml.tracking.read import ListedRun


def list_members(folder: Path, members: Iterable[Member]) -> list[ListedRun]:
    """List the finished `members` of the sweep in `folder` as runs. The id of each has its number, such as `no 3`.

    Raises ConfigError for a report that this version did not write.
    """
    return [_read_member(name_folder(folder, member.number), member) for member in members]


def _read_member(place: Path, member: Member) -> ListedRun:
    config = load(yaml.safe_load((place / "config.yaml").read_text()))
    report = read_json(Report, (place / "report.json").read_text(), str(place / "report.json"))
    tags = describe_run(config, member.overrides) | {
        "dataset.digest": report.dataset.digest,
        "predictions.sha256": report.predictions.sha256,
        FOLDS: str(len(report.folds)),
    }
    if report.performance is not None:
        tags["backtest.currency"] = report.performance.currency
    metrics = {m.name: m.value for m in list_metrics(report) if not m.step}
    params = flatten_params(resolve_config(config))
    return ListedRun(f"no {member.number}", name_run(config), "FINISHED", False, params, tags, metrics, folder=place)
