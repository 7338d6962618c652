"""The base of the linear models: of the return, or of the direction through the logistic function.

A missing value is replaced by the train median, and features are standardised on the train rows.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ofiml._typing import Float
from ofiml.atomic import write_text_atomically
from ofiml.errors import DataError, OneWayError
from ofiml.models.base import expand_binary_probabilities
from ofiml.models.standard_rows import StandardRows
from ofiml.splits.inner import Inner

_BLOCK_ROWS = 1 << 13  # whose standardised values stay in the cache


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
        """Compute the score (n,) of features (n, k), a block of rows at a time."""
        score = np.empty(len(x))
        for first in range(0, len(x), _BLOCK_ROWS):
            rows = slice(first, first + _BLOCK_ROWS)
            score[rows] = np.sum(self.standardise(x[rows]) * self.coef, axis=1)
        return score + self.intercept


class Linear:
    """A scikit-learn linear estimator with imputation and standardisation. A classifier predicts the rows that move.

    The estimator may change the rows that it is fitted on (`copy_X=False`).
    """

    def __init__(self, estimator: Any, *, classify: bool) -> None:
        self.classify = classify
        self._estimator = estimator
        self.pipeline: Any = None

    def fit(self, x: Float, y: Float, inner: Inner) -> "Linear":
        return self.fit_in_place(x if self.classify else x.copy(), y)

    def fit_in_place(self, x: Float, y: Float) -> "Linear":
        """Fit as `fit` does, and use the memory of x (n, k), whose values are lost."""
        if self.classify:
            x, y = select_moves(x, y)
        return self._fit_rows(StandardRows.of(x), y)

    def fit_each(self, x: Float, labels: Sequence[Float]) -> list["Linear"]:
        """Fit a model like this one, of a return, to each of several `labels` (n,) of the same rows x (n, k), which are
        standardised once, in place. Each equals that of `fit`, to the bit.
        """
        from sklearn.base import clone

        rows = StandardRows.of(x)
        models = []
        for k, y in enumerate(labels):
            own = replace(rows, x=rows.x.copy()) if k < len(labels) - 1 else rows
            models.append(Linear(clone(self._estimator), classify=False)._fit_rows(own, y))
        return models

    def _fit_rows(self, rows: StandardRows, y: Float) -> "Linear":
        """Fit on standardised rows, which an estimator may centre in place."""
        from sklearn.pipeline import make_pipeline

        self._train_mean = rows.mean
        estimator = self._estimator.fit(rows.x, y)
        self.pipeline = make_pipeline(rows.imputer, rows.scaler, estimator)
        self.scorer = Scorer(
            rows.imputer.statistics_,
            rows.scaler.mean_,
            rows.scaler.scale_,
            np.ravel(estimator.coef_),
            float(np.ravel(estimator.intercept_)[0]),
        )
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
