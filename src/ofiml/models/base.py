"""The protocol of all models, and the task of a model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ofiml._typing import Float, TaskType
from ofiml.errors import DataError
from ofiml.splits.inner import Inner


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is made for: regression or classification, random choices from `seed`, features of these names
    (none where they are not known).
    """

    type: TaskType
    seed: int
    features: tuple[str, ...] = ()


class Model(Protocol):
    """A forecaster of the label from features x (n, k), rows in time order; NaN in x is allowed.

    For a return, `predict` gives the expected label (or what else of it the config asks for); for a direction P(up) -
    P(down), of all rows, whether they move or not. `fit` learns from labels y (n,), of a direction -1, 0 or 1, and
    holds out, where it needs to, purged splits of `inner`, which describes the same n rows; it returns the model itself
    and raises DataError where the labels leave nothing to learn.
    """

    def fit(self, x: Float, y: Float, inner: Inner) -> "Model": ...
    def predict(self, x: Float) -> Float: ...

    def probabilities(self, x: Float) -> Float | None:
        """P(down), P(flat), P(up), (n, 3), of a direction: they sum to 1, and `predict` is the last less the first.
        What speaks only of rows that move says P(flat) = 0; `WithFlat` makes it whole. None of a return.
        """
        ...

    def contributions(self, x: Float) -> Float:
        """Compute SHAP values (n, k) of the raw score, against the train rows."""
        ...

    def save(self, stem: Path) -> None:
        """Write the model as text, at `stem` with a suffix of its own. Never a pickle."""
        ...

    def load(self, stem: Path, width: int) -> "Model":
        """Read what `save` wrote, for `width` features, as untrusted input. Raises DataError for anything else."""
        ...

    def native(self) -> Any:
        """Return the library's own object for the tracking store, or None."""
        ...


def binary_probabilities(up: Float) -> Float:
    """Expand P(up) (n,) of rows that move to P(down), P(flat) = 0, P(up), (n, 3)."""
    return np.column_stack([1.0 - up, np.zeros(len(up)), up])


def read_json(path: Path, what: str, keys: set[str]) -> dict[str, Any]:
    """Read a mapping of these keys from an untrusted file. Raises DataError unless it is a study's `what`."""
    try:
        parts = json.loads(path.read_text())
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, dict) or set(parts) != keys:
        raise DataError(f"{path.name} is not a {what} written by a study: restore the logged file.")
    return parts


def parse_finite(values: Any, path: Path, what: str) -> Float:
    """Parse the finite numbers (n,), at least one, of an untrusted file. Raises DataError for anything else."""
    try:
        numbers = np.array(values, np.float64)
    except (ValueError, TypeError):
        numbers = np.empty(0)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.isfinite(numbers).all():
        raise DataError(
            f"{path.name} is not a {what} written by a study, as numbers are missing or not finite: "
            "restore the logged file."
        )
    return numbers
