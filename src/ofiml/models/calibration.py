"""Calibration of probabilities to observed frequencies, on rows that the model was not fitted on.

The model predicts purged walk-forward folds inside the train rows. A non-decreasing curve from its probability to the
observed frequency is fitted on these predictions (Zadrozny & Elkan 2002; Platt 1999). The model itself is then fitted
on all train rows.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ofiml._typing import Calibration, Float
from ofiml.atomic import write_text_atomically
from ofiml.errors import DataError, locate_error
from ofiml.models.base import Model, expand_binary_probabilities, parse_finite, read_json
from ofiml.splits.inner import Inner

_FOLDS, _FIRST_TRAIN = 3, 0.4
_MIN_PROBABILITY = 1e-12  # logits of probabilities nearer to 0 or 1 carry no information


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A calibration curve: a non-decreasing piecewise linear function through the points (x, y)."""

    x: Float
    y: Float

    @classmethod
    def fit(cls, p: Float, outcome: Float) -> "Isotonic":
        from sklearn.isotonic import IsotonicRegression

        floor = 1.0 / (len(p) + 2)  # an event that is absent from these rows is not impossible
        curve = IsotonicRegression(y_min=floor, y_max=1 - floor, out_of_bounds="clip").fit(p, outcome)
        return cls(curve.X_thresholds_, curve.y_thresholds_)

    def __call__(self, p: Float) -> Float:
        # Explicit arithmetic, so that one row gets the same bits as many.
        if len(self.x) == 1:
            return np.full(len(p), self.y[0])
        p = np.clip(p, self.x[0], self.x[-1])
        right = np.clip(np.searchsorted(self.x, p, side="right"), 1, len(self.x) - 1)
        left = right - 1
        share = (p - self.x[left]) / (self.x[right] - self.x[left])
        return self.y[left] + share * (self.y[right] - self.y[left])

    @classmethod
    def read(cls, x: Float, y: Float) -> "Isotonic | None":
        rising = len(x) == len(y) and bool((np.diff(x) > 0).all() and (np.diff(y) >= 0).all())
        return cls(x, y) if rising and y[0] > 0 and y[-1] < 1 else None


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """A calibration curve expit(x·logit(p) + y), with slope x >= 0 and intercept y, (1,) each."""

    x: Float
    y: Float

    @classmethod
    def fit(cls, p: Float, outcome: Float) -> "Sigmoid":
        from scipy.special import logit
        from sklearn.linear_model import LogisticRegression

        # Platt's targets lie inside (0, 1), so that an optimum always exists.
        up = outcome.sum()
        target = np.where(outcome > 0, (up + 1) / (up + 2), 1 / (len(p) - up + 2))
        score = np.tile(_logit(p), 2)[:, None]
        outcome = np.repeat([1.0, 0.0], len(p))
        fitted = LogisticRegression(C=np.inf).fit(score, outcome, sample_weight=np.concatenate([target, 1 - target]))
        slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        if slope < 0:  # the scores rank the rows in reverse
            slope, intercept = 0.0, float(logit(target.mean()))
        return cls(np.array([slope]), np.array([intercept]))

    def __call__(self, p: Float) -> Float:
        from scipy.special import expit

        out: Float = expit(self.x[0] * _logit(p) + self.y[0])
        return out

    @classmethod
    def read(cls, x: Float, y: Float) -> "Sigmoid | None":
        return cls(x, y) if len(x) == len(y) == 1 and 0 <= x[0] < 1e9 and abs(y[0]) < 1e9 else None


def _logit(p: Float) -> Float:
    from scipy.special import logit

    out: Float = logit(np.clip(p, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY))
    return out


_CURVES: dict[Calibration, type[Isotonic] | type[Sigmoid]] = {"isotonic": Isotonic, "sigmoid": Sigmoid}


def wrap_calibrated(make: Callable[[], Model], method: Calibration, *, flat: bool = False) -> Model:
    """Wrap the classifier that `make` builds in calibration by `method`. `flat` is true for three classes."""
    return make() if method == "none" else CalibratedClassifier(make, method, flat=flat)


class CalibratedClassifier:
    """A classifier of direction with a calibration curve for P(up). With `flat` it has one curve per class, and the
    calibrated values are divided by their sum.
    """

    def __init__(self, make: Callable[[], Model], method: Calibration, *, flat: bool) -> None:
        self._make, self._method, self._classes = make, method, [0, 1, 2] if flat else [2]
        self.model = make()
        self.curves: list[Isotonic | Sigmoid] = []

    def fit(self, x: Float, y: Float, inner: Inner) -> "CalibratedClassifier":
        scores, labels = [], []
        key = "model.calibration"
        for fold in inner.folds(_FOLDS, first_train=_FIRST_TRAIN, key=key, remedy=f"{key}=none"):
            with locate_error(f"inner fold {fold.index} of {key}"):
                fitted = self._make().fit(x[fold.train], y[fold.train], inner.take(fold.train))
            # A two-class model predicts only the rows that move.
            rows = fold.test if len(self._classes) == 3 else fold.test[y[fold.test] != 0]
            scores.append(_predict_probabilities(fitted, x[rows]))
            labels.append(y[rows])
        p, outcome = np.concatenate(scores), np.concatenate(labels)
        if len(p) == 0:
            raise DataError(
                "model.calibration has no row where the price moved: give more data, or use model.calibration=none."
            )
        curve = _CURVES[self._method]
        self.curves = [curve.fit(p[:, k], (outcome == k - 1).astype(np.float64)) for k in self._classes]
        self.model = self._make().fit(x, y, inner)
        return self

    def predict(self, x: Float) -> Float:
        p = self.probabilities(x)
        return p[:, 2] - p[:, 0]

    def probabilities(self, x: Float) -> Float:
        raw = _predict_probabilities(self.model, x)
        columns = [curve(raw[:, k]) for curve, k in zip(self.curves, self._classes, strict=True)]
        if len(columns) == 1:
            return expand_binary_probabilities(columns[0])
        total = columns[0] + columns[1] + columns[2]
        return np.column_stack([column / total for column in columns])

    def contributions(self, x: Float) -> Float:
        """Compute SHAP values of the score before calibration; the curve is monotone."""
        return self.model.contributions(x)

    def save(self, stem: Path) -> None:
        self.model.save(stem)
        curves = [{k: v.tolist() for k, v in asdict(curve).items()} for curve in self.curves]
        write_text_atomically(_name_file(stem), json.dumps({"method": self._method, "curves": curves}, indent=1))

    def load(self, stem: Path, width: int) -> "CalibratedClassifier":
        path, what = _name_file(stem), "calibration"
        parts = read_json(path, what, {"method", "curves"})
        curves = parts["curves"]
        if parts["method"] != self._method or not isinstance(curves, list) or len(curves) != len(self._classes):
            raise DataError(f"{path.name} does not match model.calibration of the run's config: restore the file.")
        self.curves = []
        for points in curves:
            if not isinstance(points, dict) or set(points) != {"x", "y"}:
                raise DataError(f"{path.name} is not a calibration written by a study: restore the logged file.")
            curve = _CURVES[self._method].read(*(parse_finite(points[k], path, what) for k in ("x", "y")))
            if curve is None:
                raise DataError(
                    f"{path.name} is not a calibration written by a study: a curve does not increase within (0, 1); "
                    "restore the logged file."
                )
            self.curves.append(curve)
        self.model = self._make().load(stem, width)
        return self

    def native(self) -> Any:
        return self.model.native()


def _name_file(stem: Path) -> Path:
    return stem.with_name(stem.name + "_calibration.json")


def _predict_probabilities(model: Model, x: Float) -> Float:
    p = model.probabilities(x)
    assert p is not None, "only a classifier is calibrated"
    return p
