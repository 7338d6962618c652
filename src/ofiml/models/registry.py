"""The registry of models: it builds an unfitted model from a config."""

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
        The config of the model; its name is looked up in `MODELS`.
    task
        Regression or classification.
    seed
        The seed of all random choices of the model.
    features
        Names of the features in the order of their columns, for models with settings per feature.

    Returns
    -------
    Model
        The unfitted model.
    """
    model: Model = MODELS.kind(config.name).build(config, Task(task, seed, tuple(features)))
    return model
