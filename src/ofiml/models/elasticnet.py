"""Elastic net: least squares of the return with the penalties of Lasso and Ridge (Zou & Hastie 2005)."""

from dataclasses import dataclass
from typing import Annotated

from ofiml.config.bounds import positive, within
from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.models.base import Task
from ofiml.models.linear import Linear


@dataclass(slots=True)
class ElasticNetModel(ModelConfig):
    """The schema of an elastic net."""

    alpha: Annotated[float, positive(": model=ols has no penalty")]
    l1_ratio: Annotated[float, within("(0, 1]", ": use model=ridge instead of 0")]


def build(config: ElasticNetModel, task: Task) -> Linear:
    """Build the unfitted model of `config`."""
    from sklearn.linear_model import ElasticNet

    return Linear(
        ElasticNet(alpha=config.alpha, l1_ratio=config.l1_ratio, max_iter=100_000, copy_X=False), classify=False
    )


MODEL = Kind(ElasticNetModel, ("regression",), build)
