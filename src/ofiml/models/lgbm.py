"""LightGBM, set up so that the same rows give the same bits: one thread, deterministic, column-wise, float64."""

from pathlib import Path
from typing import Any

from ofiml.config import LgbmModel
from ofiml.errors import DataError
from ofiml.models.base import Float
from ofiml.models.linear import moves_only


class Lgbm:
    """Gradient-boosted trees: L2 regression of the return, or binary classification of the direction."""

    def __init__(self, config: LgbmModel, *, classify: bool, seed: int) -> None:
        self.classify, self.rounds = classify, config.n_estimators
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

    def fit(self, x: Float, y: Float) -> "Lgbm":
        import lightgbm

        if self.classify:
            x, y = moves_only(x, y)
        self.booster = lightgbm.train(self.params, lightgbm.Dataset(x, y), num_boost_round=self.rounds)
        return self

    def predict(self, x: Float) -> Float:
        score = self.booster.predict(x, num_threads=1)
        return 2.0 * score - 1.0 if self.classify else score

    def contributions(self, x: Float) -> Float:
        # The same values as shap.TreeExplainer, without importing shap; the last column is the expected score.
        return self.booster.predict(x, pred_contrib=True, num_threads=1)[:, :-1]

    def save(self, stem: Path) -> None:
        self.booster.save_model(stem.with_suffix(".txt"))

    def load(self, stem: Path, width: int) -> "Lgbm":
        """Reads what `save` wrote, for `width` features, its trees checked first: the library trusts them."""
        import lightgbm

        path = stem.with_suffix(".txt")
        try:
            text = path.read_text()
            check_trees(text, width)
            self.booster = lightgbm.Booster(model_str=text)
        except (ValueError, KeyError, IndexError, lightgbm.basic.LightGBMError) as error:
            raise DataError(f"{path.name} is no LightGBM model that a study wrote ({error}).") from error
        if self.booster.num_feature() != width:
            raise DataError(f"{path.name} has {self.booster.num_feature()} features, and the run {width}.")
        return self

    def native(self) -> Any:
        return self.booster


def check_trees(text: str, width: int) -> None:
    """Raises ValueError for trees that point outside of themselves, or in a circle: LightGBM walks them unseen."""
    for tree in text.partition("end of trees")[0].split("\nTree=")[1:]:
        fields = dict(line.partition("=")[::2] for line in tree.splitlines())
        leaves = int(fields["num_leaves"])
        if int(fields["num_cat"]) or int(fields.get("is_linear", "0")):
            raise ValueError("it has categories or linear leaves")
        lengths = {"leaf_value": leaves} | dict.fromkeys(_OF_NODES if leaves > 1 else (), leaves - 1)
        if leaves < 1 or any(len(fields[key].split()) != length for key, length in lengths.items()):
            raise ValueError("a tree has arrays of the wrong length")
        if leaves == 1:
            continue
        if any(not 0 <= int(f) < width for f in fields["split_feature"].split()):
            raise ValueError("a tree asks for a feature that is not there")
        for key in ("left_child", "right_child"):
            for node, child in enumerate(map(int, fields[key].split())):
                if not (node < child < leaves - 1 or -leaves <= child < 0):
                    raise ValueError("a tree is no tree")


_OF_NODES = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
