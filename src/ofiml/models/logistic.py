"""Logistic regression of the direction, with a penalty on the squares of the weights."""

from dataclasses import dataclass

from ofiml.config.checks import one_of, require
from ofiml.config.model import Kind
from ofiml.config.model import Model as Config
from ofiml.models.base import Model, Task
from ofiml.models.calibration import METHODS, calibrated
from ofiml.models.flat import WithFlat
from ofiml.models.linear import Linear


@dataclass(slots=True)
class LogisticModel(Config):
    c: float
    calibration: str

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        require(self.c > 0, "model.c must be positive.")
        one_of("model.calibration", self.calibration, METHODS)


def build(config: LogisticModel, task: Task) -> Model:
    from sklearn.linear_model import LogisticRegression

    def make() -> Model:
        return Linear(LogisticRegression(C=config.c, max_iter=1000), classify=True)

    return WithFlat(calibrated(make, config.calibration))


MODEL = Kind(LogisticModel, ("direction",), build)
