"""LightGBM with bit-reproducible fits: one thread, deterministic, column-wise histograms, float64."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from ofiml._typing import Calibration, Float, Monotone, Objective, TaskType
from ofiml.atomic import write_text_atomically
from ofiml.config.bounds import at_least, between, not_negative, within
from ofiml.config.checks import require
from ofiml.config.model import Kind
from ofiml.config.model import Model as ModelConfig
from ofiml.errors import locate_error
from ofiml.models.base import Model, Task, expand_binary_probabilities
from ofiml.models.calibration import wrap_calibrated
from ofiml.models.flat import FlatShareClassifier
from ofiml.models.linear import require_both_directions, select_moves
from ofiml.splits.inner import Inner

if TYPE_CHECKING:  # loads numba, which would delay the report of a config error
    from ofiml.models.trees import Trees


@dataclass(slots=True)
class LgbmModel(ModelConfig):
    """The schema of LightGBM."""

    objective: Objective
    quantile: Annotated[float, within("(0, 1)")]
    n_estimators: Annotated[int, between(1, 1_000_000)]
    learning_rate: Annotated[float, within("(0, 10]")]
    num_leaves: Annotated[int, between(2, 131_072)]
    min_child_samples: Annotated[int, not_negative()]
    reg_lambda: Annotated[float, not_negative()]
    feature_fraction: Annotated[float, within("(0, 1]")]
    bagging_fraction: Annotated[float, within("(0, 1]")]
    early_stopping: Annotated[int | None, at_least(1, ", or be null")]
    validation_fraction: Annotated[float, within("(0, 1)", ": the share of train rows left out for early stopping")]
    monotone: Monotone
    calibration: Calibration
    max_depth: Annotated[int | None, between(1, 1000, ", or be null")] = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        require(
            self.monotone == "none" or self.objective in ("auto", "l2"),
            f"model.monotone=ofi does not support model.objective={self.objective}: use monotone=none, or "
            "objective=auto.",
        )
        for key in ("quantile", "validation_fraction"):
            require(key not in self.space, f"model.space: {key} cannot be tuned; remove it.")

    @property
    def of_quantile(self) -> float | None:
        return self.quantile if self.objective == "quantile" else None

    def explain_unused_keys(self) -> dict[str, str]:
        inert = {}
        if self.objective != "quantile":
            inert["quantile"] = f"the objective is {self.objective}; use objective=quantile"
        if self.early_stopping is None:
            inert["validation_fraction"] = "early_stopping is null; set it, as in early_stopping=50"
        return inert

    def forbids(self, task: TaskType) -> str | None:
        if task == "classification":
            return f"model.objective={self.objective} is" if self.objective in ("l2", "quantile") else None
        if self.objective == "three_class":
            return "model.objective=three_class is"
        return None if self.calibration == "none" else f"model.calibration={self.calibration} is of"


class Lgbm:
    """Gradient-boosted trees: L2 regression or a quantile of the return, or a two-class model (of the rows that move)
    or a three-class model of the direction.

    With early stopping, the last share of the train rows, purged from the rest, is the validation set. The model is
    then fitted on all train rows with the best number of rounds.
    """

    def __init__(self, config: LgbmModel, task: Task) -> None:
        classify = task.type == "classification"
        names = {"auto": "binary" if classify else "regression", "l2": "regression", "three_class": "multiclass"}
        self.objective = names.get(config.objective, config.objective)
        self.rounds, self.stopping, self.validation_fraction = (
            config.n_estimators,
            config.early_stopping,
            config.validation_fraction,
        )
        self.trees: Trees | None = None  # set by `load`, in place of a booster
        self.constraints = _list_constraints(task) if config.monotone == "ofi" else ()
        self.params = {
            "objective": self.objective,
            "learning_rate": config.learning_rate,
            "num_leaves": config.num_leaves,
            "min_child_samples": config.min_child_samples,
            "reg_lambda": config.reg_lambda,
            "feature_fraction": config.feature_fraction,
            "bagging_fraction": config.bagging_fraction,
            "bagging_freq": 1,
            "seed": task.seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        if config.max_depth is not None:
            self.params["max_depth"] = config.max_depth
        if self.objective == "quantile":
            self.params["alpha"] = config.quantile
        if self.objective == "multiclass":
            self.params["num_class"] = 3
        if self.constraints:
            self.params["monotone_constraints"] = list(self.constraints)

    def fit(self, x: Float, y: Float, inner: Inner) -> "Lgbm":
        import lightgbm

        rounds = self.rounds if self.stopping is None else self._find_best_rounds(x, y, inner, self.stopping)
        self.trees = None
        train = lightgbm.Dataset(*self._select_train_rows(x, y))
        self.booster = lightgbm.train(self.params, train, num_boost_round=rounds)
        return self

    def _find_best_rounds(self, x: Float, y: Float, inner: Inner, stopping: int) -> int:
        """Find the number of rounds with the least loss on validation rows."""
        import lightgbm

        key = "model.early_stopping"
        (fold,) = inner.folds(
            1, first_train=1 - self.validation_fraction, key=key, remedy="a smaller model.validation_fraction"
        )
        with locate_error(f"{key}, train rows"):
            train = lightgbm.Dataset(*self._select_train_rows(x[fold.train], y[fold.train]))
        with locate_error(f"{key}, validation rows"):
            validation = lightgbm.Dataset(*self._select_train_rows(x[fold.test], y[fold.test]), reference=train)
        stop = lightgbm.early_stopping(stopping, verbose=False)
        booster = lightgbm.train(
            self.params, train, num_boost_round=self.rounds, valid_sets=[validation], callbacks=[stop]
        )
        return max(1, int(booster.best_iteration))

    def _select_train_rows(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Select the rows to train on, with labels in LightGBM's encoding."""
        if self.objective == "binary":
            return select_moves(x, y)
        if self.objective == "multiclass":
            require_both_directions(y)
            return x, y + 1.0
        return x, y

    def predict(self, x: Float) -> Float:
        raw = self._predict_raw(x)
        match self.objective:
            case "binary":
                return 2.0 * raw - 1.0
            case "multiclass":
                return raw[:, 2] - raw[:, 0]
        return raw

    def probabilities(self, x: Float) -> Float | None:
        match self.objective:
            case "binary":
                return expand_binary_probabilities(self._predict_raw(x))
            case "multiclass":
                return self._predict_raw(x)
        return None

    def _predict_raw(self, x: Float) -> Float:
        return self.trees.predict(x) if self.trees else cast(Float, self.booster.predict(x, num_threads=1))

    def contributions(self, x: Float) -> Float:
        """Compute SHAP values (n, k) of the raw score; with three classes, of the score of up less that of down."""
        # `pred_contrib` equals shap.TreeExplainer without importing shap; its last column is the expected score.
        shap = cast(Float, self.booster.predict(x, pred_contrib=True, num_threads=1))
        if self.objective == "multiclass":
            by_class = shap.reshape(len(x), 3, x.shape[1] + 1)
            shap = by_class[:, 2] - by_class[:, 0]
        return shap[:, :-1]

    def save(self, stem: Path) -> None:
        write_text_atomically(stem.with_suffix(".txt"), self.booster.model_to_string())

    def load(self, stem: Path, width: int) -> "Lgbm":
        """Read the file of `save`, for `width` features. Raises DataError for any other content.

        A loaded model only predicts: `contributions` and `native` need LightGBM's own reader, which is not safe for an
        untrusted file.
        """
        from ofiml.models import trees

        self.trees = trees.read_trees(stem.with_suffix(".txt"), width, self.objective, self.constraints)
        return self

    def native(self) -> Any:
        return self.booster


def _list_constraints(task: Task) -> tuple[int, ...]:
    """List the sign of each feature's monotone constraint: 1, -1, or 0 for none; empty if no feature has one."""
    from ofiml.ofi.columns import find_price_sign

    if not task.features:
        raise ValueError("a monotone model needs its feature names")
    signs = tuple(find_price_sign(name) for name in task.features)
    return signs if any(signs) else ()


def build(config: LgbmModel, task: Task) -> Model:
    """Build the unfitted model of `config`."""
    three = config.objective == "three_class"
    model = wrap_calibrated(lambda: Lgbm(config, task), config.calibration, flat=three)
    return FlatShareClassifier(model) if task.type == "classification" and not three else model


MODEL = Kind(LgbmModel, ("regression", "classification"), build)
