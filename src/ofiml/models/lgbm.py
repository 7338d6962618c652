"""LightGBM, set up so that the same rows give the same bits: one thread, deterministic, column-wise, float64."""

from pathlib import Path
from typing import Any

from ofiml.config import LgbmModel
from ofiml.models import trees
from ofiml.models.base import Float
from ofiml.models.linear import moves_only
from ofiml.splits.inner import Inner


class Lgbm:
    """Gradient-boosted trees: L2 regression of the return, or binary classification of the direction."""

    def __init__(self, config: LgbmModel, *, classify: bool, seed: int) -> None:
        self.classify, self.rounds = classify, config.n_estimators
        self.trees: trees.Trees | None = None  # of a loaded model
        self.params = {
            "objective": "binary" if classify else "regression",
            "learning_rate": config.learning_rate,
            "num_leaves": config.num_leaves,
            "min_child_samples": config.min_child_samples,
            "reg_lambda": config.reg_lambda,
            "feature_fraction": config.feature_fraction,
            "bagging_fraction": config.bagging_fraction,
            "bagging_freq": 1,
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def fit(self, x: Float, y: Float, inner: Inner) -> "Lgbm":
        import lightgbm

        if self.classify:
            x, y = moves_only(x, y)
        self.trees = None
        self.booster = lightgbm.train(self.params, lightgbm.Dataset(x, y), num_boost_round=self.rounds)
        return self

    def predict(self, x: Float) -> Float:
        score = self.trees.predict(x) if self.trees else self.booster.predict(x, num_threads=1)
        return 2.0 * score - 1.0 if self.classify else score

    def contributions(self, x: Float) -> Float:
        # The same values as shap.TreeExplainer, without importing shap; the last column is the expected score.
        return self.booster.predict(x, pred_contrib=True, num_threads=1)[:, :-1]

    def save(self, stem: Path) -> None:
        self.booster.save_model(stem.with_suffix(".txt"))

    def load(self, stem: Path, width: int) -> "Lgbm":
        """Reads what `save` wrote, for `width` features, to predict and no more: `contributions` and `native` need the
        library, which is never given a stranger's file. Raises DataError for anything else.
        """
        self.trees = trees.read(stem.with_suffix(".txt"), width, classify=self.classify)
        return self

    def native(self) -> Any:
        return self.booster
