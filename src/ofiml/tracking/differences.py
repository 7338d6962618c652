"""What differs between a logged run and its repetition: where each ran, and what each predicted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ofiml.provenance import Provenance
from ofiml.tracking.logged_report import LoggedPlace
from ofiml.tracking.logged_run import BAR, read_table

#: Predictions that differ by less are equal but for the order of sums: a share of their standard deviation.
TOLERANCE = 1e-9

_COLUMNS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "bar_close": pl.Datetime("ns", "UTC"),
    "path": pl.Int32(),
    "fold": pl.Int32(),
    "y": pl.Float64(),
    "y_hat": pl.Float64(),
}


def list_changes(before: LoggedPlace | None, now: Provenance) -> list[str]:
    """List what differs between the place of a logged run and this one, one line each.

    The logged values may come from a stranger, so that only printable text is shown, and a question mark for a value
    that is missing. A run of an earlier version has no place (None).
    """
    if before is None:
        return ["The run does not say where it was made: it is of an earlier version."]
    lines = []
    commit = _show(before.commit)
    if commit != now.commit:
        lines.append(f"commit: was {commit[:12]}, now {now.commit[:12]}")
    if before.dirty or now.dirty:
        lines.append(f"uncommitted changes: {_join_sides(before.dirty, now.dirty)}")
    for name, version in now.versions.items():
        was_version = _show(before.versions.get(name))
        if was_version != version:
            lines.append(f"{name}: was {was_version}, now {version}")
    for name, was, is_now in (
        ("system", before.system, now.system),
        ("processor", before.processor, now.processor),
    ):
        if _show(was) != is_now:
            lines.append(f"{name}: was {_show(was)}, now {is_now}")
    if before.threads != now.threads:
        threads = "?" if before.threads is None else before.threads
        lines.append(f"threads: was {threads}, now {now.threads} (no effect on results)")
    return lines


def _join_sides(was: bool, is_now: bool) -> str:
    return "then and now" if was and is_now else "then, in git.diff" if was else "now"


def _show(text: str | None) -> str:
    """Return at most 60 printable characters of a text; a question mark for None."""
    return "?" if text is None else "".join(c if c.isprintable() else "?" for c in text[:60])


@dataclass(frozen=True, slots=True)
class PredictionDifference:
    """How two tables of predictions differ.

    `rows` differ of `compared`, by at most `largest` (as a share of the standard deviation of the predictions; NaN if
    the rows are not the same), and `first` describes the first of them. `within` says that none exceeds `TOLERANCE`.
    """

    rows: int
    compared: int
    largest: float
    first: str

    @property
    def within(self) -> bool:
        return self.largest <= TOLERANCE


def measure_gap(was: float, now: float) -> float:
    """Measure how far two numbers are apart, as a share of the larger one; a stranger's may be of any size."""
    try:
        gap = abs(now - was) / max(abs(was), abs(now))
    except OverflowError:  # of an integer that no float can hold
        return math.inf
    return math.inf if math.isnan(gap) else gap


def compare_predictions(before: Path, after: Path, run_id: str) -> PredictionDifference:
    """Compare the predictions of a run with those of its repetition. Raises ConfigError for a table of no study."""
    one, other = (read_table(path, run_id, "predictions", _COLUMNS) for path in (before, after))
    key = [*BAR, *(["path"] if "path" in one.columns and "path" in other.columns else [])]
    if not one.select(key).equals(other.select(key)):
        return PredictionDifference(one.height, one.height, float("nan"), _find_other_row(one, other, key))
    differs = np.zeros(one.height, bool)
    largest = 0.0
    scale = float(np.std(one["y_hat"].to_numpy())) or 1.0
    for name in ("fold", "y", "y_hat"):
        was, now = one[name].to_numpy(), other[name].to_numpy()
        changed = was.view(f"i{was.itemsize}") != now.view(f"i{now.itemsize}")
        differs |= changed
        if changed.any():
            gap = np.abs(now.astype(float) - was.astype(float))[changed] / scale
            largest = max(largest, float(gap.max()) if np.isfinite(gap).all() else float("inf"))
    first = _describe_row(one, other, int(np.flatnonzero(differs)[0])) if differs.any() else ""
    return PredictionDifference(int(differs.sum()), one.height, largest, first)


def _find_other_row(one: pl.DataFrame, other: pl.DataFrame, key: list[str]) -> str:
    for index, (was, now) in enumerate(zip(_list_keys(one, key), _list_keys(other, key), strict=False)):
        if was != now:
            return f"row {index}: was {was}, now {now}"
    return f"{one.height:,} rows were predicted, now {other.height:,}"


def _list_keys(table: pl.DataFrame, key: list[str]) -> Iterator[str]:
    shown = table.select(key).with_columns(pl.col("bar_close").cast(pl.Datetime("ns", "UTC")))
    return (" ".join(_show(str(value)) for value in row) for row in shown.iter_rows())


def _describe_row(one: pl.DataFrame, other: pl.DataFrame, index: int) -> str:
    where = next(_list_keys(one[index], BAR))
    parts = [
        f"{name} was {one[name][index]!r}, now {other[name][index]!r}"
        for name in ("fold", "y", "y_hat")
        if one[name][index] != other[name][index]
    ]
    return f"row {index}, {where}: {'; '.join(parts) or 'another NaN'}"
