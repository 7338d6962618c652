"""Ridge regression of the return: least squares with a penalty on the squared weights."""

from dataclasses import dataclass
from typing import Annotated

from ofiml.config.bounds import not_negative
from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.models.base import Task
from ofiml.models.linear import Linear


@dataclass(slots=True)
class RidgeModel(ModelConfig):
    """The schema of a ridge regression."""

    alpha: Annotated[float, not_negative()]


def build(config: RidgeModel, task: Task) -> Linear:
    """Build the unfitted model of `config`."""
    from sklearn.linear_model import Ridge

    return Linear(Ridge(alpha=config.alpha, copy_X=False), classify=False)


MODEL = Kind(RidgeModel, ("regression",), build)
