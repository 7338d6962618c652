"""From a model's config to a fresh, unfitted model."""

from collections.abc import Sequence

from ofiml._typing import TaskType
from ofiml.config import MODELS
from ofiml.config import Model as ModelConfig
from ofiml.models.base import Model, Task


def build(config: ModelConfig, *, task: TaskType, seed: int, features: Sequence[str] = ()) -> Model:
    """Make the model that `config` names, for a `task` and for `features` of these names, which a model that depends
    on its features' meaning needs.
    """
    model: Model = MODELS.kind(config.name).build(config, Task(task, seed, tuple(features)))
    return model
