"""From a model's config to a fresh, unfitted model."""

from collections.abc import Sequence

from ofiml._typing import TaskType
from ofiml.config import MODELS
from ofiml.config import Model as ModelConfig
from ofiml.models.base import Model, Task


def build_model(config: ModelConfig, *, task: TaskType, seed: int, features: Sequence[str] = ()) -> Model:
    """Build the unfitted model of `config`.

    Parameters
    ----------
    config
        The model's own schema; its name is looked up in `MODELS`.
    task
        What the model learns: regression or classification.
    seed
        Of every random choice of the model.
    features
        Names of the features, in the order of their columns; models with settings per feature need them.
    """
    model: Model = MODELS.kind(config.name).build(config, Task(task, seed, tuple(features)))
    return model
