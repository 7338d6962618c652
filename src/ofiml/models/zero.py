"""The forecast of no change: the null model."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ofiml.models.base import Float
from ofiml.splits.inner import Inner


class Zero:
    def fit(self, x: Float, y: Float, inner: Inner) -> "Zero":
        return self

    def predict(self, x: Float) -> Float:
        return np.zeros(len(x))

    def contributions(self, x: Float) -> Float:
        return np.zeros(x.shape)

    def save(self, stem: Path) -> None:
        stem.with_suffix(".json").write_text(json.dumps({"model": "zero"}))

    def load(self, stem: Path, width: int) -> "Zero":
        return self

    def native(self) -> Any:
        return None
