"""From a model's config to a fresh, unfitted model."""

from ofiml.config import LgbmModel, LogisticModel, RidgeModel
from ofiml.config import Model as ModelConfig
from ofiml.models import lgbm, linear
from ofiml.models.base import Model
from ofiml.models.zero import Zero


def build(config: ModelConfig, *, form: str, seed: int) -> Model:
    """The model that `config` names, for a label of `form` return or direction."""
    match config:
        case LgbmModel():
            return lgbm.Lgbm(config, classify=form == "direction", seed=seed)
        case RidgeModel():
            return linear.ridge(config)
        case LogisticModel():
            return linear.logistic(config)
    return Zero() if config.name == "zero" else linear.ols()
