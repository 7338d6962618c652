"""Lasso: least squares of the return with a penalty on the weights, most of which become 0 (Tibshirani 1996)."""

from dataclasses import dataclass
from typing import Annotated

from ofiml.config.bounds import positive
from ofiml.config.model import Kind
from ofiml.config.model import Model as Config
from ofiml.models.base import Task
from ofiml.models.linear import Linear


@dataclass(slots=True)
class LassoModel(Config):
    alpha: Annotated[float, positive(": model=ols has no penalty")]


def build(config: LassoModel, task: Task) -> Linear:
    from sklearn.linear_model import Lasso

    return Linear(Lasso(alpha=config.alpha, max_iter=100_000), classify=False)


MODEL = Kind(LassoModel, ("regression",), build)
