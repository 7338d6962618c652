"""What differs between a logged run and its repetition: where each ran, and what each predicted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ofiml.provenance import Provenance
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


def list_changes(before: dict[str, Any] | None, now: Provenance) -> list[str]:
    """List what differs between the place of a logged run, as JSON, and this one, one line each.

    The logged values may come from a stranger, so that only values of the right type are shown. A run of an earlier
    version has no place (None).
    """
    if not isinstance(before, dict):
        return ["The run does not say where it was made: it is of an earlier version."]
    lines = []
    commit = _read_text(before.get("commit"))
    if commit != now.commit:
        lines.append(f"commit: was {commit[:12]}, now {now.commit[:12]}")
    for was, is_now, words in ((before.get("dirty") is True, now.dirty, "uncommitted changes"),):
        if was or is_now:
            lines.append(f"{words}: {_join_sides(was, is_now)}")
    versions = before.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    for name, version in now.versions.items():
        was_version = _read_text(versions.get(name))
        if was_version != version:
            lines.append(f"{name}: was {was_version}, now {version}")
    for name in ("system", "processor"):
        text = _read_text(before.get(name))
        if text != getattr(now, name):
            lines.append(f"{name}: was {text}, now {getattr(now, name)}")
    if before.get("threads") != now.threads:
        threads = before.get("threads")
        lines.append(
            f"threads: was {threads if type(threads) is int else '?'}, now {now.threads} (no effect on results)"
        )
    return lines


def _join_sides(was: bool, is_now: bool) -> str:
    return "then and now" if was and is_now else "then, in git.diff" if was else "now"


def _read_text(value: object) -> str:
    """Return a printable text of at most 60 characters; a question mark for another value."""
    return "".join(c if c.isprintable() else "?" for c in value[:60]) if isinstance(value, str) else "?"


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
    return (" ".join(_read_text(str(value)) for value in row) for row in shown.iter_rows())


def _describe_row(one: pl.DataFrame, other: pl.DataFrame, index: int) -> str:
    where = next(_list_keys(one[index], BAR))
    parts = [
        f"{name} was {one[name][index]!r}, now {other[name][index]!r}"
        for name in ("fold", "y", "y_hat")
        if one[name][index] != other[name][index]
    ]
    return f"row {index}, {where}: {'; '.join(parts) or 'another NaN'}"
