"""Logistic regression of the direction, with a penalty on the squares of the weights."""

from dataclasses import dataclass
from typing import Annotated

from ofiml._typing import Calibration
from ofiml.config.bounds import positive
from ofiml.config.model import Kind
from ofiml.config.model import Model as Config
from ofiml.models.base import Model, Task
from ofiml.models.calibration import wrap_calibrated
from ofiml.models.flat import WithFlat
from ofiml.models.linear import Linear


@dataclass(slots=True)
class LogisticModel(Config):
    c: Annotated[float, positive()]
    calibration: Calibration


def build(config: LogisticModel, task: Task) -> Model:
    from sklearn.linear_model import LogisticRegression

    def make() -> Model:
        return Linear(LogisticRegression(C=config.c, max_iter=1000), classify=True)

    return WithFlat(wrap_calibrated(make, config.calibration))


MODEL = Kind(LogisticModel, ("classification",), build)
