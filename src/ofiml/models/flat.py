"""Two-class models extended by P(flat), the share of train rows that did not move."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ofiml._typing import Float
from ofiml.atomic import write_text_atomically
from ofiml.errors import DataError
from ofiml.models.base import Model, read_json
from ofiml.splits.inner import Inner


class FlatShareClassifier:
    """A two-class model of the rows that move, extended to all rows by P(flat) = f, the share of train rows with label
    0. P(down) and P(up) are (1 - f) times those of the model. If f = 0, predictions equal those of the model to the
    bit.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.flat = model, 0.0

    def fit(self, x: Float, y: Float, inner: Inner) -> "FlatShareClassifier":
        self.model = self.model.fit(x, y, inner)
        self.flat = float(np.mean(y == 0))
        return self

    def predict(self, x: Float) -> Float:
        return (1.0 - self.flat) * self.model.predict(x)

    def probabilities(self, x: Float) -> Float:
        p = self.model.probabilities(x)
        assert p is not None, "only a classifier has probabilities"
        share = 1.0 - self.flat
        return np.column_stack([share * p[:, 0], np.full(len(p), self.flat), share * p[:, 2]])

    def contributions(self, x: Float) -> Float:
        return self.model.contributions(x)

    def save(self, stem: Path) -> None:
        self.model.save(stem)
        write_text_atomically(_name_file(stem), json.dumps({"flat": self.flat}))

    def load(self, stem: Path, width: int) -> "FlatShareClassifier":
        path = _name_file(stem)
        flat = read_json(path, "share of flat rows", {"flat"})["flat"]
        if not isinstance(flat, float) or not 0 <= flat <= 1:
            raise DataError(f"{path.name} must have a share of flat rows in [0, 1]: restore the logged file.")
        self.flat = flat
        self.model = self.model.load(stem, width)
        return self

    def native(self) -> Any:
        return self.model.native()


def _name_file(stem: Path) -> Path:
    return stem.with_name(stem.name + "_flat.json")
