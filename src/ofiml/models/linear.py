"""The base of the linear models: of the return, or of the direction through the logistic function.

A missing value is replaced by the train median, and features are standardised on the train rows.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ofiml._typing import Float
from ofiml.atomic import write_text_atomically
from ofiml.errors import DataError, OneWayError
from ofiml.models.base import expand_binary_probabilities
from ofiml.splits.inner import Inner


@dataclass(frozen=True, slots=True)
class Scorer:
    """The score of a fitted linear model in explicit arithmetic, with the same bits for one row as for many; a matrix
    product does not guarantee that. All fields are (k,) except `intercept`.
    """

    median: Float
    mean: Float
    scale: Float
    coef: Float
    intercept: float

    def standardise(self, x: Float) -> Float:
        """Impute and standardise the features (n, k)."""
        return (np.where(np.isnan(x), self.median, x) - self.mean) / self.scale

    def score(self, x: Float) -> Float:
        """Compute the score (n,) of features (n, k)."""
        return np.sum(self.standardise(x) * self.coef, axis=1) + self.intercept


class Linear:
    """A scikit-learn linear estimator with imputation and standardisation. A classifier predicts the rows that move."""

    def __init__(self, estimator: Any, *, classify: bool) -> None:
        self.classify = classify
        self._estimator = estimator
        self.pipeline: Any = None

    def fit(self, x: Float, y: Float, inner: Inner) -> "Linear":
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.classify:
            x, y = select_moves(x, y)
        else:
            x = x.copy()  # the one copy, which is then imputed and standardised in place
        # From a row of medians the imputer learns them; from all rows it would sort and copy all columns at once.
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(compute_medians(x)[None, :])
        for column, median in zip(x.T, imputer.statistics_, strict=True):
            column[np.isnan(column)] = median
        scaler = StandardScaler(copy=False)
        x = scaler.fit_transform(x)
        scaler.set_params(copy=True)  # who predicts with it keeps his rows
        self.pipeline = make_pipeline(imputer, scaler, self._estimator.fit(x, y))
        estimator = self._estimator
        self.scorer = Scorer(
            imputer.statistics_,
            scaler.mean_,
            scaler.scale_,
            np.ravel(estimator.coef_),
            float(np.ravel(estimator.intercept_)[0]),
        )
        self._train_mean = x.mean(axis=0)
        return self

    def predict(self, x: Float) -> Float:
        return 2.0 * self._predict_up(x) - 1.0 if self.classify else self.scorer.score(x)

    def probabilities(self, x: Float) -> Float | None:
        return expand_binary_probabilities(self._predict_up(x)) if self.classify else None

    def _predict_up(self, x: Float) -> Float:
        from scipy.special import expit

        up: Float = expit(self.scorer.score(x))
        return up

    def contributions(self, x: Float) -> Float:
        import shap

        masker = shap.maskers.Independent(self._train_mean[None, :])
        explainer = shap.LinearExplainer((self.scorer.coef, self.scorer.intercept), masker)
        return explainer.shap_values(self.scorer.standardise(x))

    def save(self, stem: Path) -> None:
        as_lists = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self.scorer).items()}
        content = json.dumps({"classify": self.classify} | as_lists, indent=1)
        write_text_atomically(stem.with_suffix(".json"), content)

    def load(self, stem: Path, width: int) -> "Linear":
        """Read the file of `save`, for `width` features. Raises DataError for any other content."""
        path = stem.with_suffix(".json")
        try:
            parts = json.loads(path.read_text())
            arrays = [np.array(parts[k], np.float64) for k in ("median", "mean", "scale", "coef")]
            median, mean, scale, coef = arrays
            self.scorer = Scorer(median, mean, scale, coef, float(parts["intercept"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path.name} is not a linear model written by a study: restore the logged file."
            ) from error
        if any(a.shape != (width,) for a in arrays) or parts.get("classify") != self.classify:
            raise DataError(f"{path.name} does not match the model or features of the run's config.")
        return self

    def native(self) -> Any:
        return self.pipeline


def compute_medians(x: Float) -> Float:
    """Compute the median (k,) of the known values of each column of x (n, k); NaN where none is known."""
    medians = np.full(x.shape[1], np.nan)
    for j, column in enumerate(x.T):
        known = column[~np.isnan(column)]
        if len(known):
            medians[j] = np.median(known)
    return medians


def select_moves(x: Float, y: Float) -> tuple[Float, Float]:
    """Select the rows that moved, with y as 0 (down) or 1 (up), to train a two-class model. Raises OneWayError unless
    some went up and some down.
    """
    require_both_directions(y)
    moved = y != 0
    return x[moved], (y[moved] > 0).astype(np.float64)


def require_both_directions(y: Float) -> None:
    """Raise OneWayError unless the labels of a direction (-1, 0, 1) contain both 1 and -1."""
    if not ((y > 0).any() and (y < 0).any()):
        raise OneWayError("all rows moved the same way, or none did")
