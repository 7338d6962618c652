"""The sections on the config of a study, where its result comes from, and how to repeat it."""

from dataclasses import dataclass
from typing import Any

import yaml

from ofiml import provenance
from ofiml.config.defaults import list_differences
from ofiml.reporting.html.blocks import Block, Details, Listing, Sentences, Table
from ofiml.reporting.names import name_stage
from ofiml.study.report import Report
from ofiml.ui.settings import format_setting


def describe_config(resolved: dict[str, Any]) -> list[Block]:
    """Describe what differs from the default study, and fold the whole resolved config."""
    rows = [
        [d.key, format_setting(d.value), format_setting(d.default) + (f" (with {d.choice})" if d.choice else "")]
        for d in list_differences(resolved)
    ]
    whole = Listing("", yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True).rstrip())
    table: Block = Sentences(["This is the default study: no setting differs."])
    if rows:
        table = Table("Settings that differ from the default study", ["setting", "here", "default"], rows, labels=3)
    return [table, Details("All settings (config.yaml)", [whole])]


@dataclass(frozen=True, slots=True)
class Code:
    """The commit of the running code, `unknown` outside git, and whether its working tree has other changes."""

    commit: str
    changed: bool


def read_code() -> Code:
    """Read the state of the running code."""
    commit, diff = provenance.read_git_state()
    return Code(commit, bool(diff))


def describe_provenance(report: Report, code: Code) -> list[Block]:
    """Describe the digests of data and predictions, the code, the versions of packages, and the runtime by stage."""
    commit = code.commit
    tree = "not known" if commit == "unknown" else "with uncommitted changes" if code.changed else "clean"
    origin = [
        ["data (SHA-256)", report.dataset.digest],
        [f"{report.predictions.rows:,} predictions (SHA-256)", report.predictions.sha256],
        ["commit of the code", "not known" if commit == "unknown" else commit],
        ["working tree", tree],
    ]
    versions = [[name, version] for name, version in provenance.list_versions().items()]
    seconds = report.runtime.seconds
    runtime = [[name_stage(stage), f"{spent:,.1f}"] for stage, spent in seconds.items()]
    every = "all stages before logging" if "model" in seconds else "all stages"  # the model is saved if it is logged
    runtime.append([every, f"{sum(seconds.values()):,.1f}"])
    sources = Details("Sources of the data", [Sentences(report.dataset.sources, listed=True)])
    return [
        Table("What went in and what came out", ["record", "value"], origin, labels=2),
        *([sources] if report.dataset.sources else []),
        Table("Versions", ["package", "version"], versions, labels=2),
        Table("Runtime (seconds)", ["stage", "seconds"], runtime),
    ]


def describe_repetition(report: Report, code: Code, run_id: str | None) -> list[Block]:
    """Describe the commands that repeat the study."""
    checkout = [] if code.commit == "unknown" else [f"git checkout {code.commit}"]
    install = "uv pip sync requirements.lock && uv pip install --no-deps ."
    again = ["# beside this file: everything again", "ofiml run --config config.yaml"]
    if report.tuning:
        again += ["# the same predictions, without the search for parameters", "ofiml run --config tuned.yaml"]
    if run_id:
        again += ["# from the MLflow store, with a comparison of the results", f"ofiml reproduce {run_id}"]
    blocks: list[Block] = [
        Listing("Install the same code and packages", "\n".join([*checkout, install])),
        Listing("Repeat the study", "\n".join(again)),
        Sentences(
            [
                "The same code, packages and data give the same predictions, to the last bit: their SHA-256 is above. "
                "Results do not depend on the number of threads."
            ]
        ),
    ]
    if code.changed:
        patch = "the run's file git.diff has them." if run_id else "without them the result may differ."
        blocks.append(Sentences([f"The working tree had uncommitted changes: {patch}"]))
    return blocks
