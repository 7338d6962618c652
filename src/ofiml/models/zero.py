"""The forecast of no change: the null model."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ofiml._typing import Float
from ofiml.atomic import write_text_atomically
from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.models.base import Model, Task, expand_binary_probabilities
from ofiml.models.flat import FlatShareClassifier
from ofiml.splits.inner import Inner


class Zero:
    """The null model: it forecasts no change, or P(up) = P(down)."""

    def __init__(self, task: Task) -> None:
        self.classify = task.type == "classification"

    def fit(self, x: Float, y: Float, inner: Inner) -> "Zero":
        return self

    def predict(self, x: Float) -> Float:
        return np.zeros(len(x))

    def probabilities(self, x: Float) -> Float | None:
        return expand_binary_probabilities(np.full(len(x), 0.5)) if self.classify else None

    def contributions(self, x: Float) -> Float:
        return np.zeros(x.shape)

    def save(self, stem: Path) -> None:
        write_text_atomically(stem.with_suffix(".json"), json.dumps({"model": "zero"}))

    def load(self, stem: Path, width: int) -> "Zero":
        return self

    def native(self) -> Any:
        return None


def build(config: ModelConfig, task: Task) -> Model:
    """Build the unfitted model of `config`."""
    return FlatShareClassifier(Zero(task)) if task.type == "classification" else Zero(task)


MODEL = Kind(ModelConfig, ("regression", "classification"), build)
