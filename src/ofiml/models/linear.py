"""Linear models: OLS and Ridge on the return, logistic regression on the direction.

Missing values take the train median, features are standardised on the train rows.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ofiml.config import LogisticModel, RidgeModel
from ofiml.errors import DataError
from ofiml.models.base import Float


class Linear:
    """A scikit-learn linear estimator behind imputation and standardisation."""

    def __init__(self, estimator: Any, *, classify: bool) -> None:
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self.classify = classify
        self.pipeline = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), estimator
        )

    def fit(self, x: Float, y: Float) -> "Linear":
        if self.classify:
            x, y = moves_only(x, y)
        self.pipeline.fit(x, y)
        self._train_mean = self.pipeline[:-1].transform(x).mean(axis=0)
        return self

    def predict(self, x: Float) -> Float:
        if self.classify:
            return 2.0 * self.pipeline.predict_proba(x)[:, 1] - 1.0
        return self.pipeline.predict(x)

    def contributions(self, x: Float) -> Float:
        import shap

        estimator = self.pipeline[-1]
        parts = np.ravel(estimator.coef_), float(np.ravel(estimator.intercept_)[0])
        masker = shap.maskers.Independent(self._train_mean[None, :])
        return shap.LinearExplainer(parts, masker).shap_values(self.pipeline[:-1].transform(x))

    def save(self, stem: Path) -> None:
        imputer, scaler, estimator = (step for _, step in self.pipeline.steps)
        parts = {
            "classify": self.classify,
            "median": imputer.statistics_,
            "mean": scaler.mean_,
            "scale": scaler.scale_,
            "coef": np.ravel(estimator.coef_),
            "intercept": np.ravel(estimator.intercept_),
        }
        as_lists = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in parts.items()}
        stem.with_suffix(".json").write_text(json.dumps(as_lists, indent=1))

    def native(self) -> Any:
        return self.pipeline


def ols() -> Linear:
    from sklearn.linear_model import LinearRegression

    return Linear(LinearRegression(), classify=False)


def ridge(config: RidgeModel) -> Linear:
    from sklearn.linear_model import Ridge

    return Linear(Ridge(alpha=config.alpha), classify=False)


def logistic(config: LogisticModel) -> Linear:
    from sklearn.linear_model import LogisticRegression

    return Linear(LogisticRegression(C=config.c, max_iter=1000), classify=True)


def moves_only(x: Float, y: Float) -> tuple[Float, Float]:
    """The rows whose mid moved, with y as 0 (down) or 1 (up): what a classifier of direction trains on.

    Raises DataError if they all moved the same way.
    """
    moved = y != 0
    up = (y[moved] > 0).astype(np.float64)
    if len(np.unique(up)) < 2:
        raise DataError(
            "All train rows of a fold moved the same way, or none did: give more data, or a longer horizon."
        )
    return x[moved], up
