"""What every model does."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ofiml.splits.inner import Inner

Float = NDArray[np.float64]


class Model(Protocol):
    """A forecaster of the label from features x (n, k), rows in time order; NaN in x is allowed.

    For a return, `predict` gives the expected label; for a direction, P(up) - P(down). `fit` learns from labels y (n,)
    and holds out, where it needs to, purged splits of `inner`, which describes the same n rows; it returns the model
    itself and raises DataError where the labels leave nothing to learn.
    """

    def fit(self, x: Float, y: Float, inner: Inner) -> "Model": ...
    def predict(self, x: Float) -> Float: ...

    def contributions(self, x: Float) -> Float:
        """SHAP values (n, k) of the raw score, against the train rows."""
        ...

    def save(self, stem: Path) -> None:
        """Writes the model as text, at `stem` with a suffix of its own. Never a pickle."""
        ...

    def load(self, stem: Path, width: int) -> "Model":
        """Reads what `save` wrote, for `width` features; it comes from strangers. Raises DataError for all else."""
        ...

    def native(self) -> Any:
        """The library's own object, for the tracking store; None if there is none."""
        ...
