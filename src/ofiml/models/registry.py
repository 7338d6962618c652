"""From a model's config to a fresh, unfitted model."""

from collections.abc import Sequence

from ofiml.config import MODELS
from ofiml.config import Model as ModelConfig
from ofiml.models.base import Model, Task


def build(config: ModelConfig, *, form: str, seed: int, features: Sequence[str] = ()) -> Model:
    """The model that `config` names, for a label of `form` return or direction, and for `features` of these names: a
    model that is told something of its features needs them.
    """
    model: Model = MODELS.kind(config.name).build(config, Task(form, seed, tuple(features)))
    return model
