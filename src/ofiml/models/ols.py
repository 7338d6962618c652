"""Least squares of the return."""

from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.models.base import Task
from ofiml.models.linear import Linear


def build(config: ModelConfig, task: Task) -> Linear:
    """Build the unfitted model of `config`."""
    from sklearn.linear_model import LinearRegression

    return Linear(LinearRegression(copy_X=False), classify=False)


MODEL = Kind(ModelConfig, ("regression",), build)
