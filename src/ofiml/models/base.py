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
    """The task of a model: its type, the `seed` of its random choices, and the names of its features, empty if they
    are not known.
    """

    type: TaskType
    seed: int
    features: tuple[str, ...] = ()


class Model(Protocol):
    """The protocol of a forecaster of the label from features x (n, k), rows in time order; x may contain NaN."""

    def fit(self, x: Float, y: Float, inner: Inner) -> "Model":
        """Fit on train rows with labels y (n,), for a direction -1, 0 or 1, never NaN, and return the model itself. The
        rows are the caller's and must not be changed, here and below.

        Validation rows come from the purged splits of `inner`, which describes the same n rows. Raises DataError if the
        labels cannot be learned from.
        """
        ...

    def predict(self, x: Float) -> Float:
        """Predict (n,), never NaN: for a return the expected label, or another functional that the config names; for a
        direction P(up) - P(down) over all rows, moved or not.
        """
        ...

    def probabilities(self, x: Float) -> Float | None:
        """Compute P(down), P(flat), P(up), (n, 3), of a direction; None for a return.

        They sum to 1, and `predict` is the last less the first. A classifier of the rows that move gives P(flat) = 0;
        `FlatShareClassifier` extends it to all rows.
        """
        ...

    def contributions(self, x: Float) -> Float:
        """Compute SHAP values (n, k) of the raw score, relative to the train rows."""
        ...

    def save(self, stem: Path) -> None:
        """Write the model as text at `stem` plus a suffix, never as a pickle; each file appears whole or not at all."""
        ...

    def load(self, stem: Path, width: int) -> "Model":
        """Read the file of `save`, for `width` features, as untrusted input. Raises DataError for any other content."""
        ...

    def native(self) -> Any:
        """Return the library's own model object for the tracking store, or None."""
        ...


def expand_binary_probabilities(up: Float) -> Float:
    """Expand P(up) (n,) of rows that move to P(down), P(flat) = 0, P(up), (n, 3)."""
    return np.column_stack([1.0 - up, np.zeros(len(up)), up])


def read_json(path: Path, what: str, keys: set[str]) -> dict[str, Any]:
    """Read a mapping with exactly these keys from an untrusted file. Raises DataError, which names `what` the file
    should be, for any other content.
    """
    try:
        parts = json.loads(path.read_text())
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, dict) or set(parts) != keys:
        raise DataError(f"{path.name} is not a {what} written by a study: restore the logged file.")
    return parts


def parse_finite(values: Any, path: Path, what: str) -> Float:
    """Parse one or more finite numbers, (n,), from an untrusted file. Raises DataError, which names `what` the file
    should be, for any other content.
    """
    try:
        numbers = np.array(values, np.float64)
    except (ValueError, TypeError):
        numbers = np.empty(0)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.isfinite(numbers).all():
        raise DataError(
            f"{path.name} is not a {what} written by a study: numbers are missing or not finite; "
            "restore the logged file."
        )
    return numbers
