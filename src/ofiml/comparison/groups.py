"""Group comparable runs, and read what each predicted and earned. Tables that no study writes are refused."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ofiml.comparison.trials import identify_result
from ofiml.data.schema import TIME
from ofiml.errors import ConfigError
from ofiml.tracking.logged_run import BAR, read_table
from ofiml.tracking.params import OVERRIDES
from ofiml.tracking.read import ListedRun, fetch_files
from ofiml.units import parse_duration

_PREDICTIONS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "bar_close": TIME,
    "path": pl.Int32(),
    "y": pl.Float64(),
    "y_hat": pl.Float64(),
    "train_mean": pl.Float64(),
    "label_start": pl.Int64(),
    "label_end": pl.Int64(),
}
_EQUITY: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "bar_close": TIME,
    "path": pl.Int32(),
    "gross": pl.Float64(),
    "net": pl.Float64(),
}
# Keys that the heading names in words, or that do not change the comparison.
_UNLISTED_KEYS = (
    "bars.name",
    "bars.per",
    "horizon.length",
    "horizon.clock",
    "horizon.size",
    "target.kind",
    "target.name",
)
_COLUMNS = ("model.name", "ofi.name", "features.name", "features.columns", OVERRIDES)
_INERT = (
    "threads",
    "parallel.",
    "tracking.",
    "report.",
    "dataset.",
    "features.store",
    "tuning.storage",
    "evaluation.importance_",
)
_UNSAFE = re.compile(r"[^\w .,:=+/()%-]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A run with its `predictions` and, after a backtest, its `equity` (the gain of each bar).

    `block` is the length of its bootstrap blocks in ns; None if the length follows from sessions and labels.
    """

    run: ListedRun
    predictions: pl.DataFrame
    equity: pl.DataFrame | None
    block: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """Comparable runs: of one kind, dataset, bars, horizon and target.

    `repetitions` counts the repetitions of a run, by its id. `left_out` has the reason for each run without an entry.
    """

    kind: str
    digest: str
    params: dict[str, str]
    entries: list[Entry]
    repetitions: dict[str, int]
    left_out: list[str]

    def list_differing_params(self) -> list[str]:
        """List the params of all entries that are not the same in all, without those that no result depends on.

        Model and inputs have columns of their own, and a key of one model or split is no difference from another.
        """
        runs = [entry.run.params for entry in self.entries]
        shared = sorted(set.intersection(*(set(params) for params in runs))) if runs else []
        differing = [name for name in shared if len({params[name] for params in runs}) > 1]
        chosen = {name.removesuffix("name") for name in differing if name.endswith(".name")}
        own = [n for n in differing if not n.startswith(tuple(chosen)) or n.removesuffix("name") in chosen]
        return [name for name in own if name not in _COLUMNS and not name.startswith(_INERT)]

    @property
    def heading(self) -> str:
        name = self.entries[0].run.tags.get("dataset", "") if self.entries else ""
        span = f"horizon {_name_horizon(self.params)}" if self.kind == "forecast" else "the same bar"
        rest = [f"{k} {v}" for k, v in self.params.items() if k not in _UNLISTED_KEYS and v not in ("None", "0.0")]
        data = f"data {sanitise(name)} {sanitise(self.digest[:8])}"
        return f"{self.kind}, {sanitise(span)}, {data}; {sanitise(', '.join(rest))}"


def _name_horizon(params: dict[str, str]) -> str:
    """Name a horizon, such as `10s` or `500 events`."""
    length = params.get("horizon.length", "None")
    if length != "None":
        return length
    return f"{params.get('horizon.size', '').removesuffix('.0')} {params.get('horizon.clock', '')}"


def sanitise(text: str) -> str:
    """Make a stranger's text printable: without markup and control characters, at most 200 characters."""
    return _UNSAFE.sub("?", text)[:200]


def group_runs(runs: list[ListedRun], selected: list[str]) -> list[list[ListedRun]]:
    """Group the finished runs that can be compared, or only the `selected` ones, in the order of their first run.

    Raises ConfigError if runs of both kinds are selected, or a selected run does not exist or is not finished.
    """
    known = {run.run_id: run for run in runs}
    for run_id in selected:
        if run_id not in known:
            raise ConfigError(f"Run {sanitise(run_id)} is not in the experiment.")
        run = known[run_id]
        if not _is_comparable(run):
            raise ConfigError(f"Run {run_id} is not a finished study; its status is {run.status.lower()}.")
    candidates = (
        [known[run_id] for run_id in dict.fromkeys(selected)]
        if selected
        else [run for run in runs if _is_comparable(run)]
    )
    kinds: dict[str, list[str]] = {}
    for run in candidates:
        kinds.setdefault(run.tags["kind"], []).append(run.run_id[:8])
    if selected and len(kinds) > 1:
        listed = ", ".join(f"{' '.join(ids)} {kind}" for kind, ids in sorted(kinds.items()))
        raise ConfigError(
            f"Impacts and forecasts cannot be compared ({listed}): an impact explains the same bar, a forecast "
            "predicts a later return. Select runs of one kind."
        )
    groups: dict[tuple, list[ListedRun]] = {}
    for run in candidates:
        groups.setdefault(
            (run.tags["kind"], run.tags["dataset.digest"], tuple(_select_params(run).items())), []
        ).append(run)
    return list(groups.values())


def read_group(runs: list[ListedRun], uri: str, step: Callable[[], None]) -> Group:
    """Read the tables of the runs of one group. A run without valid tables is left out, with the reason.

    `step` is called after each run, for a progress bar.
    """
    entries: list[Entry] = []
    repetitions: dict[str, int] = {}
    left_out = []
    first_of: dict[tuple, str] = {}
    for run in runs:
        same = identify_result(run)
        if same in first_of:
            repetitions[first_of[same]] = repetitions.get(first_of[same], 0) + 1
        else:
            try:
                entries.append(_read_entry(run, uri))
                first_of[same] = run.run_id
            except ConfigError as error:
                left_out.append(str(error))
        step()
    others = [entry for entry in entries[1:] if not _have_same_outcomes(entries[0], entry)]
    left_out += [f"Run {e.run.run_id}: its outcomes differ from those of run {entries[0].run.run_id}." for e in others]
    consistent = [entry for entry in entries if all(entry is not other for other in others)]
    first = runs[0]
    return Group(
        first.tags["kind"], first.tags["dataset.digest"], _select_params(first), consistent, repetitions, left_out
    )


def _have_same_outcomes(one: Entry, other: Entry) -> bool:
    both = one.predictions.select(*BAR, "y").join(other.predictions.select(*BAR, "y"), on=BAR)
    return bool((both["y"] == both["y_right"]).all())


def _select_params(run: ListedRun) -> dict[str, str]:
    """Select the params that comparable runs share; an impact has no horizon."""
    parts = ("bars.", "target.") if run.tags["kind"] == "impact" else ("bars.", "horizon.", "target.")
    return {k: v for k, v in sorted(run.params.items()) if k.startswith(parts)}


def _is_comparable(run: ListedRun) -> bool:
    kind = run.tags.get("kind")
    return (
        run.status == "FINISHED" and not run.deleted and kind in ("forecast", "impact") and "dataset.digest" in run.tags
    )


def _read_block_length(run: ListedRun) -> int | None:
    text = run.params.get("evaluation.block_length", "None")
    if text == "None":
        return None
    try:
        length = parse_duration(text, "evaluation.block_length")
    except ConfigError as error:
        raise ConfigError(f"The params of run {run.run_id} are not valid: {error}") from error
    if length == 0:
        raise ConfigError(f"The params of run {run.run_id} are not valid: evaluation.block_length is 0.")
    return length


def _read_entry(run: ListedRun, uri: str) -> Entry:
    block = _read_block_length(run)
    with tempfile.TemporaryDirectory() as folder:
        names = ["predictions.parquet", "equity.parquet"]
        if run.folder is None:
            paths = fetch_files(run.run_id, uri, Path(folder), names)
        else:
            paths = {name: run.folder / name for name in names if (run.folder / name).is_file()}
        if "predictions.parquet" not in paths:
            raise ConfigError(f"Run {run.run_id} has no predictions.parquet.")
        predictions = read_table(paths["predictions.parquet"], run.run_id, "predictions", _PREDICTIONS)
        equity = None
        if "equity.parquet" in paths:
            equity = read_table(paths["equity.parquet"], run.run_id, "equity", _EQUITY)
    for name, table in (("predictions", predictions), ("equity", equity)):
        numbers = [] if table is None else [c for c, dtype in table.schema.items() if dtype == pl.Float64()]
        if table is not None and not table.select(pl.col(numbers).is_finite().all()).row(0) == (True,) * len(numbers):
            raise ConfigError(f"The {name} of run {run.run_id} are not valid: a number is not finite.")
    if (predictions["label_end"] <= predictions["label_start"]).any():
        raise ConfigError(f"The predictions of run {run.run_id} are not valid: a label must end after it starts.")
    equity = None if equity is None else _average_paths(equity).sort("bar_close")
    return Entry(run, _average_paths(predictions).sort("bar_close", *BAR[:2]), equity, block)


def _average_paths(table: pl.DataFrame) -> pl.DataFrame:
    """Average the numbers of each bar over its paths, so that each bar has one row."""
    if "path" not in table.columns:
        return table
    numbers = [name for name, dtype in table.schema.items() if dtype == pl.Float64()]
    rest = [name for name in table.columns if name not in (*BAR, *numbers, "path")]
    return table.group_by(BAR, maintain_order=True).agg(pl.col(rest).first(), pl.col(numbers).mean())
