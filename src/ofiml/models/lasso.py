"""Lasso: least squares of the return with a penalty on |weights|, which sets most of them to 0 (Tibshirani 1996)."""

from dataclasses import dataclass
from typing import Annotated

from ofiml.config.bounds import positive
from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.models.base import Task
from ofiml.models.linear import Linear


@dataclass(slots=True)
class LassoModel(ModelConfig):
    """The schema of a lasso."""

    alpha: Annotated[float, positive(": model=ols has no penalty")]


def build(config: LassoModel, task: Task) -> Linear:
    """Build the unfitted model of `config`."""
    from sklearn.linear_model import Lasso

    return Linear(Lasso(alpha=config.alpha, max_iter=100_000, copy_X=False), classify=False)


MODEL = Kind(LassoModel, ("regression",), build)
