"""Elastic net: least squares of the return, penalties of Lasso and Ridge together (Zou & Hastie 2005)."""

from dataclasses import dataclass

from ofiml.config.checks import require
from ofiml.config.model import Kind
from ofiml.config.model import Model as Config
from ofiml.models.base import Task
from ofiml.models.linear import Linear


@dataclass(slots=True)
class ElasticNetModel(Config):
    alpha: float
    l1_ratio: float

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        require(self.alpha > 0, "model.alpha must be positive: model=ols is without a penalty.")
        require(0 < self.l1_ratio <= 1, "model.l1_ratio must lie in (0, 1]: model=ridge is what 0 would be.")


def build(config: ElasticNetModel, task: Task) -> Linear:
    from sklearn.linear_model import ElasticNet

    return Linear(ElasticNet(alpha=config.alpha, l1_ratio=config.l1_ratio, max_iter=100_000), classify=False)


MODEL = Kind(ElasticNetModel, ("return",), build)
