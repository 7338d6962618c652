"""LightGBM, set up so that the same rows give the same bits: one thread, deterministic, column-wise, float64."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ofiml.config.checks import one_of, require
from ofiml.config.model import Kind
from ofiml.config.model import Model as Config
from ofiml.errors import at
from ofiml.models.base import Float, Model, Task, two_way
from ofiml.models.calibration import METHODS, calibrated
from ofiml.models.flat import WithFlat
from ofiml.models.linear import both_ways, moves_only
from ofiml.splits.inner import Inner

if TYPE_CHECKING:  # it loads numba, which a wrong config does not wait for
    from ofiml.models.trees import Trees


@dataclass(slots=True)
class LgbmModel(Config):
    objective: str
    quantile: float
    n_estimators: int
    learning_rate: float
    num_leaves: int
    min_child_samples: int
    reg_lambda: float
    feature_fraction: float
    bagging_fraction: float
    early_stopping: int | None
    held_out: float
    monotone: str
    calibration: str

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        one_of("model.objective", self.objective, ("auto", "l2", "quantile", "three_class"))
        one_of("model.monotone", self.monotone, ("none", "ofi"))
        one_of("model.calibration", self.calibration, METHODS)
        require(0 < self.quantile < 1, "model.quantile must lie in (0, 1).")
        require(self.n_estimators >= 1, "model.n_estimators must be at least 1.")
        require(2 <= self.num_leaves <= 131_072, "model.num_leaves must lie between 2 and 131072.")
        require(self.min_child_samples >= 0, "model.min_child_samples must not be negative.")
        require(self.reg_lambda >= 0, "model.reg_lambda must not be negative.")
        require(0 < self.learning_rate <= 10, "model.learning_rate must lie in (0, 10].")
        require(0 < self.feature_fraction <= 1, "model.feature_fraction must lie in (0, 1].")
        require(0 < self.bagging_fraction <= 1, "model.bagging_fraction must lie in (0, 1].")
        require(self.early_stopping is None or self.early_stopping >= 1, "model.early_stopping must be at least 1.")
        require(0 < self.held_out < 1, "model.held_out must lie in (0, 1): the share of train rows that is held out.")
        require(
            self.monotone == "none" or self.objective in ("auto", "l2"),
            f"model.monotone=ofi cannot be held by model.objective={self.objective}: use monotone=none, or "
            "objective=auto.",
        )
        asked = {"quantile", "held_out"} & set(self.space)
        require(not asked, f"model.space: {', '.join(asked)} says what is asked, and is not tuned.")

    @property
    def of_quantile(self) -> float | None:
        return self.quantile if self.objective == "quantile" else None

    def forbids(self, form: str) -> str | None:
        if form == "direction":
            return f"model.objective={self.objective} is" if self.objective in ("l2", "quantile") else None
        if self.objective == "three_class":
            return "model.objective=three_class is"
        return None if self.calibration == "none" else f"model.calibration={self.calibration} is of"


class Lgbm:
    """Gradient-boosted trees: L2 regression or a quantile of the return; of the direction, up or down (where it moves),
    or three ways.

    With early stopping the last share of the train rows, purged, is held out first; all train rows then get as many
    rounds as were best there.
    """

    def __init__(self, config: LgbmModel, task: Task) -> None:
        direction = task.form == "direction"
        names = {"auto": "binary" if direction else "regression", "l2": "regression", "three_class": "multiclass"}
        self.objective = names.get(config.objective, config.objective)
        self.rounds, self.stopping, self.held_out = config.n_estimators, config.early_stopping, config.held_out
        self.trees: Trees | None = None  # of a loaded model
        self.constraints = _constraints(task) if config.monotone == "ofi" else ()
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
        if self.objective == "quantile":
            self.params["alpha"] = config.quantile
        if self.objective == "multiclass":
            self.params["num_class"] = 3
        if self.constraints:
            self.params["monotone_constraints"] = list(self.constraints)

    def fit(self, x: Float, y: Float, inner: Inner) -> "Lgbm":
        import lightgbm

        rounds = self.rounds if self.stopping is None else self._best_rounds(x, y, inner, self.stopping)
        self.trees = None
        self.booster = lightgbm.train(self.params, lightgbm.Dataset(*self._learned(x, y)), num_boost_round=rounds)
        return self

    def _best_rounds(self, x: Float, y: Float, inner: Inner, stopping: int) -> int:
        """After how many rounds the loss on held-out rows was least."""
        import lightgbm

        key = "model.early_stopping"
        (fold,) = inner.folds(1, first_train=1 - self.held_out, key=key, remedy="a smaller model.held_out")
        with at(f"{key}, rows before those held out"):
            train = lightgbm.Dataset(*self._learned(x[fold.train], y[fold.train]))
        with at(f"{key}, rows held out"):
            held = lightgbm.Dataset(*self._learned(x[fold.test], y[fold.test]), reference=train)
        stop = lightgbm.early_stopping(stopping, verbose=False)
        booster = lightgbm.train(self.params, train, num_boost_round=self.rounds, valid_sets=[held], callbacks=[stop])
        return max(1, int(booster.best_iteration))

    def _learned(self, x: Float, y: Float) -> tuple[Float, Float]:
        """The rows that are learned from, and what is learned."""
        if self.objective == "binary":
            return moves_only(x, y)
        if self.objective == "multiclass":
            both_ways(y)
            return x, y + 1.0
        return x, y

    def predict(self, x: Float) -> Float:
        said = self._say(x)
        match self.objective:
            case "binary":
                return 2.0 * said - 1.0
            case "multiclass":
                return said[:, 2] - said[:, 0]
        return said

    def probabilities(self, x: Float) -> Float | None:
        match self.objective:
            case "binary":
                return two_way(self._say(x))
            case "multiclass":
                return self._say(x)
        return None

    def _say(self, x: Float) -> Float:
        return self.trees.predict(x) if self.trees else cast(Float, self.booster.predict(x, num_threads=1))

    def contributions(self, x: Float) -> Float:
        """SHAP values (n, k): of three ways, of the score of up less that of down."""
        # The same values as shap.TreeExplainer, without importing shap; the last column is the expected score.
        shap = cast(Float, self.booster.predict(x, pred_contrib=True, num_threads=1))
        if self.objective == "multiclass":
            by_class = shap.reshape(len(x), 3, x.shape[1] + 1)
            shap = by_class[:, 2] - by_class[:, 0]
        return shap[:, :-1]

    def save(self, stem: Path) -> None:
        self.booster.save_model(stem.with_suffix(".txt"))

    def load(self, stem: Path, width: int) -> "Lgbm":
        """Reads what `save` wrote, for `width` features, to predict and no more: `contributions` and `native` need the
        library, which is never given a stranger's file. Raises DataError for anything else.
        """
        from ofiml.models import trees

        self.trees = trees.read(stem.with_suffix(".txt"), width, self.objective, self.constraints)
        return self

    def native(self) -> Any:
        return self.booster


def _constraints(task: Task) -> tuple[int, ...]:
    """Which way each feature may move the prediction: up, down, or freely; none where all are free."""
    from ofiml.ofi.push import push

    if not task.features:
        raise ValueError("a monotone model needs the names of its features")
    signs = tuple(push(name) for name in task.features)
    return signs if any(signs) else ()


def build(config: LgbmModel, task: Task) -> Model:
    three = config.objective == "three_class"
    model = calibrated(lambda: Lgbm(config, task), config.calibration, flat=three)
    return WithFlat(model) if task.form == "direction" and not three else model


MODEL = Kind(LgbmModel, ("return", "direction"), build)
