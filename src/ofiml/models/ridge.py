"""Ridge regression of the return: least squares with a penalty on the squares of the weights."""

from dataclasses import dataclass

from ofiml.config.checks import require
from ofiml.config.model import Kind
from ofiml.config.model import Model as Config
from ofiml.models.base import Task
from ofiml.models.linear import Linear


@dataclass(slots=True)
class RidgeModel(Config):
    alpha: float

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        require(self.alpha >= 0, "model.alpha must not be negative.")


def build(config: RidgeModel, task: Task) -> Linear:
    from sklearn.linear_model import Ridge

    return Linear(Ridge(alpha=config.alpha), classify=False)


MODEL = Kind(RidgeModel, ("return",), build)
