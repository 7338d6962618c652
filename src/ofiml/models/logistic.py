"""Logistic regression of the direction, with a penalty on the squared weights."""

from dataclasses import dataclass
from typing import Annotated

from ofiml._typing import Calibration
from ofiml.config.bounds import positive
from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.models.base import Model, Task
from ofiml.models.calibration import wrap_calibrated
from ofiml.models.flat import FlatShareClassifier
from ofiml.models.linear import Linear


@dataclass(slots=True)
class LogisticModel(ModelConfig):
    """The schema of a logistic regression."""

    c: Annotated[float, positive()]
    calibration: Calibration


def build(config: LogisticModel, task: Task) -> Model:
    """Build the unfitted model of `config`."""
    from sklearn.linear_model import LogisticRegression

    def make() -> Model:
        return Linear(LogisticRegression(C=config.c, max_iter=1000), classify=True)

    return FlatShareClassifier(wrap_calibrated(make, config.calibration))


MODEL = Kind(LogisticModel, ("classification",), build)
